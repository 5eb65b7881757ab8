/**
 * Rotary position embedding: each pair of features is rotated by position × angle.
 *
 *   (x + iy) e^{i n θ_j}      so that ⟨q_n, k_m⟩ depends on q, k and the distance n − m alone
 *
 * A rotation keeps lengths: nothing decays here. In retention this is the paper's Θ for q and its
 * conjugate for k, which the dot product of real pairs contains already; decay is the factor D.
 *
 * Source: YOCO, arXiv 2405.05254, gated retention, parallel (arXiv eq. 4); official
 * `kernel/rotary.py`. There are two conventions for each of two choices:
 * - which features form a pair: neighbours (YOCO, `interleaved`), or i and i + D/2 (the Transformer
 *   baseline, `half-split`);
 * - the angles: θ^(-i/(D/2-1)), both ends included (YOCO, `end-point`), or θ^(-2i/D) (`standard`).
 * A model with the wrong convention trains, but computes wrong numbers with anyone else's weights.
 */
import * as tf from '@tensorflow/tfjs';

export type RotaryStyle = 'interleaved' | 'half-split';
export type RotaryFrequencies = 'end-point' | 'standard';
export interface RotaryOptions {
  style: RotaryStyle;
  frequencies: RotaryFrequencies;
  /** θ: the slowest pair rotates about θ times slower than the fastest. */
  theta: number;
}
export const YOCO_ROTARY: RotaryOptions = {
  style: 'interleaved',
  frequencies: 'end-point',
  theta: 10_000,
};
export const BASELINE_ROTARY: RotaryOptions = {
  style: 'half-split',
  frequencies: 'standard',
  theta: 10_000,
};

/** The D/2 angles in radians per token, largest first. @throws RangeError if D is odd. */
export function rotaryAngles(
  D: number,
  { frequencies, theta }: Pick<RotaryOptions, 'frequencies' | 'theta'>,
): number[] {
  if (D < 2 || D % 2 !== 0)
    throw new RangeError(`rotaryAngles: D is ${D}; features form pairs, give an even number.`);
  const pairs = D / 2;
  const angles: number[] = [];
  for (let i = 0; i < pairs; i++) {
    // With D = 2 there is a single angle, 1.
    const exponent = frequencies === 'end-point' ? i / Math.max(1, pairs - 1) : i / pairs;
    angles.push(theta ** -exponent);
  }
  return angles;
}

/** `start`: the position of the first token, or one position for each row of the batch. */
export type RotaryForm = (
  x: tf.Tensor4D,
  start: number | readonly number[],
  options: RotaryOptions,
) => tf.Tensor4D;

/**
 * Rotates x [B, N, H, D] → [B, N, H, D]. The caller owns the result.
 * @throws RangeError if D is odd or `start` is no position.
 */
export const rotary: RotaryForm = (x, start, options) => {
  const [B, N, H, D] = x.shape;
  const starts = readStarts('rotary', start, B);
  return tf.tidy(() => {
    const tables = rotaryTables(options, D, starts, N);
    const shape = [starts.length, N, 1, D / 2];
    const cos = tf.tensor(tables.cos, shape);
    const sin = tf.tensor(tables.sin, shape);

    const interleaved = options.style === 'interleaved';
    const pairAxis = interleaved ? 4 : 3;
    const pairs = x.reshape(interleaved ? [B, N, H, D / 2, 2] : [B, N, H, 2, D / 2]);
    const [a, b] = tf.unstack(pairs, pairAxis); // each [B, N, H, D/2]
    const rotatedA = a.mul(cos).sub(b.mul(sin)); // [B, N, H, D/2]
    const rotatedB = a.mul(sin).add(b.mul(cos)); // [B, N, H, D/2]
    return tf.stack([rotatedA, rotatedB], pairAxis).reshape([B, N, H, D]);
  });
};

/** @throws RangeError unless `start` is a position, or one whole number for each of B rows. */
export function readStarts(
  where: string,
  start: number | readonly number[],
  B: number,
): readonly number[] {
  if (typeof start === 'number') {
    if (!Number.isInteger(start) || start < 0)
      throw new RangeError(`${where}: start is ${start}; a position is a whole number, 0 or more.`);
    return [start];
  }
  // Padded columns may have positions below 0; their angles are never used.
  if (start.length !== B || !start.every(Number.isInteger))
    throw new RangeError(
      `${where}: start is [${start}]; give one whole number for each of the ${B} rows.`,
    );
  return start;
}

export interface RotaryTables {
  /** cos and sin of position × angle, [rows, N, D/2]. */
  cos: Float32Array;
  sin: Float32Array;
  /** The same values laid out for the fast form, made when it first asks (fast-rotary.ts). */
  fast?: { cos: Float32Array; sin: Float32Array; rotation?: Float32Array };
}
/** All layers of a pass ask for the same positions, so the last answer is kept on the host. */
let last: { key: string; tables: RotaryTables } | undefined;

/** Computed in float64: at position 10⁶ the product in float32 would be off by 0.03 radians. */
export function rotaryTables(
  { style, frequencies, theta }: RotaryOptions,
  D: number,
  starts: readonly number[],
  N: number,
): RotaryTables {
  const key = [style, frequencies, theta, D, N, ...starts].join();
  if (last?.key === key) return last.tables;
  const angles = rotaryAngles(D, { frequencies, theta });
  const cos = new Float32Array((starts.length * N * D) / 2);
  const sin = new Float32Array((starts.length * N * D) / 2);
  let at = 0;
  for (const start of starts) {
    for (let n = 0; n < N; n++) {
      for (const angle of angles) {
        cos[at] = Math.cos((start + n) * angle);
        sin[at] = Math.sin((start + n) * angle);
        at++;
      }
    }
  }
  last = { key, tables: { cos, sin } };
  return last.tables;
}
