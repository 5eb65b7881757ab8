/** The conversions of 16-bit numbers, for all 65,536 of them, against the formulas of the formats. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromBF16, fromF16, toBF16 } from '../../src/weights/half-precision';
import { readSafetensors, writeSafetensors } from '../../src/weights/safetensors';
import type { StateDict } from '../../src/weights/state-dict';

const patterns = Uint16Array.from({ length: 2 ** 16 }, (_, bits) => bits);

/**
 * (−1)^sign · 2^(exponent − bias) · 1.fraction, from the digits of the pattern written in base two.
 * The smallest exponent has 0.fraction instead, the largest means ∞ or NaN.
 */
function byDefinition(bits: number, exponentDigits: number): number {
  const digits = bits.toString(2).padStart(16, '0');
  const exponentText = digits.slice(1, 1 + exponentDigits);
  const fractionText = digits.slice(1 + exponentDigits);
  const bias = 2 ** (exponentDigits - 1) - 1;
  const exponent = Number.parseInt(exponentText, 2);
  let fraction = 0;
  for (const [i, digit] of [...fractionText].entries()) fraction += Number(digit) * 0.5 ** (i + 1);
  const sign = digits[0] === '1' ? -1 : 1;
  if (!exponentText.includes('0')) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * 2 ** (1 - bias) * fraction;
  return sign * 2 ** (exponent - bias) * (1 + fraction);
}

describe('reading', () => {
  it.each([
    ['F16', fromF16, 5],
    ['BF16', fromBF16, 8],
  ] as const)(
    '%s: all patterns give the number of the formula, −0, ∞ and NaN too',
    (_, read, digits) => {
      const values = read(patterns);
      const wrong = [...patterns].filter(
        (bits) => !Object.is(values[bits], byDefinition(bits, digits)),
      );
      expect(wrong).toEqual([]);
    },
  );
  it('gives the numbers that the standard names', () => {
    expect([...fromF16(Uint16Array.of(0x3c00, 0x7bff, 1, 0x0400, 0xc000))]).toEqual([
      1,
      65_504,
      2 ** -24,
      2 ** -14,
      -2,
    ]);
    expect([...fromBF16(Uint16Array.of(0x3f80, 0x4049, 0xff80))]).toEqual([1, 3.140625, -Infinity]);
  });
});

describe('writing BF16', () => {
  const values = fromBF16(patterns);
  it('gives back all patterns that are numbers, and NaN for NaN', () => {
    const back = toBF16(values);
    const backAsNumbers = fromBF16(back);
    const wrong = [...patterns].filter((bits) =>
      Number.isNaN(values[bits]) ? !Number.isNaN(backAsNumbers[bits]) : back[bits] !== bits,
    );
    expect(wrong).toEqual([]);
  });
  it('takes the even one of two neighbours that are equally near, and the nearer one beside it', () => {
    const wrong: number[] = [];
    for (let bits = 0; bits < 0x7f7f; bits++) {
      const [low, high] = [values[bits], values[bits + 1]];
      const middle = low + (high - low) / 2; // exact: float32 has 16 more digits
      const step = (high - low) / 2 ** 16; // to the next float32
      const even = bits % 2 === 0 ? bits : bits + 1;
      const written = toBF16(Float32Array.of(middle, middle - step, middle + step, -middle));
      const expected = [even, bits, bits + 1, even + 0x8000];
      if (expected.some((pattern, i) => pattern !== written[i])) wrong.push(bits);
    }
    expect(wrong).toEqual([]);
  });
  it('any float32 number: no BF16 number is nearer', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (x) => {
        const [bits] = toBF16(Float32Array.of(x));
        // Half a step above the largest finite number, ∞ is the even neighbour.
        const isTooLarge = Math.abs(x) >= 2 ** 127 * (2 - 2 ** -8);
        expect(Math.abs(values[bits]) === Infinity).toBe(isTooLarge);
        if (isTooLarge) return;
        const error = Math.abs(values[bits] - x);
        for (const neighbour of [bits - 1, bits + 1]) {
          const value = values[neighbour & 0xffff];
          if (Number.isFinite(value)) expect(Math.abs(value - x)).toBeGreaterThanOrEqual(error);
        }
      }),
      { numRuns: 3000 },
    );
  });
  it('any NaN stays NaN, whatever its lower half holds', () => {
    const bits = Uint32Array.of(0x7f800001, 0xff800001, 0x7fffffff, 0xffffffff, 0x7fc00000);
    for (const value of fromBF16(toBF16(new Float32Array(bits.buffer)))) expect(value).toBeNaN();
  });
});

describe('a file', () => {
  const numbers = Float32Array.of(1, -0.3, 1e-30, 65_504, 2 ** -24, 3e38);
  const dict: StateDict = new Map([
    ['weights', { dtype: 'F32', shape: [2, 3], data: numbers }],
    ['ids', { dtype: 'I32', shape: [2], data: Int32Array.of(7, -7) }],
  ]);
  it('in BF16 takes half the space, says what was read, and keeps whole numbers as they are', () => {
    const bytes = writeSafetensors(dict, {}, { floatsAs: 'BF16' });
    expect(bytes.length).toBeLessThan(writeSafetensors(dict).length);
    const { tensors, storedAs, note } = readSafetensors(bytes, { where: 'a.safetensors' });
    expect(tensors.get('weights')).toEqual({
      dtype: 'F32',
      shape: [2, 3],
      data: fromBF16(toBF16(numbers)),
    });
    expect(tensors.get('ids')).toEqual(dict.get('ids'));
    expect([...storedAs]).toEqual([
      ['weights', 'BF16'],
      ['ids', 'I32'],
    ]);
    expect(note).toBe(
      'a.safetensors: 1 of 2 tensors are stored in half precision (BF16); they were read as ' +
        'float32, each number exactly.',
    );
  });
  it('in float32 has nothing to say', () => {
    const { note, storedAs } = readSafetensors(writeSafetensors(dict));
    expect(note).toBeUndefined();
    expect(storedAs.get('weights')).toBe('F32');
  });
  it('is not written in another precision', () => {
    expect(() => writeSafetensors(dict, {}, { floatsAs: 'F16' as 'BF16' })).toThrow(
      /floatsAs is "F16"; F32 and BF16 are written/,
    );
  });
});
