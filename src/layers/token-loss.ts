/**
 * The loss of each token: how unlikely the model found the token that really came next, in nats.
 *
 *   loss = −ln softmax(logits)[target] = ln Σ_j e^{l_j − max} − (l_target − max)
 *
 * A model that finds all tokens equally likely has the loss ln(vocab). The largest logit is
 * subtracted first: e^1000 is not a float32, e^0 is.
 */
import * as tf from '@tensorflow/tfjs';

/**
 * logits [..., V] and the target of each row, in order → losses [rows]. The caller owns them.
 * @throws RangeError if there is not one target per row, or a target is not a token.
 */
export function tokenLosses(logits: tf.Tensor, targets: ArrayLike<number>): tf.Tensor1D {
  const V = logits.shape[logits.rank - 1];
  const rows = logits.size / V;
  if (targets.length !== rows)
    throw new RangeError(
      `tokenLosses: there are ${targets.length} targets, but logits [${logits.shape}] have ` +
        `${rows} rows; give one target per row.`,
    );
  const indices = new Int32Array(rows); // of the target's logit among all logits
  for (let row = 0; row < rows; row++) {
    const target = targets[row];
    if (!(Number.isInteger(target) && target >= 0 && target < V))
      throw new RangeError(
        `tokenLosses: target ${row} is ${target}; tokens go from 0 to ${V - 1}.`,
      );
    indices[row] = row * V + target;
  }
  return tf.tidy(() => {
    const logProbs: tf.Tensor1D = tf.logSoftmax(logits).flatten(); // [rows · V]
    const ofTargets: tf.Tensor1D = logProbs.gather(tf.tensor1d(indices, 'int32')); // [rows]
    return ofTargets.neg();
  });
}
