/**
 * The part of the loss that is memory: tokens that could be copied from the context, against those that could not.
 *
 *   … Queequeg took his harpoon … and Queeque|g        "queeg" ended like this before, and rarely elsewhere: a hit
 *                                     … and the |s      "the s" did not come before, or is common English: first
 *
 * A token is a hit if the last few tokens with it stood side by side earlier in the same window, and are rare in the text
 * that was learned from (common ones are known by heart, not recalled). A model without memory of the context can do well on
 * the rest and badly on the hits: so the paper's table 5 tells RetNet from the Transformer.
 *
 * Source: "AR hits" of Arora et al., "Zoology", arXiv 2312.04927, section 3; YOCO, arXiv 2405.05254, tables 5 and 6, whose
 * numbers are losses in nats. They take pairs of tokens (`order` 2), which are pieces of words; of letters, pairs nearly
 * always came before, and five or six say as much as a pair of pieces.
 */
import * as tf from '@tensorflow/tfjs';
import type { LanguageModel } from '../models/language-model';
import { checkCount } from '../tensor/shapes';
import { surprise } from '../training/loss';

export interface RecallOnText {
  /** Mean loss in nats: of all tokens, of the hits, of the others. NaN where there are none. */
  all: number;
  hit: number;
  first: number;
  /** Share of the tokens that are hits. */
  share: number;
}

/** The `order` tokens that end at `end`, as a key; undefined where the text has not so many yet. */
const endingAt = (tokens: ArrayLike<number>, end: number, order: number): string | undefined => {
  if (end + 1 < order) return undefined;
  let key = '';
  for (let n = end + 1 - order; n <= end; n++) key += String.fromCharCode(tokens[n]);
  return key;
};

/** How often each run of `order` neighbours comes. Token ids below 65,536. */
export function runCounts(tokens: ArrayLike<number>, order: number): Map<string, number> {
  checkCount('runCounts', 'order', order, 'tokens');
  const counts = new Map<string, number>();
  for (let n = order - 1; n < tokens.length; n++) {
    const key = endingAt(tokens, n, order)!;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

export interface HitRule {
  /** Tokens of a run, the one to be foretold included. */
  order: number;
  /** Runs of the text that was learned from (`runCounts`), and how often one may have come there to be rare. */
  learned: ReadonlyMap<string, number>;
  rare: number;
}
/** Whether window[n] is a hit, for n = 1 …: the run that it ends came before in this window, and is rare in what was learned. */
export function hitsOf(window: ArrayLike<number>, { order, learned, rare }: HitRule): boolean[] {
  const seen = new Set<string>();
  return Array.from({ length: window.length - 1 }, (_, i) => {
    const key = endingAt(window, i + 1, order);
    if (key === undefined) return false;
    const hit = seen.has(key) && (learned.get(key) ?? 0) <= rare;
    seen.add(key);
    return hit;
  });
}

export interface RecallOnTextOptions extends HitRule {
  context: number;
  batch?: number;
}

/** Over whole windows side by side; a rest shorter than a window is left out. @throws RangeError if the text has no window. */
export function recallOnText(
  model: Pick<LanguageModel, 'logits'>,
  tokens: Int32Array,
  { context, batch = 8, ...rule }: RecallOnTextOptions,
): RecallOnText {
  checkCount('recallOnText', 'context', context, 'tokens');
  const windows = Math.floor((tokens.length - 1) / context);
  if (windows === 0)
    throw new RangeError(
      `recallOnText: the text has ${tokens.length} tokens; give ${context + 1} or more, or less context.`,
    );
  const sums = { hit: 0, first: 0 };
  const counts = { hit: 0, first: 0 };
  for (let i = 0; i < windows; i += batch) {
    const rows = Array.from({ length: Math.min(batch, windows - i) }, (_, j) =>
      Array.from(tokens.subarray((i + j) * context, (i + j + 1) * context + 1)),
    );
    const losses = tf.tidy(() =>
      surprise(
        model.logits(rows.map((row) => row.slice(0, -1))),
        tf.tensor2d(
          rows.map((row) => row.slice(1)),
          undefined,
          'int32',
        ),
      ).arraySync(),
    );
    rows.forEach((row, j) => {
      hitsOf(row, rule).forEach((hit, n) => {
        const part = hit ? 'hit' : 'first';
        sums[part] += losses[j][n];
        counts[part]++;
      });
    });
  }
  const total = counts.hit + counts.first;
  return {
    all: (sums.hit + sums.first) / total,
    hit: sums.hit / counts.hit,
    first: sums.first / counts.first,
    share: counts.hit / total,
  };
}
