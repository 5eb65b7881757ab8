/**
 * From logits to the next token.
 *
 *   p_i ∝ exp(logit_i / temperature), for the topK most likely tokens, and of these for the
 *   smallest set whose share is at least topP
 *
 * The logits come to the host first, so that the draw is the same on every engine.
 * Sources: topP is nucleus sampling, Holtzman et al., arXiv 1904.09751, section 3.1; topK, Fan et
 * al., arXiv 1805.04833.
 */
import type { SeededRandom } from '../tensor/random';
import { checkCount, shown } from '../tensor/shapes';

export interface SamplingOptions {
  /** 0 always takes the most likely token (greedy); 1 is the model's distribution. Default 0. */
  temperature?: number;
  /** Only the K most likely tokens. Default: all. */
  topK?: number;
  /** Only the most likely tokens that together hold this share; at least one. Default 1. */
  topP?: number;
}

/** @throws RangeError naming the option, its value and what is allowed. */
export function checkSampling(where: string, options: SamplingOptions): void {
  const { temperature = 0, topK = 1, topP = 1 } = options;
  if (!(Number.isFinite(temperature) && temperature >= 0))
    throw new RangeError(`${where}: temperature is ${shown(temperature)}; give 0 or more.`);
  checkCount(where, 'topK', topK, 'tokens');
  if (!(Number.isFinite(topP) && topP > 0 && topP <= 1))
    throw new RangeError(`${where}: topP is ${shown(topP)}; give a number above 0, up to 1.`);
}

/**
 * The most likely token; of equals the one with the smallest id.
 * @throws RangeError if a logit is NaN or all are −∞.
 */
export function greedy(logits: ArrayLike<number>): number {
  let best = -1;
  for (let i = 0; i < logits.length; i++) {
    if (Number.isNaN(logits[i]))
      throw new RangeError(`greedy: the logit of token ${i} is NaN; the model has diverged.`);
    if (logits[i] > (best < 0 ? -Infinity : logits[best])) best = i;
  }
  if (best < 0)
    throw new RangeError(`greedy: none of ${logits.length} logits is above −∞; give one that is.`);
  return best;
}

/**
 * The distribution that `sample` draws from: one probability per token, 0 for excluded tokens.
 * Of equals at the limit the smaller id is kept, so exactly topK tokens remain.
 * @throws RangeError for an option that is not allowed, or as `greedy`.
 */
export function probabilities(logits: ArrayLike<number>, options: SamplingOptions = {}) {
  checkSampling('probabilities', options);
  const { temperature = 0, topK = logits.length, topP = 1 } = options;
  const weights = new Float64Array(logits.length);
  const first = greedy(logits);
  // A logit of +∞ is certain, as any is at temperature 0; ∞ − ∞ and x / 0 below would be NaN.
  if (temperature === 0 || logits[first] === Infinity) {
    weights[first] = 1;
    return weights;
  }
  // The largest logit is subtracted before exp: its weight is 1, and nothing overflows.
  for (let i = 0; i < weights.length; i++) {
    weights[i] = Math.exp((logits[i] - logits[first]) / temperature);
  }
  if (topK < weights.length || topP < 1) keepMostLikely(weights, logits, topK, topP);
  let total = 0; // at least 1: the most likely token is always kept
  for (const weight of weights) total += weight;
  return weights.map((weight) => weight / total);
}

/** Sets the weights of all other tokens to 0: first topK, then topP of what topK has kept. */
function keepMostLikely(
  weights: Float64Array,
  logits: ArrayLike<number>,
  topK: number,
  topP: number,
): void {
  const order = Array.from(weights.keys()).sort((a, b) => logits[b] - logits[a] || a - b);
  let total = 0;
  for (const i of order.slice(0, topK)) total += weights[i];

  let kept = 0;
  let sum = 0;
  // The token that crosses the limit is kept, so at least one is.
  while (kept < Math.min(topK, order.length) && (kept === 0 || sum < topP * total)) {
    sum += weights[order[kept]];
    kept++;
  }
  for (const i of order.slice(kept)) weights[i] = 0;
}

/** Draws a token: the first at which the sum of probabilities exceeds a uniform number. */
export function sample(logits: ArrayLike<number>, options: SamplingOptions, random: SeededRandom) {
  const distribution = probabilities(logits, options);
  let rest = random.uniform();
  let last = 0;
  for (const [i, p] of distribution.entries()) {
    if (p === 0) continue;
    last = i;
    rest -= p;
    if (rest < 0) return i;
  }
  return last; // the probabilities can sum to 1 − 1e-16: the rest belongs to the last token
}
