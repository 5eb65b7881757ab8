/**
 * How likely the model finds each token of a text: ln p(token n | the tokens before it).
 *
 * This is what the early exit cannot give. It leaves the upper half out at all positions but the last, and here every
 * position must speak. So scoring costs the full pass, N·L layer-tokens, for YOCO as for the Transformer.
 */
import * as tf from '@tensorflow/tfjs';
import type { LanguageModel, ModelCache } from '../models/language-model';

export interface ScoreOptions {
  /** The text goes on from here; its first token is then scored too if `before` is given. It stays the caller's, and moves on. */
  cache?: ModelCache;
  /** Logits [1,vocab] that the last turn ended with: what the model expected to come first. */
  before?: tf.Tensor2D;
  /** Positions whose logits are held at once. Default 256. */
  pieceSize?: number;
}

/**
 * ln p of tokens 1, 2, … of the text, in nats; with `before`, of token 0 too. Their negative mean is the loss.
 * @throws RangeError if nothing is left to score, or as `prefill` does.
 */
export function scorePrompt(
  model: LanguageModel,
  tokens: readonly number[],
  { cache, before, pieceSize = 256 }: ScoreOptions = {},
): number[] {
  if (tokens.length < (before ? 1 : 2))
    throw new RangeError(
      `scorePrompt: ${tokens.length} tokens leave nothing to score; give 2 or more, because nothing predicts the first.`,
    );
  const held = cache ?? model.newCache(1);
  const scores: number[] = [];
  let expected = before?.clone();
  try {
    for (let at = 0; at < tokens.length; at += pieceSize) {
      const piece = tokens.slice(at, at + pieceSize);
      const all = model.prefill([piece], held, { earlyExit: false, logits: 'all', pieceSize });
      // Row n of the logits speaks of token n + 1; the piece's first token was foretold by the piece before.
      const [found, last] = tf.tidy(() => {
        const rows = all.reshape<tf.Tensor2D>([piece.length, -1]);
        const foretelling = expected
          ? tf.concat([expected, rows.slice([0, 0], [piece.length - 1, -1])], 0)
          : rows.slice([0, 0], [piece.length - 1, -1]);
        const targets = expected ? piece : piece.slice(1);
        return [
          targets.length ? logProbabilities(foretelling as tf.Tensor2D, targets) : tf.zeros([0]),
          rows.slice([piece.length - 1, 0]).clone(),
        ];
      });
      scores.push(...found.dataSync());
      tf.dispose([all, found, ...(expected ? [expected] : [])]);
      expected = last as tf.Tensor2D;
    }
    return scores;
  } finally {
    expected?.dispose();
    if (!cache) held.dispose();
  }
}

/** ln softmax(logits)[n, targets[n]], [n]. */
function logProbabilities(logits: tf.Tensor2D, targets: readonly number[]): tf.Tensor1D {
  const vocab = logits.shape[1];
  const flat = tf.logSoftmax(logits).reshape<tf.Tensor1D>([-1]);
  return flat.gather(
    tf.tensor1d(
      targets.map((id, n) => n * vocab + id),
      'int32',
    ),
  );
}
