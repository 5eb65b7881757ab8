/**
 * How well a model predicts a text that it has not seen.
 *
 *   loss = −1/T Σ ln p(token_t | tokens before it)
 *   perplexity = e^loss        bits per byte = loss · T / (ln 2 · bytes)
 *
 * A model of perplexity 8 is as unsure as one that guesses between 8 equally likely tokens. Bits
 * per byte compares models with different vocabularies: the size of the text, compressed by the
 * model.
 *
 * The text is cut into windows of `context` tokens, side by side. Every token but the first is
 * predicted exactly once. The first tokens of a window have little context, so a larger `context`
 * gives a lower loss.
 */
import * as tf from '@tensorflow/tfjs';
import { tokenLosses } from '../layers/token-loss';
import type { LanguageModel } from '../models/language-model';
import { Interruption } from '../tensor/interruption';
import { checkCount } from '../tensor/shapes';

export type ForwardModel = Pick<LanguageModel, 'forward'>;

export interface WindowOptions {
  /** Tokens per window. */
  context: number;
  /** Windows at a time; changes speed, not the result. Default 8. */
  batch?: number;
}

/** The measures of a text, from the sum of its losses in nats; without `bytes`, one is NaN. */
export function measuresOf(nats: number, tokens: number, bytes = Number.NaN) {
  const loss = nats / tokens;
  return { loss, perplexity: Math.exp(loss), bitsPerByte: nats / Math.LN2 / bytes, tokens };
}

/**
 * The loss of each token but the first in nats, [T − 1]; the last window may be shorter.
 * @throws RangeError if the text has fewer than 2 tokens, or for an option below 1.
 */
export async function textLosses(
  model: ForwardModel,
  text: Int32Array,
  { context, batch = 8 }: WindowOptions,
): Promise<Float32Array> {
  checkCount('textLosses', 'context', context, 'tokens');
  checkCount('textLosses', 'batch', batch, 'windows');
  if (text.length < 2)
    throw new RangeError(`textLosses: the text has ${text.length} tokens; give 2 or more.`);
  const result = new Float32Array(text.length - 1);
  const interruption = new Interruption();
  let start = 0;
  while (start < result.length) {
    const N = Math.min(context, result.length - start); // tokens per window
    const B = Math.min(batch, Math.floor((result.length - start) / N)); // windows at once
    const end = start + B * N;
    const losses = tf.tidy(() => {
      const inputs = tf.tensor2d(text.subarray(start, end), [B, N], 'int32');
      return tokenLosses(model.forward(inputs), text.subarray(start + 1, end + 1)); // [B · N]
    });
    result.set(await losses.data().finally(() => losses.dispose()), start);
    start = end;
    await interruption.check(() => `textLosses: stopped after ${end} of ${text.length} tokens.`);
  }
  return result;
}

/**
 * `textLosses` of the part of a text that fills whole windows. @throws RangeError for no window.
 */
export async function wholeWindowLosses(
  where: string,
  model: ForwardModel,
  text: Int32Array,
  { context, batch }: WindowOptions,
): Promise<Float32Array> {
  const windows = Math.floor((text.length - 1) / context);
  if (windows < 1)
    throw new RangeError(
      `${where}: the text has ${text.length} tokens; give ${context + 1} or more for one window.`,
    );
  return textLosses(model, text.subarray(0, windows * context + 1), { context, batch });
}

/**
 * Predicts every token of a text but the first: the mean loss in nats, the perplexity, the bits
 * per byte and the number of predicted tokens. @param options `bytes`: of the text in UTF-8.
 * @throws RangeError if the text has fewer than 2 tokens, or for an option below 1.
 */
export async function measureLoss(
  model: ForwardModel,
  text: Int32Array,
  { bytes, ...windows }: WindowOptions & { bytes?: number },
) {
  const losses = await textLosses(model, text, windows);
  let nats = 0; // summed in float64
  for (const loss of losses) nats += loss;
  return measuresOf(nats, losses.length, bytes);
}
