/**
 * How likely the model finds each token of a text: ln p(token n | the tokens before it).
 *
 * The early exit cannot give this: it computes logits at the last position only. So scoring costs
 * the full pass, N·L layer-tokens, in YOCO as in the Transformer.
 */
import * as tf from '@tensorflow/tfjs';
import { tokenLosses } from '../layers/token-loss';
import type { LanguageModel } from '../models/language-model';
import type { ModelCache } from '../models/model-cache';
import { checkCount } from '../tensor/shapes';
import { checkPrompts } from './generate';

export interface ScoreOptions {
  /** The text continues what this cache holds, and is added to it. It stays the caller's. */
  cache?: ModelCache;
  /** Logits [1, vocab] after what the cache holds; with them the first token is scored too. */
  before?: tf.Tensor2D;
  /** Tokens computed at once, and positions whose logits are held at once. Default 256. */
  prefillChunkSize?: number;
}

/**
 * ln p of tokens 1, 2, … of the text, in nats; with `before`, of token 0 too. Their negative mean
 * is the loss.
 * @throws RangeError if nothing is left to score, for an option that is not allowed, or as
 * `forward`; the cache is then unchanged.
 */
export function scorePrompt(
  model: LanguageModel,
  tokens: readonly number[],
  { cache, before, prefillChunkSize = 256 }: ScoreOptions = {},
): number[] {
  checkPrompts('scorePrompt', [tokens], model);
  checkCount('scorePrompt', 'prefillChunkSize', prefillChunkSize, 'tokens');
  const { vocabSize } = model.config;
  if (before && !tf.util.arraysEqual(before.shape, [1, vocabSize]))
    throw new RangeError(`scorePrompt: before is [${before.shape}]; give [1, ${vocabSize}].`);
  if (tokens.length === 1 && !before)
    throw new RangeError('scorePrompt: 1 token leaves nothing to score; give 2 or more.');
  cache?.checkBelongsTo(model, 'scorePrompt', 1);

  const start = cache ?? model.newCache(1);
  try {
    return start.transaction((working) => {
      const losses = before ? Array.from(tokenLosses(before, [tokens[0]]).dataSync()) : [];
      for (let at = 0; at < tokens.length; at += prefillChunkSize) {
        const chunk = tokens.slice(at, at + prefillChunkSize); // c tokens
        const next = tokens.slice(at + 1, at + 1 + chunk.length); // c, or c − 1 at the end
        tf.tidy(() => {
          const logits = model.forward([chunk], working); // [1, c, vocab]
          if (next.length === 0) return;
          const predicting = logits.slice([0, 0, 0], [1, next.length, -1]); // [1, next, vocab]
          for (const loss of tokenLosses(predicting, next).dataSync()) losses.push(loss);
        });
      }
      return losses.map((loss) => -loss);
    });
  } finally {
    if (!cache) start.dispose();
  }
}
