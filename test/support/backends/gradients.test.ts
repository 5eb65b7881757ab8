import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { logSigmoid } from '../../../src/support/backends/patches/log-sigmoid';
import { useEngine } from '../../../src/support/backends/use-engine';
import { expectClose, float32 } from '../../helpers';
import { expectStockFault } from './stock';

describe.each(['wasm', 'cpu'] as const)('gradients on %s', (engine) => {
  beforeAll(() => useEngine(engine));

  /** y_n = Σ_{m ≤ n} x_m along the first axis of a [3, 3]; weights make every entry of the gradient its own number. */
  const weights = [
    [1, 2, 3],
    [10, 20, 30],
    [100, 200, 300],
  ];
  const summed = (axis: number, exclusive = false, reverse = false) => {
    const gradient = tf.grad((x: tf.Tensor) =>
      tf.cumsum(x, axis, exclusive, reverse).mul(tf.tensor(weights)).sum(),
    );
    return gradient(tf.ones([3, 3])).arraySync() as number[][];
  };
  it('cumsum takes an axis counted from the end', () => {
    tf.tidy(() => {
      expect(tf.cumsum(tf.tensor(weights), -1).arraySync()).toEqual([
        [1, 3, 6],
        [10, 30, 60],
        [100, 300, 600],
      ]);
      expect(tf.cumsum(tf.tensor(weights), -2).arraySync()).toEqual([
        [1, 2, 3],
        [11, 22, 33],
        [111, 222, 333],
      ]);
    });
  });
  it('stock does not', () => {
    expectStockFault('cumsum-axis.ts', () =>
      tf.tidy(() => (tf.cumsum(tf.tensor(weights), -2).arraySync() as number[][])[1][0] === 11),
    );
  });
  it.each([
    [
      'down the columns',
      0,
      false,
      false,
      [
        [111, 222, 333],
        [110, 220, 330],
        [100, 200, 300],
      ],
    ],
    [
      'along the rows',
      1,
      false,
      false,
      [
        [6, 5, 3],
        [60, 50, 30],
        [600, 500, 300],
      ],
    ],
    [
      'along the last axis, counted from the end',
      -1,
      false,
      false,
      [
        [6, 5, 3],
        [60, 50, 30],
        [600, 500, 300],
      ],
    ],
    [
      'exclusive: a number does not reach its own place',
      0,
      true,
      false,
      [
        [110, 220, 330],
        [100, 200, 300],
        [0, 0, 0],
      ],
    ],
    [
      'in reverse',
      0,
      false,
      true,
      [
        [1, 2, 3],
        [11, 22, 33],
        [111, 222, 333],
      ],
    ],
  ])('cumsum %s: ∂x_m = Σ_{n ≥ m} ∂y_n', (_, axis, exclusive, reverse, want) => {
    expect(tf.tidy(() => summed(axis, exclusive, reverse))).toEqual(want);
  });
  it('stock transposes the gradient of a cumsum along any axis but the last', () => {
    expectStockFault('cumsum in gradients.ts', () => tf.tidy(() => summed(0)[0][1] === 222));
  });

  const xs = [-200, -90, -3, 0, 0.5, 20, 90];
  it('log σ(x) = −log(1 + e^−x), finite for any x', () => {
    // In float64, and in the form that does not overflow: min(x, 0) − log(1 + e^−|x|).
    const want = xs.map((x) => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x))));
    tf.tidy(() => expectClose(logSigmoid(tf.tensor1d(xs)), want, float32));
  });
  it('its gradient is σ(−x), also when x is itself a result', () => {
    tf.tidy(() => {
      const gradient = tf.grad((x: tf.Tensor) => logSigmoid(x.mul(2)).sum());
      expectClose(
        gradient(tf.tensor1d(xs)),
        xs.map((x) => 2 / (1 + Math.exp(2 * x))),
        float32,
      );
    });
  });
  it('stock cannot differentiate tf.logSigmoid of a result', () => {
    expectStockFault('log-sigmoid.ts', () => {
      tf.grad((x: tf.Tensor) => tf.logSigmoid(x.mul(2)).sum())(tf.tensor1d(xs));
      return true;
    });
  });
});
