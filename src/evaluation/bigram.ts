/**
 * A baseline: a table of which token follows which.
 *
 *   p(b | a) = (count(a b) + α p(b)) / (count(a) + α),   p(b) = (count(b) + 1) / (T + V)
 *
 * It uses one token of context. A model that does not beat it has not learned to use a longer
 * context. Unseen pairs get α = 5 counts, in proportion to how common the second token is:
 * smoothing with a Dirichlet prior, MacKay and Peto (1995), section 2.
 */
import { checkCount } from '../tensor/shapes';
import { measuresOf } from './perplexity';

const alpha = 5;

export class BigramModel {
  private readonly pairCounts: Float64Array; // [V, V]
  private readonly firstCounts: Float64Array; // [V], of tokens that another one follows
  private readonly tokenCounts: Float64Array; // [V]
  private readonly total: number;

  /** Counts `tokens`. @throws RangeError for ids outside the vocabulary. */
  constructor(
    tokens: ArrayLike<number>,
    readonly vocabSize: number,
  ) {
    checkCount('BigramModel', 'vocabSize', vocabSize, 'tokens');
    this.pairCounts = new Float64Array(vocabSize * vocabSize);
    this.firstCounts = new Float64Array(vocabSize);
    this.tokenCounts = new Float64Array(vocabSize);
    this.total = tokens.length;
    for (let n = 0; n < tokens.length; n++) {
      const b = tokens[n];
      if (!(Number.isInteger(b) && b >= 0 && b < vocabSize))
        throw new RangeError(`BigramModel: token ${n} is ${b}; ids go from 0 to ${vocabSize - 1}.`);
      this.tokenCounts[b]++;
      if (n === 0) continue;
      const a = tokens[n - 1];
      this.pairCounts[a * vocabSize + b]++;
      this.firstCounts[a]++;
    }
  }

  /** p(b | a). */
  probability(a: number, b: number): number {
    const prior = (this.tokenCounts[b] + 1) / (this.total + this.vocabSize);
    const count = this.pairCounts[a * this.vocabSize + b];
    return (count + alpha * prior) / (this.firstCounts[a] + alpha);
  }

  /** As `measureLoss`: over all tokens but the first. @throws RangeError for fewer than 2. */
  loss(tokens: ArrayLike<number>, { bytes }: { bytes?: number } = {}) {
    if (tokens.length < 2)
      throw new RangeError(`BigramModel: the text has ${tokens.length} tokens; give 2 or more.`);
    let nats = 0;
    for (let n = 1; n < tokens.length; n++) {
      nats -= Math.log(this.probability(tokens[n - 1], tokens[n]));
    }
    return measuresOf(nats, tokens.length - 1, bytes);
  }
}
