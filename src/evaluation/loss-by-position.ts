/**
 * The surprise at each place of the window: how much does the text before a token help to foresee it?
 *
 *   loss_n = mean over windows of  −ln p(token_{n+1} | tokens 1 … n)        n = 1 … context
 *
 * The first tokens are the hardest: nothing stands before them. From there the curve falls for as long as the model can use
 * what is further back, and where it turns flat, a longer memory has nothing more to tell. A window or a state that
 * forgets shows here; a single mean over all places hides it. For all tokens the mean of the curve is `measureLoss`.
 *
 * Source of the picture: Kaplan et al., arXiv 2001.08361, appendix D.5, "Context Dependence".
 */
import * as tf from '@tensorflow/tfjs';
import type { LanguageModel } from '../models/language-model';
import { checkCount } from '../tensor/shapes';
import { surprise } from '../training/loss';

export interface LossByPositionOptions {
  /** Tokens per window. */
  context: number;
  /** Windows at a time; changes speed, not the result. */
  batch?: number;
}

/**
 * Mean surprise in nats; entry n is that of the token that follows n + 1 tokens. Windows lie side by side, and a rest that
 * fills no window is left out: every entry is the mean of equally many.
 * @throws RangeError if the text is shorter than one window and the token after it.
 */
export async function lossByPosition(
  model: Pick<LanguageModel, 'logits'>,
  tokens: Int32Array,
  { context, batch = 8 }: LossByPositionOptions,
): Promise<Float64Array> {
  checkCount('lossByPosition', 'context', context, 'tokens');
  checkCount('lossByPosition', 'batch', batch, 'windows');
  const windows = Math.floor((tokens.length - 1) / context);
  if (windows < 1)
    throw new RangeError(
      `lossByPosition: the text has ${tokens.length} tokens, one window and the token after it take ${context + 1}. Give more text or less context.`,
    );
  const sums = new Float64Array(context);
  for (let first = 0; first < windows; first += batch) {
    const starts = Array.from(
      { length: Math.min(batch, windows - first) },
      (_, row) => (first + row) * context,
    );
    const rows = (shift: number) =>
      starts.map((start) => Array.from(tokens.subarray(start + shift, start + shift + context)));
    const surprises = tf.tidy(() =>
      surprise(model.logits(rows(0)), tf.tensor2d(rows(1), undefined, 'int32')),
    );
    try {
      // Sums over windows are taken here, in float64.
      const values = await surprises.data();
      values.forEach((value, i) => {
        sums[i % context] += value;
      });
    } finally {
      surprises.dispose();
    }
  }
  return sums.map((sum) => sum / windows);
}

/** Means over 1, 2, 4, 8 … places: a curve that is read on a logarithmic axis, with the noise of its far end smoothed out. */
export function overDoublingSpans(
  losses: ArrayLike<number>,
): { from: number; to: number; loss: number }[] {
  const spans: { from: number; to: number; loss: number }[] = [];
  for (let from = 1; from <= losses.length; from *= 2) {
    const to = Math.min(2 * from - 1, losses.length);
    let sum = 0;
    for (let n = from; n <= to; n++) sum += losses[n - 1];
    spans.push({ from, to, loss: sum / (to - from + 1) });
  }
  return spans;
}
