/**
 * The part of the loss that is memory: tokens that could be copied from the context, against those that could not.
 *
 *   … Queequeg took his harpoon … and Queeq|ueg        the pair "Queeq ueg" came before, here: a hit
 *                                    … the |sea         "the sea" did not come before, or is common English: first
 *
 * A token is a hit if it and the one before it stood side by side earlier in the same window, and the pair is rare in the
 * text that was learned from (common pairs are known by heart, not recalled). A model without memory of the context can do
 * well on the rest and badly on the hits: so the paper's table 5 tells RetNet from the Transformer.
 *
 * Source: "AR hits" of Arora et al., "Zoology", arXiv 2312.04927, section 3; YOCO, arXiv 2405.05254, tables 5 and 6, whose
 * numbers are losses in nats.
 */
import * as tf from '@tensorflow/tfjs';
import { checkCount } from '../engine/shapes';
import type { LanguageModel } from '../models/language-model';
import { surprise } from '../training/loss';

export interface RecallOnText {
  /** Mean loss in nats: of all tokens, of the hits, of the others. NaN where there are none. */
  all: number;
  hit: number;
  first: number;
  /** Share of the tokens that are hits. */
  share: number;
}

const pair = (a: number, b: number, vocabSize: number): number => a * vocabSize + b;

/** How often each pair of neighbours comes. */
export function pairCounts(tokens: ArrayLike<number>, vocabSize: number): Map<number, number> {
  const counts = new Map<number, number>();
  for (let n = 1; n < tokens.length; n++) {
    const key = pair(tokens[n - 1]!, tokens[n]!, vocabSize);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

/** Whether window[n] is a hit, for n = 1 …: the pair came before in this window, and at most `rare` times in what was learned from. */
export function hitsOf(
  window: ArrayLike<number>,
  learned: ReadonlyMap<number, number>,
  { vocabSize, rare }: { vocabSize: number; rare: number },
): boolean[] {
  const seen = new Set<number>();
  return Array.from({ length: window.length - 1 }, (_, i) => {
    const key = pair(window[i]!, window[i + 1]!, vocabSize);
    const hit = seen.has(key) && (learned.get(key) ?? 0) <= rare;
    seen.add(key);
    return hit;
  });
}

export interface RecallOnTextOptions {
  /** Pairs of the text that was learned from. */
  learned: ReadonlyMap<number, number>;
  /** A pair that came more often than this is known by heart. */
  rare: number;
  context: number;
  batch?: number;
}

/** Over whole windows side by side; a rest shorter than a window is left out. @throws RangeError if the text has no window. */
export function recallOnText(
  model: Pick<LanguageModel, 'logits' | 'config'>,
  tokens: Int32Array,
  { learned, rare, context, batch = 8 }: RecallOnTextOptions,
): RecallOnText {
  checkCount('recallOnText', 'context', context, 'tokens');
  const windows = Math.floor((tokens.length - 1) / context);
  if (windows === 0) throw new RangeError(`recallOnText: the text has ${tokens.length} tokens; give ${context + 1} or more, or less context.`);
  const { vocabSize } = model.config;
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
      hitsOf(row, learned, { vocabSize, rare }).forEach((hit, n) => {
        const part = hit ? 'hit' : 'first';
        sums[part] += losses[j]![n]!;
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
