/**
 * How a long attention is cut: blocks of queries, and for each block the keys that any of its
 * queries sees.
 *
 * A block ends at its last query's own key, so most of the empty half of the causal square is not
 * computed; with a window the block also starts late. Only one block's scores exist at a time.
 */
import { type AttentionRule, visibleKeys } from './definition';

/** Queries start … start + count − 1, keys firstKey … endKey − 1. */
export interface QueryBlock {
  start: number;
  count: number;
  firstKey: number;
  endKey: number;
}

/** Scores that exist at once: 16 million are 64 MB. Larger blocks were no faster on wasm. */
const MAX_SCORES = 2 ** 24;

/** Queries per block for `heads` heads of M keys: as many as MAX_SCORES allows, 16 to 256. */
export const queriesPerBlock = (heads: number, M: number): number =>
  Math.max(16, Math.min(256, Math.floor(MAX_SCORES / (heads * M))));

export function queryBlocks(
  N: number,
  M: number,
  queryBlockSize: number,
  rule: AttentionRule,
): QueryBlock[] {
  const blocks: QueryBlock[] = [];
  for (let start = 0; start < N; start += queryBlockSize) {
    const count = Math.min(queryBlockSize, N - start);
    const [firstKey] = visibleKeys(start, N, M, rule);
    const [, endKey] = visibleKeys(start + count - 1, N, M, rule);
    blocks.push({ start, count, firstKey, endKey });
  }
  return blocks;
}
