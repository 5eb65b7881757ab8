/**
 * Keys and values of a batch whose rows may differ in length: every row ends in the last column.
 *
 *   held  · a b     new  · · x     concatenated  · a b · · x     left-padded  · · · a b x
 *         c d e          y z w                   c d e y z w                  c d e y z w
 *
 * Then the distance between two columns is the distance between two tokens, in every row. So the
 * causal mask and the window apply as they are, and only the front of shorter rows is masked.
 */
import * as tf from '@tensorflow/tfjs';
import { lengthsAfter, type PadLengths } from '../layers/padding';
import { checkCount, readShapes } from '../tensor/shapes';
import { checkPadding } from './attention';

/** k [B, M, Hkv, Dk], already rotated, and v [B, M, Hkv, Dv]. */
export type KeysValues = { k: tf.Tensor4D; v: tf.Tensor4D };

/** Is there padding between the tokens that a row holds and its new ones? */
export const hasGap = (tokens: readonly number[], padLengths: PadLengths): boolean =>
  padLengths.some((count, row) => count > 0 && tokens[row] > 0);

/**
 * held [B, R, Hkv, D], of which the last `tokens[row]` columns of each row are tokens, followed by
 * x [B, N, Hkv, D] → [B, M, Hkv, D]; the caller owns it.
 */
export function concatLeftPadded(
  held: tf.Tensor4D | undefined,
  tokens: readonly number[],
  x: tf.Tensor4D,
  padLengths?: PadLengths,
): tf.Tensor4D {
  if (!held) return x.clone();
  if (!padLengths || !hasGap(tokens, padLengths)) return tf.concat([held, x], 1);
  const [B, R, Hkv, D] = held.shape;
  const N = x.shape[1];
  const M = Math.max(...lengthsAfter(tokens, N, padLengths));
  return tf.tidy(() => {
    const rows: tf.Tensor4D[] = []; // [1, M, Hkv, D] each
    for (let row = 0; row < B; row++) {
      const [old, added] = [tokens[row], N - padLengths[row]];
      const padding: tf.Tensor4D = tf.zeros([1, M - old - added, Hkv, D]);
      const heldRow = held.slice([row, R - old, 0, 0], [1, old, -1, -1]);
      const addedRow = x.slice([row, N - added, 0, 0], [1, added, -1, -1]);
      const parts = [padding, heldRow, addedRow].filter(({ size }) => size > 0);
      rows.push(tf.concat(parts, 1));
    }
    return tf.concat(rows, 0);
  });
}

/** Columns at the front of each row that hold no token; undefined if there are none. */
export function paddedColumns(columns: number, tokens: readonly number[]): number[] | undefined {
  const padLengths = tokens.map((count) => Math.max(0, columns - count));
  return padLengths.some((count) => count > 0) ? padLengths : undefined;
}

/** @throws RangeError unless k and v are tokens of `batch` sequences, and fit those held. */
export function checkKeysValues(
  where: string,
  { k, v }: KeysValues,
  batch: number,
  padLengths?: PadLengths,
  held?: KeysValues,
): void {
  const spec = { k: 'B N Hkv Dk', v: 'B N Hkv Dv', heldK: 'B M Hkv Dk', heldV: 'B M Hkv Dv' };
  const { B, N } = readShapes(where, spec, { k, v, heldK: held?.k, heldV: held?.v });
  if (B !== batch) throw new RangeError(`${where}: k holds ${B} sequences, the cache ${batch}.`);
  checkCount(where, 'the length of k', N, 'tokens');
  if (padLengths) checkPadding(where, padLengths, B, N);
}

/** @throws Error if the cache was disposed. */
export function checkUsable(where: string, disposed: boolean): void {
  if (disposed) throw new Error(`${where}: the cache was disposed; make a new one.`);
}
/** The error of a cache that is read before the first append. */
export const emptyCache = (where: string): Error =>
  new RangeError(`${where}: the cache is empty; append keys and values first.`);
