/** Losses, their gradients and clipping, each against its formula in float64 loops. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { tokenLosses } from '../../src/layers/token-loss';
import { clipByGlobalNorm, globalNorm } from '../../src/training/gradients';
import { crossEntropy, IGNORE_INDEX } from '../../src/training/loss';
import { expectClose, normal, SeededRandom, useTestEngine } from '../helpers';

beforeAll(useTestEngine);

const [B, N, V] = [2, 3, 5];
const targets = [
  [0, 4, 2],
  [1, 1, 3],
];
const someIgnored = [
  [IGNORE_INDEX, 4, IGNORE_INDEX],
  [1, IGNORE_INDEX, 3],
];
const draw = (scale: number): tf.Tensor3D => normal(new SeededRandom(5), [B, N, V], scale);

interface Expected {
  losses: number[]; // 0 at ignored positions
  mean: number;
  gradient: number[]; // of the mean
}
function byLoops(logits: tf.Tensor3D, rowsOfTargets: number[][]): Expected {
  const flatTargets = rowsOfTargets.flat();
  const count = flatTargets.filter((target) => target !== IGNORE_INDEX).length;
  const losses: number[] = [];
  const gradient: number[] = [];
  for (const [position, row] of logits.arraySync().flat().entries()) {
    const target = flatTargets[position];
    const largest = Math.max(...row);
    const total = row.reduce((sum, x) => sum + Math.exp(x - largest), 0);
    const ignored = target === IGNORE_INDEX;
    losses.push(ignored ? 0 : largest + Math.log(total) - row[target]);
    for (const [j, x] of row.entries()) {
      const slope = Math.exp(x - largest) / total - (j === target ? 1 : 0);
      gradient.push(ignored ? 0 : slope / count);
    }
  }
  return { losses, mean: losses.reduce((sum, loss) => sum + loss, 0) / count, gradient };
}

describe('the loss of each token', () => {
  // e^1000 is no float32: the largest logit must be subtracted before exp.
  it.each([1, 1000])('equals its formula, for logits of size %i', (scale) => {
    tf.tidy(() => {
      const logits = draw(scale);
      expectClose(tokenLosses(logits, targets.flat()), byLoops(logits, targets).losses);
    });
  });
  it('the comparison notices targets shifted by one position', () => {
    tf.tidy(() => {
      const logits = draw(1);
      const shifted = [targets[0].slice(1), targets[1], targets[0].slice(0, 1)].flat();
      expect(() =>
        expectClose(tokenLosses(logits, shifted), byLoops(logits, targets).losses),
      ).toThrow(/worst error/);
    });
  });
  it.each([0, 3e38, -3e38])('is ln(vocab) if all logits are %d', (logit) => {
    tf.tidy(() =>
      expectClose(tokenLosses(tf.fill([2, V], logit), [0, 4]), [Math.log(V), Math.log(V)]),
    );
  });
  it('refuses what is not a token, and another number of targets', () => {
    const logits = draw(1);
    const before = tf.memory().numTensors;
    for (const target of [V, -1, 0.5, Number.NaN])
      expect(() => tokenLosses(logits, [0, 0, target, 0, 0, 0])).toThrow(
        `target 2 is ${target}; tokens go from 0 to 4`,
      );
    expect(() => tokenLosses(logits, [0, 0, 0])).toThrow(/there are 3 targets, .* have 6 rows/);
    expect(tf.memory().numTensors).toBe(before);
    logits.dispose();
  });
});

describe('cross-entropy', () => {
  it.each([
    ['all targets', 1, targets],
    ['all targets, large logits', 1000, targets],
    ['some targets ignored', 1, someIgnored],
    ['some targets ignored, large logits', 1000, someIgnored],
  ])('is the mean loss, with its gradient: %s', (_, scale, given) => {
    tf.tidy(() => {
      const logits = draw(scale);
      const expected = byLoops(logits, given);
      const lossOf = (x: tf.Tensor) => crossEntropy(x as tf.Tensor3D, given);
      const { value, grad } = tf.valueAndGrad(lossOf)(logits);
      expectClose(value, expected.mean);
      expectClose(grad.flatten(), expected.gradient);
    });
  });
  it('the comparison notices a mean over all positions where some are ignored', () => {
    tf.tidy(() => {
      const { losses } = byLoops(draw(1), someIgnored);
      const wrongMean = losses.reduce((sum, loss) => sum + loss, 0) / (B * N);
      expect(() => expectClose(crossEntropy(draw(1), someIgnored), wrongMean)).toThrow(
        /worst error/,
      );
    });
  });
  it('refuses targets that are all ignored, of another shape, or not tokens', () => {
    tf.tidy(() => {
      const none = targets.map((row) => row.map(() => IGNORE_INDEX));
      expect(() => crossEntropy(draw(1), none)).toThrow(/every target is -1; give at least one/);
      expect(() => crossEntropy(draw(1), [[1, 2, 3]])).toThrow(/1 rows of 3 .* give 2 rows of 3/);
      expect(() =>
        crossEntropy(draw(1), [
          [1, 2, 3],
          [4, V, 0],
        ]),
      ).toThrow(/is 5; tokens go from 0/);
    });
  });
});

describe('clipping by the global norm', () => {
  it('takes all gradients as one vector; what is too long keeps its direction', () => {
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
  it('the comparison notices if each weight is clipped by itself', () => {
    tf.tidy(() => {
      const alone = clipByGlobalNorm({ a: tf.tensor1d([3, 0]) }, 1).gradients.a;
      expect(() => expectClose(alone, [0.6, 0])).toThrow(/worst error/);
    });
  });
});
