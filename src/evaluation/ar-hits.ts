/**
 * The part of the loss that is recall: tokens that could be copied from the context, and the rest.
 *
 *   … Queequeg took his harpoon … and Queeque|g     "queeg" came before, and is rare: an AR hit
 *                                     … and the |s  "the s" is common English: no hit
 *
 * A token is an AR hit (associative recall) if the last few tokens, itself included, stood side by
 * side earlier in the same window and are rare in the training text; common ones are known without
 * recall. A model that forgets its context can do well on the rest and badly on the hits: this is
 * how the paper's table 5 tells RetNet from the Transformer.
 *
 * Source: Arora et al., "Zoology", arXiv 2312.04927, section 3; YOCO, arXiv 2405.05254, tables 5
 * and 6, whose numbers are losses in nats. They take pairs of tokens (`order` 2), which are pieces
 * of words. Pairs of letters nearly always came before; five or six letters say as much.
 */
import { sum } from 'simple-statistics';
import { checkCount } from '../tensor/shapes';
import { type ForwardModel, type WindowOptions, wholeWindowLosses } from './perplexity';

export interface ArHitRule {
  /** Tokens of an n-gram, the predicted one included. */
  order: number;
  /** `countNgrams` of the training text, and the most that an AR hit may have there. */
  trainCounts: ReadonlyMap<string, number>;
  maxTrainCount: number;
}

/** The `order` tokens that end at `end`, as a key for maps. */
function ngramKey(tokens: ArrayLike<number>, end: number, order: number): string {
  let key = '';
  for (let n = end + 1 - order; n <= end; n++) key += String.fromCharCode(tokens[n]);
  return key;
}

/** How often each n-gram of `order` tokens occurs. Token ids must be below 65,536. */
export function countNgrams(tokens: ArrayLike<number>, order: number): Map<string, number> {
  checkCount('countNgrams', 'order', order, 'tokens');
  const counts = new Map<string, number>();
  for (let end = order - 1; end < tokens.length; end++) {
    const key = ngramKey(tokens, end, order);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

/** Whether window[n + 1] is an AR hit, for n = 0 … N − 1 of a window of N + 1 tokens. */
export function findArHits(
  window: ArrayLike<number>,
  { order, trainCounts, maxTrainCount }: ArHitRule,
): boolean[] {
  const hits: boolean[] = new Array(window.length - 1).fill(false);
  const seen = new Set<string>();
  for (let end = Math.max(1, order - 1); end < window.length; end++) {
    const key = ngramKey(window, end, order);
    const isRare = (trainCounts.get(key) ?? 0) <= maxTrainCount;
    hits[end - 1] = seen.has(key) && isRare;
    seen.add(key);
  }
  return hits;
}

/**
 * Mean losses of a text in nats: of all tokens, of the AR hits and of the others (NaN where there
 * are none), and the share of AR hits. Tokens at the end that fill no window are left out.
 * @throws RangeError if the text is shorter than one window and the token after it.
 */
export async function measureArHits(
  model: ForwardModel,
  text: Int32Array,
  { context, batch, ...rule }: ArHitRule & WindowOptions,
) {
  const losses = await wholeWindowLosses('measureArHits', model, text, { context, batch });
  const arHits: number[] = [];
  const others: number[] = [];
  for (let start = 0; start < losses.length; start += context) {
    const hits = findArHits(text.subarray(start, start + context + 1), rule);
    for (let n = 0; n < context; n++) (hits[n] ? arHits : others).push(losses[start + n]);
  }
  return {
    all: (sum(arHits) + sum(others)) / losses.length,
    arHit: sum(arHits) / arHits.length,
    firstOccurrence: sum(others) / others.length,
    share: arHits.length / losses.length,
  };
}
