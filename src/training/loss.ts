/**
 * Cross-entropy: the surprise, in nats, of the token that really came next. ln(vocab) is a model that knows nothing.
 *
 *   loss = mean over positions of  ln Σ_j e^{l_j} − l_target        d loss / d l = (softmax(l) − onehot) / positions
 *
 * The gradient is written down rather than traced: it is simpler than the loss, and one softmax does it.
 *
 * A target of −1 asks nothing: in a recall task only the answers count, and the mean is over them.
 */
import * as tf from '@tensorflow/tfjs';
import { readShapes } from '../tensor/shapes';

/** Surprise of each position: logits [B,N,V], targets [B,N] int32 → [B,N] in nats. Not for training: no gradient flows. */
export function surprise(logits: tf.Tensor3D, targets: tf.Tensor2D): tf.Tensor2D {
  const { V } = readShapes('surprise', { logits: 'B N V', targets: 'B N' }, { logits, targets });
  return tf.tidy(() => {
    const picked = logits.mul(tf.oneHot(targets, V)).sum(2);
    return tf.logSumExp(logits, 2).sub<tf.Tensor2D>(picked);
  });
}

/** What stands where nothing is asked. */
export const NOT_ASKED = -1;

/** The mean surprise as a scalar through which gradients flow. Given as rows of numbers, targets of −1 ask nothing; as a tensor, all ask. */
export function crossEntropy(
  logits: tf.Tensor3D,
  targets: tf.Tensor2D | readonly (readonly number[])[],
): tf.Scalar {
  const rows = targets instanceof tf.Tensor ? undefined : targets;
  if (!rows?.some((row) => row.includes(NOT_ASKED)))
    return tf.tidy(() =>
      meanSurprise(logits, targets instanceof tf.Tensor ? targets : whole(targets)),
    );
  // One answer in a hundred tokens: pick those rows out first, and neither softmax nor gradient sees the rest.
  const asked = rows.flatMap((row, b) =>
    row.flatMap((target, n) => (target === NOT_ASKED ? [] : [{ at: b * row.length + n, target }])),
  );
  if (asked.length === 0)
    throw new RangeError(
      `crossEntropy: every target is ${NOT_ASKED}; give at least one token to predict.`,
    );
  return tf.tidy(() => {
    const flat = logits.reshape<tf.Tensor2D>([-1, logits.shape[2]]);
    const at = tf.tensor1d(
      asked.map((one) => one.at),
      'int32',
    );
    return meanSurprise(
      flat.gather(at).expandDims<tf.Tensor3D>(0),
      whole([asked.map(({ target }) => target)]),
    );
  });
}
const whole = (rows: readonly (readonly number[])[]): tf.Tensor2D =>
  tf.tensor2d(rows as number[][], undefined, 'int32');

function meanSurprise(logits: tf.Tensor3D, targets: tf.Tensor2D): tf.Scalar {
  const { B, N, V } = readShapes(
    'crossEntropy',
    { logits: 'B N V', targets: 'B N' },
    { logits, targets },
  );
  const withGradient = tf.customGrad((...args: unknown[]) => {
    const [x, save] = args as [tf.Tensor3D, (tensors: tf.Tensor[]) => void];
    save([x, targets]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] =>
      tf.tidy(() => {
        const p = tf.softmax(saved[0].reshape<tf.Tensor2D>([B * N, V]));
        const onehot = tf.oneHot(saved[1].reshape<tf.Tensor1D>([B * N]), V);
        return [
          p
            .sub(onehot)
            .mul(dy.div(B * N))
            .reshape([B, N, V]),
        ];
      });
    return { value: surprise(x, targets).mean() as tf.Scalar, gradFunc };
  });
  return withGradient(logits) as tf.Scalar;
}
