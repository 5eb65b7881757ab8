/**
 * Numbers of 16 bits, as files store them to take half the space.
 *
 *   F16 (IEEE 754 half)   1 sign, 5 exponent, 10 fraction    6e-8 … 65,504, 3 digits
 *   BF16 (bfloat16)       1 sign, 8 exponent,  7 fraction    the range of float32, 2 digits
 *
 * Both are read exactly: each of their numbers is a float32 number too. Writing BF16 rounds.
 */

/** bfloat16 is the upper half of a float32. */
export function fromBF16(bits: Uint16Array): Float32Array {
  const wide = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) wide[i] = bits[i] << 16;
  return new Float32Array(wide.buffer);
}

/** To the nearest, halves to the even neighbour, as hardware does. NaN stays NaN. */
export function toBF16(values: Float32Array): Uint16Array {
  const wide = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const rounded = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const upper = wide[i] >>> 16;
    // Without its lower half a NaN could look like ∞: set the bit of a quiet NaN.
    rounded[i] = Number.isNaN(values[i]) ? upper | 0x40 : (wide[i] + 0x7fff + (upper & 1)) >>> 16;
  }
  return rounded;
}

let f16Values: Float32Array | undefined; // of all 65,536 bit patterns

export function fromF16(bits: Uint16Array): Float32Array {
  f16Values ??= Float32Array.from({ length: 2 ** 16 }, (_, pattern) => f16Value(pattern));
  const values = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) values[i] = f16Values[bits[i]];
  return values;
}

function f16Value(bits: number): number {
  const sign = bits >>> 15 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  if (exponent === 0) return sign * fraction * 2 ** -24; // 0 and the subnormal numbers
  return sign * (2 ** 10 + fraction) * 2 ** (exponent - 25);
}
