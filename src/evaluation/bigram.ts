/**
 * The baseline to beat: a table of which token follows which.
 *
 *   p(b | a) = (count(a b) + α p(b)) / (count(a) + α),   p(b) = (count(b) + 1) / (T + V)
 *
 * It remembers one token, and of the training text it knows all there is to know at that range. A model with a longer
 * memory that does not beat it has not learned to use that memory. Pairs that never came borrow α sightings from how
 * common the second token is at all: smoothing with a Dirichlet prior, MacKay and Peto (1995), section 2.
 */
import { checkCount } from '../tensor/shapes';
import { summary, type TextLoss } from './perplexity';

export class BigramModel {
  private readonly pairs: Float64Array;
  private readonly firsts: Float64Array;
  private readonly singles: Float64Array;
  private total = 0;

  /** Counts `tokens`, the same units that the model is trained on. @throws RangeError for ids outside the vocabulary. */
  constructor(
    tokens: ArrayLike<number>,
    readonly vocabSize: number,
    readonly alpha = 5,
  ) {
    checkCount('BigramModel', 'vocabSize', vocabSize, 'tokens');
    if (!(alpha > 0))
      throw new RangeError(
        `BigramModel: alpha is ${alpha}; give a number of sightings above 0, or unseen pairs are impossible.`,
      );
    this.pairs = new Float64Array(vocabSize * vocabSize);
    this.firsts = new Float64Array(vocabSize);
    this.singles = new Float64Array(vocabSize);
    for (let n = 0; n < tokens.length; n++) {
      const b = tokens[n];
      if (!(Number.isInteger(b) && b >= 0 && b < vocabSize))
        throw new RangeError(`BigramModel: token ${n} is ${b}; ids go from 0 to ${vocabSize - 1}.`);
      this.singles[b]++;
      this.total++;
      if (n === 0) continue;
      const a = tokens[n - 1];
      this.pairs[a * vocabSize + b]++;
      this.firsts[a]++;
    }
  }

  /** p(b | a). */
  probability(a: number, b: number): number {
    const common = (this.singles[b] + 1) / (this.total + this.vocabSize);
    return (
      (this.pairs[a * this.vocabSize + b] + this.alpha * common) / (this.firsts[a] + this.alpha)
    );
  }

  /** Mean loss over every token of a text but the first. @param bytes of the same text, for bits per byte. */
  loss(tokens: ArrayLike<number>, { bytes }: { bytes?: number } = {}): TextLoss {
    if (tokens.length < 2)
      throw new RangeError(
        `BigramModel.loss: the text has ${tokens.length} tokens; give 2 or more.`,
      );
    let nats = 0;
    for (let n = 1; n < tokens.length; n++)
      nats -= Math.log(this.probability(tokens[n - 1], tokens[n]));
    return summary(nats, tokens.length - 1, bytes);
  }
}
