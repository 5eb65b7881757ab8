/**
 * Distillation: a student learns from the text, and from the probabilities that a teacher gives to
 * all tokens.
 *
 *   loss = (1 − α) · cross-entropy(l, target) + α T² · KL(p ‖ q)
 *   p = softmax(teacher's logits / T),  q = softmax(l / T),  l the student's logits
 *   d loss / d l = ((1 − α) (softmax(l) − onehot(target)) + α T (q − p)) / positions
 *
 * The text names one token per position, the teacher weighs all of them. A temperature T above 1
 * raises the small probabilities. It makes the gradient of the KL smaller by T²; the factor T²
 * restores it, so that α means the same at every temperature.
 *
 * Source: Hinton, Vinyals and Dean, arXiv 1503.02531, section 2.
 */
import * as tf from '@tensorflow/tfjs';
import type { LanguageModel } from '../models/language-model';
import { readShapes } from '../tensor/shapes';
import { crossEntropy, type LossFunction, readTargets, rowsAt, type Targets } from './loss';

/** The teacher's part of the loss, 0 to 1; and T, above 0. */
export interface DistillationOptions {
  alpha: number;
  temperature: number;
}

/**
 * A loss for the trainer. The teacher only computes; it stays the caller's.
 * @throws RangeError naming the option that is out of range.
 */
export function distillation(
  teacher: Pick<LanguageModel, 'forward'>,
  options: DistillationOptions,
): LossFunction {
  checkOptions(options);
  return ({ inputs, targets }) => {
    const teacherLogits = teacher.forward(inputs); // here, so that no gradient is traced for it
    return (logits) => distillationLoss(logits, teacherLogits, targets, options);
  };
}

/**
 * The loss above: logits [B, N, V] of student and teacher, B rows of N targets, of which those of
 * −1 are ignored. Gradients flow to the student; the teacher's logits are constants.
 * @throws RangeError if shapes or options do not fit.
 */
export function distillationLoss(
  student: tf.Tensor3D,
  teacher: tf.Tensor3D,
  targets: Targets,
  options: DistillationOptions,
): tf.Scalar {
  const where = 'distillationLoss';
  checkOptions(options);
  readShapes(where, { student: 'B N V', teacher: 'B N V' }, { student, teacher });
  const { positions } = readTargets(where, student, targets);
  const { alpha, temperature: T } = options;

  return tf.tidy(() => {
    const studentLogProbs = tf.logSoftmax(rowsAt(student, positions).div(T)); // [P, V], ln q
    const teacherLogProbs = tf.logSoftmax(rowsAt(teacher, positions).div(T)); // [P, V], ln p
    const p = teacherLogProbs.exp(); // [P, V]
    const divergence = p.mul(teacherLogProbs.sub(studentLogProbs)).sum(1).mean(); // KL(p ‖ q)
    const fromText = crossEntropy(student, targets).mul(1 - alpha);
    const fromTeacher = divergence.mul(alpha * T * T);
    return fromText.add(fromTeacher);
  });
}

function checkOptions({ alpha, temperature }: DistillationOptions): void {
  if (!(alpha >= 0 && alpha <= 1))
    throw new RangeError(`distillation: alpha is ${alpha}; give a number from 0 to 1.`);
  if (!(temperature > 0 && Number.isFinite(temperature)))
    throw new RangeError(`distillation: temperature is ${temperature}; give a number above 0.`);
}
