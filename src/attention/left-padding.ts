/**
 * Rows of different lengths in one tensor of keys: every row ends in the last column, whatever came in.
 *
 *   past  · a b     newcomers  · · x     naively  · a b · · x     right-aligned  · · · a b x
 *         c d e                y z w              c d e y z w                    c d e y z w
 *
 * Then the distance between two columns is the distance between two tokens, in every row: the causal rule and the window
 * hold as they are, and all that is left to hide is the front of the short rows.
 */
import * as tf from '@tensorflow/tfjs';
import type { Padding } from '../layers/padding';

/** A past [B,R,Hkv,D], right-aligned with `held` tokens in each row, and newcomers [B,N,Hkv,D] → [B,M,Hkv,D], M as long as needed. */
export function followedRightAligned(
  past: tf.Tensor4D,
  held: readonly number[],
  newcomers: tf.Tensor4D,
  padding?: Padding,
): tf.Tensor4D {
  // Padding in front of a row that holds nothing yet is already where it belongs.
  if (!padding?.some((count, row) => count > 0 && held[row] > 0))
    return tf.concat([past, newcomers], 1);
  const [B, R, H, D] = past.shape;
  const N = newcomers.shape[1];
  const width = Math.max(...held.map((tokens, row) => tokens + N - padding[row]));
  return tf.tidy(() => {
    const rows = Array.from({ length: B }, (_, row) => {
      const tokens = held[row] + N - padding[row];
      return tf.concat(
        [
          tf.zeros<tf.Rank.R4>([1, width - tokens, H, D]),
          past.slice([row, R - held[row], 0, 0], [1, held[row], H, D]),
          newcomers.slice([row, padding[row], 0, 0], [1, N - padding[row], H, D]),
        ].filter(({ size }) => size > 0),
        1,
      ) as tf.Tensor4D;
    });
    return tf.concat(rows, 0);
  });
}

/** Columns at the front of each row that hold no token; undefined if there are none. */
export function hiddenColumns(columns: number, lengths: readonly number[]): number[] | undefined {
  const hidden = lengths.map((tokens) => Math.max(0, columns - tokens));
  return hidden.some((count) => count > 0) ? hidden : undefined;
}
