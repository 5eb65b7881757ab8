import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { logSigmoid } from '../../../src/support/backends/patches/log-sigmoid';
import { useEngine } from '../../../src/support/backends/use-engine';
import { expectClose, float32 } from '../../helpers';
import { expectUpstreamFault } from './upstream';

/** The weights of the loss, chosen so that every entry of a gradient is a number of its own. */
const weights = [
  [1, 2, 3],
  [10, 20, 30],
  [100, 200, 300],
];

/** The gradient of Σ weights · cumsum(x) at a [3, 3] of ones. */
function cumsumGradient(axis: number, exclusive = false, reverse = false): number[][] {
  const loss = (x: tf.Tensor) =>
    tf.cumsum(x, axis, exclusive, reverse).mul(tf.tensor(weights)).sum();
  return tf.tidy(
    () =>
      tf
        .grad(loss)(tf.ones([3, 3]))
        .arraySync() as number[][],
  );
}

const alongRows = [
  [6, 5, 3],
  [60, 50, 30],
  [600, 500, 300],
];
const downColumns = [
  [111, 222, 333],
  [110, 220, 330],
  [100, 200, 300],
];
const downColumnsExclusive = [
  [110, 220, 330],
  [100, 200, 300],
  [0, 0, 0],
];
const upColumns = [
  [1, 2, 3],
  [11, 22, 33],
  [111, 222, 333],
];

describe.each(['wasm', 'cpu'] as const)('gradients on %s', (engine) => {
  beforeAll(() => useEngine(engine));

  it('cumsum accepts an axis counted from the end', () => {
    tf.tidy(() => {
      expect(tf.cumsum(tf.tensor(weights), -1).arraySync()).toEqual([
        [1, 3, 6],
        [10, 30, 60],
        [100, 300, 600],
      ]);
      expect(tf.cumsum(tf.tensor(weights), -2).arraySync()).toEqual(upColumns);
    });
  });
  it('upstream does not accept an axis counted from the end', () => {
    expectUpstreamFault('patches/cumsum-axis.ts', () =>
      tf.tidy(() => {
        const sums = tf.cumsum(tf.tensor(weights), -2).arraySync() as number[][];
        return sums[1][0] === 11;
      }),
    );
  });

  it.each([
    ['down the columns', 0, false, false, downColumns],
    ['along the rows', 1, false, false, alongRows],
    ['along the last axis, counted from the end', -1, false, false, alongRows],
    ['exclusive: a number is not part of its own sum', 0, true, false, downColumnsExclusive],
    ['in reverse', 0, false, true, upColumns],
  ])('the gradient of cumsum %s: ∂x_m = Σ_{n ≥ m} ∂y_n', (_, axis, exclusive, reverse, want) => {
    expect(cumsumGradient(axis, exclusive, reverse)).toEqual(want);
  });
  it('upstream transposes the gradient of a cumsum along any axis but the last', () => {
    expectUpstreamFault('cumsum in patches/gradients.ts', () => cumsumGradient(0)[0][1] === 222);
  });

  /** The gradient of Σ (piece i · (i + 1)) after a split of 3 numbers into pieces of `sizes`. */
  const splitGradient = (sizes: number[]) =>
    tf.tidy(() => {
      const loss = (x: tf.Tensor) =>
        tf.addN(tf.split(x, sizes).map((piece, i) => piece.mul(i + 1).sum()));
      return tf
        .grad(loss)(tf.tensor1d([1, 2, 3]))
        .arraySync() as number[];
    });
  it('the gradient of split puts the pieces together, one piece or several', () => {
    expect(splitGradient([1, 2])).toEqual([1, 2, 2]);
    expect(splitGradient([3])).toEqual([1, 1, 1]);
  });
  it('upstream throws at the gradient of a split into one piece', () => {
    expectUpstreamFault('split in patches/gradients.ts', () => splitGradient([3])[0] === 1);
  });

  const xs = [-200, -90, -3, 0, 0.5, 20, 90];
  it('log σ(x) = −log(1 + e^−x), finite for any x', () => {
    // In float64, in the form that does not overflow: min(x, 0) − log(1 + e^−|x|).
    const want = xs.map((x) => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x))));
    tf.tidy(() => expectClose(logSigmoid(tf.tensor1d(xs)), want, float32));
  });
  it('the gradient of log σ is σ(−x), also when x is an intermediate result', () => {
    const want = xs.map((x) => 2 / (1 + Math.exp(2 * x)));
    tf.tidy(() => {
      const gradient = tf.grad((x: tf.Tensor) => logSigmoid(x.mul(2)).sum());
      expectClose(gradient(tf.tensor1d(xs)), want, float32);
    });
  });
  it('upstream throws at the gradient of tf.logSigmoid of an intermediate result', () => {
    expectUpstreamFault('patches/log-sigmoid.ts', () => {
      tf.grad((x: tf.Tensor) => tf.logSigmoid(x.mul(2)).sum())(tf.tensor1d(xs));
      return true;
    });
  });
});
