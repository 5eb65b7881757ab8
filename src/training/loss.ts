/**
 * Cross-entropy: the surprise, in nats, of the token that really came next. ln(vocab) is a model that knows nothing.
 *
 *   loss = mean over positions of  ln Σ_j e^{l_j} − l_target        d loss / d l = (softmax(l) − onehot) / positions
 *
 * The gradient is written down rather than traced: it is simpler than the loss, and one softmax does it.
 */
import * as tf from '@tensorflow/tfjs';
import { readShapes } from '../engine/shapes';

/** Surprise of each position: logits [B,N,V], targets [B,N] int32 → [B,N] in nats. Not for training: no gradient flows. */
export function surprise(logits: tf.Tensor3D, targets: tf.Tensor2D): tf.Tensor2D {
  const { V } = readShapes('surprise', { logits: 'B N V', targets: 'B N' }, { logits, targets });
  return tf.tidy(() => {
    const picked = logits.mul(tf.oneHot(targets, V)).sum(2);
    return tf.logSumExp(logits, 2).sub<tf.Tensor2D>(picked);
  });
}

/** The mean surprise as a scalar through which gradients flow. */
export function crossEntropy(logits: tf.Tensor3D, targets: tf.Tensor2D): tf.Scalar {
  const { B, N, V } = readShapes('crossEntropy', { logits: 'B N V', targets: 'B N' }, { logits, targets });
  const withGradient = tf.customGrad((...args: unknown[]) => {
    const [x, save] = args as [tf.Tensor3D, (tensors: tf.Tensor[]) => void];
    save([x, targets]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] =>
      tf.tidy(() => {
        const p = tf.softmax(saved[0]!.reshape<tf.Tensor2D>([B * N, V]));
        const onehot = tf.oneHot(saved[1]!.reshape<tf.Tensor1D>([B * N]), V);
        return [
          p
            .sub(onehot)
            .mul(dy.div(B * N))
            .reshape([B, N, V]),
        ];
      });
    return { value: surprise(x, targets).mean() as tf.Scalar, gradFunc };
  });
  return tf.tidy(() => withGradient(logits) as tf.Scalar);
}
