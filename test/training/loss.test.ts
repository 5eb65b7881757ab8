/** Cross-entropy, the gradient's length, and the learning rate over a run, each against its formula. */
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { clipByGlobalNorm, globalNorm } from '../../src/training/gradients';
import { crossEntropy, NOT_ASKED, surprise } from '../../src/training/loss';
import { learningRate, type Schedule } from '../../src/training/schedule';
import { expectClose, normal, SeededRandom, useTestEngine } from '../helpers';

beforeAll(useTestEngine);

/** −ln p(target) in float64, and its gradient by each logit. */
function byLoops(row: number[], target: number): { loss: number; gradient: number[] } {
  const largest = Math.max(...row);
  const total = row.reduce((sum, x) => sum + Math.exp(x - largest), 0);
  return {
    loss: largest + Math.log(total) - row[target],
    gradient: row.map((x, j) => Math.exp(x - largest) / total - (j === target ? 1 : 0)),
  };
}

describe('cross-entropy', () => {
  const [B, N, V] = [2, 3, 5];
  const targets = [
    [0, 4, 2],
    [1, 1, 3],
  ];
  const draw = (scale: number) => normal<tf.Tensor3D>(new SeededRandom(5), [B, N, V], scale);
  // 1000: e^1000 is no float32; a sum of exponentials without the largest taken out would be ∞.
  it.each([1, 1000])(
    'is the mean surprise, and its gradient softmax − onehot over the positions, logits of size %i',
    (scale) => {
      tf.tidy(() => {
        const logits = draw(scale);
        const rows = (logits.arraySync() as number[][][]).flat();
        const want = rows.map((row, i) => byLoops(row, targets.flat()[i]));
        const t = tf.tensor2d(targets, [B, N], 'int32');
        expectClose(
          surprise(logits, t).flatten(),
          want.map(({ loss }) => loss),
        );
        const { value, grad } = tf.valueAndGrad((x: tf.Tensor) =>
          crossEntropy(x as tf.Tensor3D, t),
        )(logits);
        expectClose(value, want.reduce((sum, { loss }) => sum + loss, 0) / (B * N));
        expectClose(
          grad.flatten(),
          want.flatMap(({ gradient }) => gradient.map((g) => g / (B * N))),
        );
      });
    },
  );
  it('can it fail? targets shifted by one position', () => {
    tf.tidy(() => {
      const logits = draw(1);
      const rows = (logits.arraySync() as number[][][]).flat();
      const shifted = rows.map(
        (row, i) => byLoops(row, targets.flat()[(i + 1) % rows.length]).loss,
      );
      expect(() =>
        expectClose(surprise(logits, tf.tensor2d(targets, [B, N], 'int32')).flatten(), shifted),
      ).toThrow(/worst error/);
    });
  });
  const some = [
    [NOT_ASKED, 4, NOT_ASKED],
    [1, NOT_ASKED, 3],
  ];
  it.each([1, 1000])(
    'where nothing is asked counts for nothing, in the mean and in the gradient, logits of size %i',
    (scale) => {
      tf.tidy(() => {
        const logits = draw(scale);
        const rows = (logits.arraySync() as number[][][]).flat();
        const asked = some.flat().filter((target) => target !== NOT_ASKED).length;
        const want = rows.map((row, i) =>
          some.flat()[i] === NOT_ASKED
            ? { loss: 0, gradient: row.map(() => 0) }
            : byLoops(row, some.flat()[i]),
        );
        const { value, grad } = tf.valueAndGrad((x: tf.Tensor) =>
          crossEntropy(x as tf.Tensor3D, some),
        )(logits);
        const mean = want.reduce((sum, { loss }) => sum + loss, 0) / asked;
        expectClose(value, mean);
        expectClose(
          grad.flatten(),
          want.flatMap(({ gradient }) => gradient.map((g) => g / asked)),
        );
        // Can it fail? A mean over all positions is half as large here.
        expect(() => expectClose(value, (mean * asked) / (B * N))).toThrow(/worst error/);
      });
    },
  );
  it('rows that ask everywhere are the tensor of targets; rows that ask nowhere are refused', () => {
    tf.tidy(() => {
      const logits = draw(1);
      expectClose(
        crossEntropy(logits, targets),
        crossEntropy(logits, tf.tensor2d(targets, [B, N], 'int32')),
        { ofLargest: 0, absolute: 0 },
      );
      expect(() =>
        crossEntropy(logits, [
          [-1, -1, -1],
          [-1, -1, -1],
        ]),
      ).toThrow(/every target is -1; give at least one token to predict/);
    });
  });
  it('a model that knows nothing is surprised by ln(vocab)', () => {
    tf.tidy(() =>
      expectClose(
        crossEntropy(tf.zeros([B, N, V]), tf.tensor2d(targets, [B, N], 'int32')),
        Math.log(V),
      ),
    );
  });
});

describe('clipping by the global norm', () => {
  it('the length is that of all gradients as one vector, and what is too long keeps its direction', () => {
    tf.tidy(() => {
      const gradients = { a: tf.tensor1d([3, 0]), b: tf.tensor2d([[0], [4]]) };
      expect(globalNorm(gradients)).toBeCloseTo(5, 6);
      const { gradients: clipped, norm } = clipByGlobalNorm(gradients, 1);
      expect(norm).toBeCloseTo(5, 6);
      expectClose(clipped.a, [0.6, 0]);
      expectClose(clipped.b, [[0], [0.8]]);
      expectClose(clipByGlobalNorm(gradients, 6).gradients.a, [3, 0]);
    });
  });
  it('can it fail? clipping each weight by itself gives another direction', () => {
    tf.tidy(() => {
      const one = (values: number[]) => clipByGlobalNorm({ g: tf.tensor1d(values) }, 1).gradients.g;
      expect(() => expectClose(one([3, 0]), [0.6, 0])).toThrow(/worst error/);
    });
  });
});

describe('the learning rate', () => {
  const schedule: Schedule = { peak: 2, steps: 100, warmUpSteps: 10, floor: 0.05, decay: 'cosine' };
  it('climbs in a straight line to the peak', () => {
    expect(Array.from({ length: 10 }, (_, step) => learningRate(step, schedule))).toEqual([
      0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.6, 1.8, 2,
    ]);
  });
  it.each(['cosine', 'linear', 'none'] as const)(
    '%s: never rises after the peak, ends at the floor, and stays there',
    (decay) => {
      const rates = Array.from({ length: 110 }, (_, step) =>
        learningRate(step, { ...schedule, decay }),
      );
      for (let i = 11; i < rates.length; i++)
        expect(rates[i]).toBeLessThanOrEqual(rates[i - 1] + 1e-12);
      const end = decay === 'none' ? 2 : 0.1;
      expect([rates[99], rates[105]]).toEqual([expect.closeTo(end, 9), expect.closeTo(end, 9)]);
    },
  );
  it('half-way a line is half-way, and so is a cosine', () => {
    const at = { ...schedule, steps: 111, floor: 0 };
    for (const decay of ['linear', 'cosine'] as const)
      expect(learningRate(60, { ...at, decay })).toBeCloseTo(1, 9);
  });
  it('is a positive number at every step of any allowed run', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.nat(50),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (steps, warm, floor) => {
          for (let step = 0; step < steps; step++) {
            const rate = learningRate(step, {
              peak: 1,
              steps,
              warmUpSteps: Math.min(warm, steps),
              floor,
              decay: 'cosine',
            });
            expect(rate).toBeGreaterThanOrEqual(0);
            expect(rate).toBeLessThanOrEqual(1);
          }
        },
      ),
    );
  });
});
