/**
 * How a long attention is cut: blocks of queries, and for each block the stretch of keys that any of its queries sees.
 *
 * Picture the causal triangle sliced into horizontal bands. A band ends at its last query's own key, so the empty half
 * of the square is never computed; with a window the band also starts late. One band's scores are all that is ever held.
 */
import * as tf from '@tensorflow/tfjs';
import { type AttentionRule, visibleKeys } from './definition';

export interface QueryBlock {
  /** First query and number of queries. */
  start: number;
  count: number;
  /** Keys [firstKey, endKey). */
  firstKey: number;
  endKey: number;
}

/** Numbers of scores held at once: 16 million are 64 MB. Larger blocks were no faster on wasm. */
const SCORES_HELD = 2 ** 24;

/** Queries per block for N queries over M keys, `heads` of them at once: as many as the budget holds, 16 to 256. */
export const queriesPerBlock = (heads: number, M: number): number =>
  Math.max(16, Math.min(256, Math.floor(SCORES_HELD / (heads * M))));

export function queryBlocks(
  N: number,
  M: number,
  blockSize: number,
  rule: AttentionRule,
): QueryBlock[] {
  return Array.from({ length: Math.ceil(N / blockSize) }, (_, i) => {
    const start = i * blockSize;
    const count = Math.min(blockSize, N - start);
    const [firstKey] = visibleKeys(start, N, M, rule);
    const [, endKey] = visibleKeys(start + count - 1, N, M, rule);
    return { start, count, firstKey, endKey };
  });
}

/** So far below any score that its softmax is exactly 0; finite, because ∞ − ∞ is NaN. */
export const HIDDEN = -1e30;

/** What is added to a block's scores, [count, keys]: 0 where seen, a huge negative where not. Undefined if all is seen. */
export function blockMask(
  { start, count, firstKey, endKey }: QueryBlock,
  N: number,
  M: number,
  rule: AttentionRule,
): tf.Tensor2D | undefined {
  const width = endKey - firstKey;
  const mask = new Float32Array(count * width);
  let hides = false;
  for (let i = 0; i < count; i++) {
    const [first, end] = visibleKeys(start + i, N, M, rule);
    for (let m = firstKey; m < endKey; m++)
      if (m < first || m >= end) {
        mask[i * width + m - firstKey] = HIDDEN;
        hides = true;
      }
  }
  return hides ? tf.tensor2d(mask, [count, width]) : undefined;
}

/**
 * What is added to the scores of rows that are shorter than the batch, [B·Hkv, keys]: a huge negative over the first
 * `hidden[b]` keys of sequence b. Undefined if none of the keys firstKey … endKey is hidden.
 */
export function frontMask(
  hidden: readonly number[] | undefined,
  BHkv: number,
  firstKey: number,
  endKey: number,
): tf.Tensor2D | undefined {
  if (!hidden?.some((count) => count > firstKey)) return undefined;
  const width = endKey - firstKey;
  const mask = new Float32Array(BHkv * width);
  const headsPerRow = BHkv / hidden.length;
  for (let i = 0; i < BHkv; i++)
    mask.fill(
      HIDDEN,
      i * width,
      i * width + Math.min(width, Math.max(0, hidden[Math.floor(i / headsPerRow)] - firstKey)),
    );
  return tf.tensor2d(mask, [BHkv, width]);
}
