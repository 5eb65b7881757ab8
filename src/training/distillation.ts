/**
 * Distillation: a student learns from what really came next, and from all that its teacher thought possible.
 *
 *   loss = (1 − a) · cross-entropy(l, target) + a · T² · KL(p ‖ q)        p = softmax(teacher / T), q = softmax(l / T)
 *   d loss / d l = ((1 − a) (softmax(l) − onehot) + a T (q − p)) / positions
 *
 * One letter came next; the teacher also says which others would have been no surprise: many numbers a position instead
 * of one. T > 1 lifts the small ones. Slopes of the KL shrink with 1/T², and the factor T² brings them back, so that `a`
 * means the same at every temperature.
 *
 * Source: Hinton, Vinyals and Dean, arXiv 1503.02531, section 2.
 */
import * as tf from '@tensorflow/tfjs';
import { readShapes } from '../tensor/shapes';
import { AdamW } from './adamw';
import type { BatchSource } from './batches';
import { clipByGlobalNorm, lossAndGradients } from './gradients';
import { surprise } from './loss';
import { checkSchedule, learningRate } from './schedule';
import type { StepReport, TrainableModel, TrainerOptions } from './trainer';

export interface DistillationOptions {
  /** a: the teacher's share of the loss, 0 to 1. */
  share: number;
  /** T, above 0. */
  temperature: number;
}

function check({ share, temperature }: DistillationOptions): void {
  if (!(share >= 0 && share <= 1))
    throw new RangeError(
      `distillation: share is ${share}; give the teacher's part of the loss, 0 to 1.`,
    );
  if (!(temperature > 0 && Number.isFinite(temperature)))
    throw new RangeError(`distillation: temperature is ${temperature}; give a number above 0.`);
}

/**
 * The loss above, over logits [B,N,V] of the student and of the teacher and targets [B,N]. The gradient is written down and
 * flows to the student alone.
 * @throws RangeError if shapes or options do not fit.
 */
export function distillationLoss(
  student: tf.Tensor3D,
  teacher: tf.Tensor3D,
  targets: readonly (readonly number[])[],
  options: DistillationOptions,
): tf.Scalar {
  check(options);
  const { share: a, temperature: T } = options;
  return tf.tidy(() => {
    const ids = tf.tensor2d(targets as number[][], undefined, 'int32');
    const { B, N, V } = readShapes(
      'distillationLoss',
      { student: 'B N V', teacher: 'B N V', targets: 'B N' },
      { student, teacher, targets: ids },
    );
    const rows = (x: tf.Tensor): tf.Tensor2D => x.reshape([B * N, V]);
    const withGradient = tf.customGrad((...args: unknown[]) => {
      const [l, save] = args as [tf.Tensor3D, (tensors: tf.Tensor[]) => void];
      const [warmStudent, warmTeacher] = [
        tf.logSoftmax(rows(l).div<tf.Tensor2D>(T)),
        tf.logSoftmax(rows(teacher).div<tf.Tensor2D>(T)),
      ];
      const p = warmTeacher.exp();
      const divergence = p.mul(warmTeacher.sub(warmStudent)).sum(1).mean();
      save([l, ids, p]);
      const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] =>
        tf.tidy(() => {
          const logits = rows(saved[0]);
          const fromText = tf
            .softmax(logits)
            .sub(tf.oneHot(saved[1].reshape<tf.Tensor1D>([B * N]), V));
          const fromTeacher = tf.softmax(logits.div<tf.Tensor2D>(T)).sub(saved[2]);
          const slope = fromText.mul(1 - a).add(fromTeacher.mul(a * T));
          return [slope.mul(dy.div(B * N)).reshape([B, N, V])];
        });
      const value = surprise(l, ids)
        .mean()
        .mul(1 - a)
        .add<tf.Scalar>(divergence.mul(a * T * T));
      return { value, gradFunc };
    });
    return withGradient(student) as tf.Scalar;
  });
}

/** `Trainer`'s step with a teacher beside the text; with share 0 it is that step. */
export class Distiller {
  private readonly optimizer: AdamW;
  private taken = 0;

  /** Student and teacher stay the caller's; the teacher is only asked. @throws RangeError naming the option. */
  constructor(
    readonly student: TrainableModel,
    readonly teacher: Pick<TrainableModel, 'logits'>,
    private readonly source: BatchSource,
    readonly options: Pick<
      TrainerOptions,
      'schedule' | 'beta1' | 'beta2' | 'weightDecay' | 'clipNorm'
    > &
      DistillationOptions,
  ) {
    check(options);
    checkSchedule(options.schedule);
    this.optimizer = new AdamW(student.parameters, options);
  }

  /** One update. The loss reported is the mixed one, before the update. @throws Error if it is no number any more. */
  async takeStep(): Promise<StepReport> {
    const rate = learningRate(this.taken, this.options.schedule);
    const { inputs, targets } = this.source.at(this.taken);
    const believed = this.teacher.logits(inputs);
    const { loss, gradients } = lossAndGradients(this.student.parameters, () =>
      distillationLoss(this.student.logits(inputs), believed, targets, this.options),
    );
    const { gradients: clipped, norm } = clipByGlobalNorm(gradients, this.options.clipNorm);
    try {
      const value = (await loss.data())[0];
      if (!Number.isFinite(value + norm))
        throw new Error(
          `Distiller: at step ${this.taken + 1} the loss is ${value} and the gradient's length ${norm}; a lower learning rate may help.`,
        );
      this.optimizer.update(clipped, rate);
      this.taken++;
      return { step: this.taken, loss: value, learningRate: rate, gradientNorm: norm };
    } finally {
      tf.dispose([believed, loss, gradients, clipped]);
    }
  }

  dispose(): void {
    this.optimizer.dispose();
  }
}
