/**
 * How surprised a model is by a text it has not seen.
 *
 *   loss = −1/T Σ ln p(token_t | tokens before it)        perplexity = e^loss        bits per byte = loss · T / (ln 2 · bytes)
 *
 * Perplexity e^loss: the model is as unsure as one that guesses between so many equal tokens. Bits per byte is the one to
 * compare across vocabularies: it asks how long the text would be if this model compressed it.
 *
 * The text is cut into windows of `context` tokens side by side. Every token but the first is predicted exactly once, the
 * last window may be short. A window's first tokens have little before them, so a longer context gives a lower loss.
 */
import * as tf from '@tensorflow/tfjs';
import type { LanguageModel } from '../models/language-model';
import { checkCount } from '../tensor/shapes';

export interface TextLoss {
  /** Mean loss per token, in nats. */
  loss: number;
  perplexity: number;
  bitsPerToken: number;
  /** Present if the length of the text in bytes was given. */
  bitsPerByte?: number;
  /** Tokens that were predicted: the text's, less one. */
  tokens: number;
}

/** From the sum over a text to what people quote. */
export function summary(nats: number, tokens: number, bytes?: number): TextLoss {
  const loss = nats / tokens;
  const common = { loss, perplexity: Math.exp(loss), bitsPerToken: loss / Math.LN2, tokens };
  return bytes === undefined ? common : { ...common, bitsPerByte: nats / Math.LN2 / bytes };
}

/** −ln softmax(logits)[target] for one row, in float64 and safe for any finite logits. */
function surprise(logits: Float32Array, target: number): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > largest) largest = logit;
  let total = 0;
  for (const logit of logits) total += Math.exp(logit - largest);
  return Math.log(total) + (largest - logits[target]);
}

export interface MeasureOptions {
  /** Tokens per window. */
  context: number;
  /** Windows at a time; changes speed, not the result. */
  batch?: number;
  /** Bytes of the text (UTF-8), for bits per byte. */
  bytes?: number;
}

/** Predicts every token of a text but the first. @throws RangeError if the text or an option is too small. */
export async function measureLoss(
  model: Pick<LanguageModel, 'logits'>,
  tokens: Int32Array,
  { context, batch = 8, bytes }: MeasureOptions,
): Promise<TextLoss> {
  checkCount('measureLoss', 'context', context, 'tokens');
  checkCount('measureLoss', 'batch', batch, 'windows');
  if (tokens.length < 2)
    throw new RangeError(
      `measureLoss: the text has ${tokens.length} tokens; give 2 or more, one to read and one to predict.`,
    );
  let nats = 0;
  for (const rows of windowBatches(tokens.length - 1, context, batch)) {
    const logits = tf.tidy(() =>
      model.logits(rows.map(([start, end]) => Array.from(tokens.subarray(start, end)))),
    );
    const vocabSize = logits.shape[2];
    let values: Float32Array;
    try {
      values = (await logits.data()) as Float32Array;
    } finally {
      logits.dispose();
    }
    let position = 0;
    for (const [start, end] of rows)
      for (let n = start; n < end; n++, position++)
        nats += surprise(
          values.subarray(position * vocabSize, (position + 1) * vocabSize),
          tokens[n + 1],
        );
  }
  return summary(nats, tokens.length - 1, bytes);
}

/** [start, end) of windows over positions 0 … count − 1, grouped into batches of equal lengths. */
function* windowBatches(
  count: number,
  context: number,
  batch: number,
): Generator<[number, number][]> {
  const whole = Math.floor(count / context);
  for (let i = 0; i < whole; i += batch)
    yield Array.from({ length: Math.min(batch, whole - i) }, (_, j) => [
      (i + j) * context,
      (i + j + 1) * context,
    ]);
  if (whole * context < count) yield [[whole * context, count]];
}
