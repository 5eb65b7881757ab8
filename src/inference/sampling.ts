/**
 * From logits to the next token.
 *
 *   p_i ∝ exp(logit_i / temperature), kept for the topK most likely, and of these for the smallest set that holds topP
 *
 * Picture the vocabulary as a bar chart, tallest bar first. Temperature flattens or sharpens the bars, topK cuts the chart
 * after K bars, topP cuts it as soon as the bars so far hold that share of the whole; what is left is scaled to sum 1.
 *
 * The numbers come to the host first: a few hundred floats, and the draw is then the same on every engine.
 * Sources: topP is nucleus sampling, Holtzman et al., arXiv 1904.09751, section 3.1; topK, Fan et al., arXiv 1805.04833.
 */
import type { SeededRandom } from '../tensor/random';

export interface SamplingOptions {
  /** 0 takes the most likely token always (greedy); 1 is the model's own distribution. Default 0. */
  temperature?: number;
  /** Only the K most likely tokens. Default: all. */
  topK?: number;
  /** Only the most likely tokens that together hold this share of the probability; at least one. Default 1. */
  topP?: number;
}

/** @throws RangeError naming the option, its value and what is allowed. */
export function checkSampling(
  where: string,
  { temperature = 0, topK, topP = 1 }: SamplingOptions,
): void {
  if (!(temperature >= 0 && Number.isFinite(temperature)))
    throw new RangeError(
      `${where}: temperature is ${temperature}; give 0 (always the most likely token) or more, 1 for the model's own odds.`,
    );
  if (topK !== undefined && !(Number.isInteger(topK) && topK >= 1))
    throw new RangeError(
      `${where}: topK is ${topK}; give a whole number of tokens, 1 or more, or leave it out to allow all.`,
    );
  if (!(topP > 0 && topP <= 1))
    throw new RangeError(`${where}: topP is ${topP}; give a share above 0 and up to 1.`);
}

/** The most likely token; of equals the one with the smallest id. @throws RangeError if a logit is NaN or all are −∞. */
export function greedy(logits: ArrayLike<number>): number {
  let best = -1;
  for (let i = 0; i < logits.length; i++) {
    const logit = logits[i];
    if (Number.isNaN(logit))
      throw new RangeError(
        `greedy: the logit of token ${i} is NaN; the model has diverged, or its weights are damaged.`,
      );
    if (logit > (best < 0 ? Number.NEGATIVE_INFINITY : logits[best])) best = i;
  }
  if (best < 0)
    throw new RangeError(
      `greedy: none of ${logits.length} logits is above −∞, so no token can follow.`,
    );
  return best;
}

/**
 * The odds that `sample` draws from, one per token, summing to 1. Tokens that are cut have 0.
 * Of equals at a cut the smaller id stays, so exactly topK tokens remain.
 * @throws RangeError for an option that is not allowed or logits that are no distribution.
 */
export function probabilities(
  logits: ArrayLike<number>,
  options: SamplingOptions = {},
): Float64Array {
  checkSampling('probabilities', options);
  const { temperature = 0, topK = logits.length, topP = 1 } = options;
  const odds = new Float64Array(logits.length);
  const first = greedy(logits);
  // +∞ and temperature 0 say the same: this one and no other. Written out, because ∞ − ∞ and x / 0 would be NaN.
  if (temperature === 0 || logits[first] === Number.POSITIVE_INFINITY) {
    odds[first] = 1;
    return odds;
  }
  // Less the largest before exp: the largest becomes 1, nothing overflows, and what vanishes was out of reach anyway.
  for (let i = 0; i < odds.length; i++)
    odds[i] = Math.exp((logits[i] - logits[first]) / temperature);
  if (topK < odds.length || topP < 1) {
    const byOdds = Array.from(odds, (_, i) => i).sort((a, b) => logits[b] - logits[a] || a - b);
    keepMostLikely(odds, byOdds, topK, topP);
  }
  const kept = odds.reduce((a, b) => a + b, 0); // at least 1: the most likely token is never cut
  return odds.map((p) => p / kept);
}

/** topK first, then topP of what topK left: the order in which the usual libraries apply them. */
function keepMostLikely(odds: Float64Array, byOdds: number[], topK: number, topP: number): void {
  const candidates = byOdds.slice(0, topK);
  const enough = topP * candidates.reduce((held, i) => held + odds[i], 0);
  let held = 0;
  let size = 0;
  // The token that crosses the line stays, so a topP below the largest probability leaves one token, never none.
  while (size < candidates.length && (size === 0 || held < enough))
    held += odds[candidates[size++]];
  for (const i of byOdds.slice(size)) odds[i] = 0;
}

/** Draws a token: walk along the bars until a random share of the whole is behind you. */
export function sample(
  logits: ArrayLike<number>,
  options: SamplingOptions,
  random: SeededRandom,
): number {
  const odds = probabilities(logits, options);
  let left = random.uniform();
  let last = 0;
  for (let i = 0; i < odds.length; i++) {
    if (odds[i] === 0) continue;
    last = i;
    left -= odds[i];
    if (left < 0) return i;
  }
  return last; // rounding can leave 1e-16 of the share: it belongs to the last token that has any
}
