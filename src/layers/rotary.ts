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

/** The D/2 speeds in radians per token, fastest first. @throws RangeError if D is odd. */
export function rotaryAngles(
  D: number,
  { frequencies, theta }: Pick<RotaryOptions, 'frequencies' | 'theta'>,
): number[] {
  if (D < 2 || D % 2 !== 0)
    throw new RangeError(`rotaryAngles: D is ${D}; features turn in pairs, give an even number.`);
  const pairs = D / 2;
  // With one pair there is no slowest hand, only the fastest: exponent 0.
  const exponent = (i: number) =>
    frequencies === 'end-point' ? i / Math.max(1, pairs - 1) : i / pairs;
  return Array.from({ length: pairs }, (_, i) => theta ** -exponent(i));
}

/**
 * Turns x [B,N,H,D], whose first token stands at position `start`, or at one of its own in each row of the batch. The
 * caller owns the result.
 * @throws RangeError if D is odd or `start` is no position.
 */
export function rotary(
  x: tf.Tensor4D,
  start: number | readonly number[],
  options: RotaryOptions,
): tf.Tensor4D {
  const [B, N, H, D] = x.shape;
  if (typeof start === 'number' && (!Number.isInteger(start) || start < 0))
    throw new RangeError(`rotary: start is ${start}; a position is a whole number, 0 or more.`);
  // Below 0 stand padded slots, whose angle nobody uses.
  if (typeof start !== 'number' && (start.length !== B || !start.every(Number.isInteger)))
    throw new RangeError(
      `rotary: start is [${start}]; give one whole number for each of the ${B} rows.`,
    );
  return tf.tidy(() => {
    const starts = typeof start === 'number' ? [start] : start;
    const rows = x.reshape<tf.Tensor2D>([B * N * H, D]);
    // One position, as in decoding: the whole turn is one matrix.
    if (N === 1 && starts.length === 1)
      return tf.matMul(rows, oneTurn(options, D, starts[0])).reshape<tf.Tensor4D>([B, N, H, D]);
    const { cos, sin } = tables(options, D, starts, N);
    const shape: [number, number, number, number] = [starts.length, N, 1, D];
    // Any turn is a part of x and a part of x turned by 90°: x e^{iα} = x cos α + (ix) sin α.
    const quarter = tf
      .matMul(rows, quarterTurn(D, options.style))
      .reshape<tf.Tensor4D>([B, N, H, D]);
    return x.mul<tf.Tensor4D>(tf.tensor4d(cos, shape)).add(quarter.mul(tf.tensor4d(sin, shape)));
  });
}

/** The two features of pair i. */
const pairOf = (i: number, D: number, style: RotaryStyle): [number, number] =>
  style === 'interleaved' ? [2 * i, 2 * i + 1] : [i, i + D / 2];

/**
 * [D, D] of 0, 1 and −1 with x J = (−y, x) for each pair (x, y): multiplication by i. A product with it is exact, and many
 * times faster than taking the pairs apart and putting them together again, forward and backward.
 */
function quarterTurn(D: number, style: RotaryStyle): tf.Tensor2D {
  const key = `${D} ${style}`;
  const known = quarterTurns.get(key);
  const J = known ?? new Float32Array(D * D);
  if (!known) {
    for (let i = 0; i < D / 2; i++) {
      const [x, y] = pairOf(i, D, style);
      J[x * D + y] = 1;
      J[y * D + x] = -1;
    }
    quarterTurns.set(key, J);
  }
  return tf.tensor2d(J, [D, D]);
}
const quarterTurns = new Map<string, Float32Array>();

/** [D, D]: cos on the diagonal, ± sin beside it, for the angles of one position. */
function oneTurn(options: RotaryOptions, D: number, position: number): tf.Tensor2D {
  const kept = tables(options, D, [position], 1);
  if (!kept.turn) {
    kept.turn = new Float32Array(D * D);
    for (let i = 0; i < D / 2; i++) {
      const [x, y] = pairOf(i, D, options.style);
      kept.turn[x * D + x] = kept.turn[y * D + y] = kept.cos[x];
      kept.turn[x * D + y] = kept.sin[x];
      kept.turn[y * D + x] = -kept.sin[x];
    }
  }
  return tf.tensor2d(kept.turn, [D, D]);
}

interface Tables {
  cos: Float32Array;
  sin: Float32Array;
  /** Of a single position: see `oneTurn`. */
  turn?: Float32Array;
}
/** Every layer of a pass asks for the same angles: the last answer is kept, 8 bytes a number, on the host. */
let last: { key: string; tables: Tables } | undefined;

/** cos and sin of position × angle, [rows, N, 1, D], each angle at both features of its pair. In float64: at position 10⁶ float32 angles are off by 0.03. */
function tables(
  { style, frequencies, theta }: RotaryOptions,
  D: number,
  starts: readonly number[],
  N: number,
): Tables {
  const key = [style, frequencies, theta, D, N, ...starts].join();
  if (last?.key === key) return last.tables;
  const angles = rotaryAngles(D, { frequencies, theta });
  const cos = new Float32Array(starts.length * N * D);
  const sin = new Float32Array(starts.length * N * D);
  starts.forEach((start, row) => {
    for (let n = 0; n < N; n++)
      for (let i = 0; i < angles.length; i++) {
        const angle = (start + n) * angles[i];
        const [c, s] = [Math.cos(angle), Math.sin(angle)];
        for (const feature of pairOf(i, D, style)) {
          const at = (row * N + n) * D + feature;
          cos[at] = c;
          sin[at] = s;
        }
      }
  });
  last = { key, tables: { cos, sin } };
  return last.tables;
}
