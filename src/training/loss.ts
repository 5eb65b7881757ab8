/**
 * Cross-entropy: the mean loss of the tokens that really came next, in nats.
 *
 *   loss = mean over positions of −ln p[target],  p = softmax(logits)
 *   d loss / d logits = (p − onehot(target)) / positions
 *
 * The gradient is written by hand: one softmax computes it.
 */
import * as tf from '@tensorflow/tfjs';
import { tokenLosses } from '../layers/token-loss';
import { readShapes } from '../tensor/shapes';
import type { Batch } from './batches';

/**
 * What a training step minimises. The outer function runs before the gradient is traced (there a
 * teacher computes its logits); the inner one turns the model's logits [B, N, V] into the loss.
 */
export type LossFunction = (batch: Batch) => (logits: tf.Tensor3D) => tf.Scalar;

/** Targets with this value are ignored by the loss: in a recall task only the answers count. */
export const IGNORE_INDEX = -1;
export type Targets = readonly (readonly number[])[];

/** The default of the trainer: the loss of the text itself. */
export const textLoss: LossFunction = (batch) => (logits) => crossEntropy(logits, batch.targets);

/**
 * logits [B, N, V] and B rows of N targets → the mean loss, through which gradients flow. Targets
 * of −1 are ignored: the mean is over the others.
 * @throws RangeError if shapes disagree, a target is not a token, or all of them are ignored.
 */
export function crossEntropy(logits: tf.Tensor3D, targets: Targets): tf.Scalar {
  const { positions, tokens } = readTargets('crossEntropy', logits, targets);
  const P = positions.length;
  const mean = tf.customGrad((rows, save) => {
    (save as tf.GradSaveFunc)([rows as tf.Tensor]);
    const value: tf.Scalar = tokenLosses(rows as tf.Tensor2D, tokens).mean();
    const gradFunc = (dLoss: tf.Tensor, [saved]: tf.Tensor[]) => {
      const p = tf.softmax(saved); // [P, V]
      const onehot = tf.oneHot(tokens, saved.shape[1] as number); // [P, V]
      return p.sub(onehot).mul(dLoss.div(P)); // [P, V]
    };
    return { value, gradFunc };
  });
  return tf.tidy(() => mean(rowsAt(logits, positions)) as tf.Scalar);
}

/** The positions b · N + n whose targets are not ignored, and these targets. @throws RangeError */
export function readTargets(
  where: string,
  logits: tf.Tensor3D,
  targets: Targets,
): { positions: number[]; tokens: number[] } {
  const { B, N } = readShapes(where, { logits: 'B N V' }, { logits });
  if (targets.length !== B || targets.some((row) => row.length !== N))
    throw new RangeError(
      `${where}: the targets are ${targets.length} rows of ${targets.map((row) => row.length)} ` +
        `tokens; for logits [${logits.shape}] give ${B} rows of ${N}.`,
    );
  const positions: number[] = [];
  const tokens: number[] = [];
  for (const [position, target] of targets.flat().entries()) {
    if (target === IGNORE_INDEX) continue;
    positions.push(position);
    tokens.push(target);
  }
  if (tokens.length === 0)
    throw new RangeError(`${where}: every target is ${IGNORE_INDEX}; give at least one token.`);
  return { positions, tokens };
}

/**
 * [B, N, V] → [P, V], the rows at these positions. Softmax and gradient then skip the other rows:
 * in a recall task only one position in a hundred may have a target.
 */
export function rowsAt(logits: tf.Tensor3D, positions: readonly number[]): tf.Tensor2D {
  const [B, N, V] = logits.shape;
  const rows = logits.reshape<tf.Tensor2D>([B * N, V]);
  if (positions.length === B * N) return rows;
  return rows.gather(tf.tensor1d(positions as number[], 'int32'));
}
