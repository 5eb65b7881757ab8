/**
 * Rotary position: pairs of features are turned by position × angle, like the hands of D/2 clocks of different speeds.
 *
 *   (x + iy) e^{i n θ_j}      so that ⟨q_n, k_m⟩ depends on q, k and the distance n − m alone
 *
 * Turning keeps lengths: nothing decays here. In retention this is the paper's Θ (for q) and its conjugate (for k, which
 * the dot product of real pairs does by itself); decay is another factor, D.
 *
 * Source: YOCO "gated retention, parallel" (arXiv eq. 4); official `kernel/rotary.py`. Two conventions live side by side:
 * - which features form a pair: neighbours (YOCO, `interleaved`) or i and i + D/2 (the baseline, `half-split`);
 * - the speeds: θ^(-i/(D/2-1)), both ends included (YOCO's `end-point`), or θ^(-2i/D) (`standard`).
 * Mixing them up gives a model that runs, trains, and cannot read anybody else's weights.
 */
import * as tf from '@tensorflow/tfjs';

export type RotaryStyle = 'interleaved' | 'half-split';
export type RotaryFrequencies = 'end-point' | 'standard';
export interface RotaryOptions {
  style: RotaryStyle;
  frequencies: RotaryFrequencies;
  /** θ: the slowest hand turns about θ times slower than the fastest. */
  theta: number;
}
export const YOCO_ROTARY: RotaryOptions = { style: 'interleaved', frequencies: 'end-point', theta: 10_000 };
export const BASELINE_ROTARY: RotaryOptions = { style: 'half-split', frequencies: 'standard', theta: 10_000 };

/** The D/2 speeds in radians per token, fastest first. @throws RangeError if D is odd. */
export function rotaryAngles(D: number, { frequencies, theta }: Pick<RotaryOptions, 'frequencies' | 'theta'>): number[] {
  if (D < 2 || D % 2 !== 0) throw new RangeError(`rotaryAngles: D is ${D}; features turn in pairs, give an even number.`);
  const pairs = D / 2;
  // With one pair there is no slowest hand, only the fastest: exponent 0.
  const exponent = (i: number) => (frequencies === 'end-point' ? i / Math.max(1, pairs - 1) : i / pairs);
  return Array.from({ length: pairs }, (_, i) => theta ** -exponent(i));
}

/**
 * Turns x [B,N,H,D], whose first token stands at position `start`. The caller owns the result.
 * @throws RangeError if D is odd or `start` is no position.
 */
export function rotary(x: tf.Tensor4D, start: number, options: RotaryOptions): tf.Tensor4D {
  if (!Number.isInteger(start) || start < 0) throw new RangeError(`rotary: start is ${start}; a position is a whole number, 0 or more.`);
  const [B, N, H, D] = x.shape;
  return tf.tidy(() => {
    const { cos, sin } = tables(rotaryAngles(D, options), start, N);
    const pairs = D / 2;
    if (options.style === 'half-split') {
      const [a, b] = tf.split(x, 2, 3);
      return tf.concat([a!.mul(cos).sub(b!.mul(sin)), a!.mul(sin).add(b!.mul(cos))], 3) as tf.Tensor4D;
    }
    // Neighbours: an axis of length 2 at the end holds the pair.
    const [a, b] = tf.split(x.reshape([B * N, H, pairs, 2]), 2, 3).map((half) => half.reshape<tf.Tensor4D>([B, N, H, pairs]));
    const real = a!.mul(cos).sub(b!.mul(sin));
    const imaginary = a!.mul(sin).add(b!.mul(cos));
    return tf.stack([real, imaginary], 4).reshape<tf.Tensor4D>([B, N, H, D]);
  });
}

/** cos and sin of position × angle, [N, 1, D/2]. In float64 on the host: at position 10⁶ float32 angles are off by 0.03. */
function tables(angles: number[], start: number, N: number): { cos: tf.Tensor3D; sin: tf.Tensor3D } {
  const cos = new Float32Array(N * angles.length);
  const sin = new Float32Array(N * angles.length);
  for (let n = 0; n < N; n++)
    for (let i = 0; i < angles.length; i++) {
      cos[n * angles.length + i] = Math.cos((start + n) * angles[i]!);
      sin[n * angles.length + i] = Math.sin((start + n) * angles[i]!);
    }
  const shape: [number, number, number] = [N, 1, angles.length];
  return { cos: tf.tensor3d(cos, shape), sin: tf.tensor3d(sin, shape) };
}
