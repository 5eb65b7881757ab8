/**
 * The loss at each position of the window: how much does the text before a token help?
 *
 *   loss_n = mean over windows of  −ln p(token_{n+1} | tokens 1 … n)        n = 1 … context
 *
 * The first tokens are the hardest to predict, because nothing stands before them. The curve falls
 * as long as the model can use what is further back. A window or a state that forgets shows here; a
 * mean over all positions hides it.
 *
 * Source: Kaplan et al., arXiv 2001.08361, appendix D.5, "Context Dependence".
 */
import { type ForwardModel, type WindowOptions, wholeWindowLosses } from './perplexity';

/**
 * Mean loss in nats, [context]; entry n is the loss of the token that follows n + 1 tokens. Tokens
 * at the end that fill no window are left out, so that every entry is a mean of equally many.
 * @throws RangeError if the text is shorter than one window and the token after it.
 */
export async function lossByPosition(
  model: ForwardModel,
  text: Int32Array,
  options: WindowOptions,
): Promise<Float64Array> {
  const { context } = options;
  const losses = await wholeWindowLosses('lossByPosition', model, text, options);
  const sums = new Float64Array(context);
  for (let n = 0; n < losses.length; n++) sums[n % context] += losses[n];
  const windows = losses.length / context;
  return sums.map((sum) => sum / windows);
}
