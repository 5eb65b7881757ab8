/** The loss of distillation against its formula in float64 loops, and training with it. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type DistillationOptions,
  distillation,
  distillationLoss,
} from '../../src/training/distillation';
import { IGNORE_INDEX } from '../../src/training/loss';
import { trainerOptionsOf } from '../../src/training/recipe';
import { Trainer } from '../../src/training/trainer';
import { expectClose, normal, SeededRandom, useTestEngine } from '../helpers';
import { FadingModel } from '../inference/fading-model';
import { build, tiny, tokenizer, tokens } from './tiny-run';

beforeAll(useTestEngine);

const [B, N, V] = [2, 3, 5];
const targets = [
  [0, 4, 2],
  [1, 1, 3],
];
const draw = (seed: number): tf.Tensor3D => normal(new SeededRandom(seed), [B, N, V], 2);

function softmax(logits: number[]): number[] {
  const largest = Math.max(...logits);
  const exps = logits.map((x) => Math.exp(x - largest));
  const total = exps.reduce((sum, x) => sum + x, 0);
  return exps.map((x) => x / total);
}
/** The mean loss and its gradient by the student's logits. */
function byLoops(
  student: tf.Tensor3D,
  teacher: tf.Tensor3D,
  { alpha, temperature: T }: DistillationOptions,
  given = targets,
): { loss: number; gradient: number[] } {
  const teacherRows = teacher.arraySync().flat();
  const count = given.flat().filter((target) => target !== IGNORE_INDEX).length;
  let loss = 0;
  const gradient: number[] = [];
  for (const [i, logits] of student.arraySync().flat().entries()) {
    const target = given.flat()[i];
    if (target === IGNORE_INDEX) {
      gradient.push(...logits.map(() => 0));
      continue;
    }
    const studentProbs = softmax(logits);
    const p = softmax(teacherRows[i].map((x) => x / T));
    const q = softmax(logits.map((x) => x / T));
    loss -= ((1 - alpha) * Math.log(studentProbs[target])) / count;
    for (let j = 0; j < V; j++) {
      loss += (alpha * T * T * p[j] * Math.log(p[j] / q[j])) / count;
      const onehot = j === target ? 1 : 0;
      const slope = (1 - alpha) * (studentProbs[j] - onehot) + alpha * T * (q[j] - p[j]);
      gradient.push(slope / count);
    }
  }
  return { loss, gradient };
}

describe('the loss of distillation', () => {
  it.each([
    { alpha: 0, temperature: 2 },
    { alpha: 0.5, temperature: 1 },
    { alpha: 0.3, temperature: 2 },
    { alpha: 1, temperature: 4 },
  ])('and its gradient equal the formula: %o', (options) => {
    const someIgnored = [targets[0], [IGNORE_INDEX, 1, IGNORE_INDEX]];
    for (const given of [targets, someIgnored])
      tf.tidy(() => {
        const [student, teacher] = [draw(5), draw(6)];
        const expected = byLoops(student, teacher, options, given);
        const { value, grad } = tf.valueAndGrad((x: tf.Tensor) =>
          distillationLoss(x as tf.Tensor3D, teacher, given, options),
        )(student);
        expectClose(value, expected.loss);
        expectClose(grad.flatten(), expected.gradient);
      });
  });
  it('the comparison notices teacher and student exchanged, and a missing T²', () => {
    tf.tidy(() => {
      const [student, teacher] = [draw(5), draw(6)];
      const options = { alpha: 1, temperature: 2 };
      const loss = distillationLoss(student, teacher, targets, options);
      const exchanged = byLoops(teacher, student, options).loss;
      expect(() => expectClose(loss, exchanged)).toThrow(/worst error/);
      const expected = byLoops(student, teacher, options).loss;
      expect(() => expectClose(loss.div(4), expected)).toThrow(/worst error/);
    });
  });
  it('is 0, without a gradient, for a student that agrees with its teacher', () => {
    tf.tidy(() => {
      const { value, grad } = tf.valueAndGrad((x: tf.Tensor) =>
        distillationLoss(x as tf.Tensor3D, draw(5), targets, { alpha: 1, temperature: 3 }),
      )(draw(5));
      expectClose(value, 0, { ofLargest: 0, absolute: 1e-6 });
      expectClose(grad, tf.zerosLike(grad), { ofLargest: 0, absolute: 1e-6 });
    });
  });
  it('refuses options out of range and shapes that disagree', () => {
    tf.tidy(() => {
      const logits = draw(5);
      const lossWith = (alpha: number, temperature: number, teacher = logits) =>
        distillationLoss(logits, teacher, targets, { alpha, temperature });
      expect(() => lossWith(2, 1)).toThrow(/alpha is 2; .*from 0 to 1/);
      expect(() => lossWith(1, 0)).toThrow(/temperature is 0; .*above 0/);
      expect(() => lossWith(1, 1, logits.slice([0, 0, 0], [B, 2, V]))).toThrow(/N is/);
    });
  });
});

describe('training with a teacher', () => {
  async function lossesWith(alpha: number): Promise<number[]> {
    const student = new FadingModel(tokenizer.vocabSize, 5, 3);
    const teacher = new FadingModel(tokenizer.vocabSize, 5, 4);
    const loss = distillation(teacher, { alpha, temperature: 2 });
    const trainer = new Trainer(student, tokens, { ...trainerOptionsOf(tiny), loss });
    for (let i = 0; i < 12; i++) await trainer.takeStep();
    for (const disposable of [trainer, student, teacher]) disposable.dispose();
    return trainer.curve.losses;
  }
  it('with alpha 0 equals training on the text', async () => {
    const student = new FadingModel(tokenizer.vocabSize, 5, 3);
    const trainer = new Trainer(student, tokens, trainerOptionsOf(tiny));
    for (let i = 0; i < 12; i++) await trainer.takeStep();
    expectClose(await lossesWith(0), trainer.curve.losses, { ofLargest: 1e-5, absolute: 0 });
    trainer.dispose();
    student.dispose();
  });
  it('with alpha 1 the student comes nearer to its teacher; no tensor is left', async () => {
    const before = tf.memory().numTensors;
    const losses = await lossesWith(1);
    expect(losses.at(-1)).toBeLessThan(0.9 * losses[0]);
    expect(tf.memory().numTensors).toBe(before);
  });
  it('takes whole windows only', () => {
    const { model, trainer } = build();
    const loss = distillation(model, { alpha: 1, temperature: 2 });
    expect(() => new Trainer(model, tokens, { ...trainer.options, loss, chunk: 4 })).toThrow(
      /chunk is 4, but a given loss needs whole windows; leave chunk out/,
    );
    trainer.dispose();
    model.dispose();
  });
});
