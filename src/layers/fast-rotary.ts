/**
 * Rotary position embedding by matrix products: the inputs and results of rotary.ts.
 *
 *   x e^{iα} = x cos α + (i x) sin α,  where i x is the product of x with a fixed matrix J
 *
 * J holds 0, 1 and −1, so the product is exact. It is many times faster than taking the pairs
 * apart and putting them together again, forward and backward. For a single position, as in
 * decoding, the whole rotation is one matrix.
 */
import * as tf from '@tensorflow/tfjs';
import type { Implementation } from './mixer';
import {
  type RotaryForm,
  type RotaryOptions,
  type RotaryStyle,
  type RotaryTables,
  readStarts,
  rotary,
  rotaryTables,
} from './rotary';

/** Rotates x [B, N, H, D] → [B, N, H, D]. The caller owns the result. @throws as `rotary`. */
export const fastRotary: RotaryForm = (x, start, options) => {
  const [B, N, H, D] = x.shape;
  const starts = readStarts('rotary', start, B);
  return tf.tidy(() => {
    const tables = rotaryTables(options, D, starts, N);
    tables.fast ??= perFeature(tables, D, options.style);
    const { fast } = tables;
    const rows: tf.Tensor2D = x.reshape([B * N * H, D]);
    if (N === 1 && starts.length === 1) {
      fast.rotation ??= rotationMatrix(tables, options);
      const rotation = tf.tensor2d(fast.rotation, [D, D]);
      return tf.matMul(rows, rotation).reshape([B, N, H, D]);
    }
    const shape = [starts.length, N, 1, D];
    const cos = tf.tensor(fast.cos, shape);
    const sin = tf.tensor(fast.sin, shape);
    const ix = tf.matMul(rows, timesI(D, options.style)).reshape([B, N, H, D]);
    return x.mul<tf.Tensor4D>(cos).add(ix.mul(sin));
  });
};

/** The form that a tier takes. */
export const rotaryFor = (implementation: Implementation): RotaryForm =>
  implementation === 'plain' ? rotary : fastRotary;

/** The two features of pair i. */
const pairOf = (i: number, D: number, style: RotaryStyle): [number, number] =>
  style === 'interleaved' ? [2 * i, 2 * i + 1] : [i, i + D / 2];

/** [rows, N, D/2] → [rows, N, D]: each value at both features of its pair. */
function perFeature({ cos, sin }: RotaryTables, D: number, style: RotaryStyle) {
  const wide = { cos: new Float32Array(2 * cos.length), sin: new Float32Array(2 * sin.length) };
  for (let row = 0; row < cos.length; row += D / 2) {
    for (let i = 0; i < D / 2; i++) {
      for (const feature of pairOf(i, D, style)) {
        wide.cos[2 * row + feature] = cos[row + i];
        wide.sin[2 * row + feature] = sin[row + i];
      }
    }
  }
  return wide;
}

/** J [D, D] with x J = (−y, x) for each pair (x, y): multiplication by i. */
function timesI(D: number, style: RotaryStyle): tf.Tensor2D {
  const key = `${D} ${style}`;
  let J = knownJ.get(key);
  if (!J) {
    J = new Float32Array(D * D);
    for (let i = 0; i < D / 2; i++) {
      const [x, y] = pairOf(i, D, style);
      J[x * D + y] = 1;
      J[y * D + x] = -1;
    }
    knownJ.set(key, J);
  }
  return tf.tensor2d(J, [D, D]);
}
const knownJ = new Map<string, Float32Array>();

/** [D, D] for a single position: cos on the diagonal, ± sin beside it. */
function rotationMatrix({ cos, sin }: RotaryTables, { style }: RotaryOptions): Float32Array {
  const D = 2 * cos.length;
  const matrix = new Float32Array(D * D);
  for (let i = 0; i < D / 2; i++) {
    const [x, y] = pairOf(i, D, style);
    matrix[x * D + x] = cos[i];
    matrix[y * D + y] = cos[i];
    matrix[x * D + y] = sin[i];
    matrix[y * D + x] = -sin[i];
  }
  return matrix;
}
