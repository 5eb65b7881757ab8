/** What the tests share: the engine, a comparison that can fail, and seeded inputs. */
import * as tf from '@tensorflow/tfjs';
import { expect } from 'vitest';
import { type EngineName, useEngine } from '../src/support/backends/use-engine';
import { SeededRandom } from '../src/tensor/random';

export { leakedBy } from '../src/tensor/ledger';

/** The engine of `CACHE_ONCE_ENGINE`, or the best that works here. */
export async function useTestEngine(): Promise<void> {
  await useEngine(process.env.CACHE_ONCE_ENGINE as EngineName | undefined);
}

/**
 * Bytes in the ledger, as a multiple of what is really held. TensorFlow's C++ makes a new handle
 * for a reshape, over the same
 * buffer; TensorFlow.js cannot see that, and counts a view there as a copy.
 */
export const viewsCount = (): number => (tf.getBackend() === 'tensorflow' ? 2 : 1);

/** Allowed: `ofLargest` × the largest magnitude of `want`, plus `absolute`. */
export interface Tolerance {
  ofLargest: number;
  absolute: number;
}
/** float32 on small shapes: a few units in the last place of the largest number. */
export const float32: Tolerance = { ofLargest: 4e-6, absolute: 1e-7 };

type Numbers = number | ArrayLike<number> | readonly Numbers[] | tf.Tensor;
const shapeOf = (x: Numbers): number[] => {
  if (x instanceof tf.Tensor) return x.shape;
  if (typeof x === 'number') return [];
  return x.length === 0 ? [0] : [x.length, ...shapeOf(x[0] as Numbers)];
};
const flat = (x: Numbers): number[] => {
  if (x instanceof tf.Tensor) return Array.from(x.dataSync());
  if (typeof x === 'number') return [x];
  return Array.from(x as ArrayLike<Numbers>).flatMap((part) => flat(part));
};
const indexIn = (shape: number[], flatIndex: number): number[] => {
  let rest = flatIndex;
  return shape.map((_, axis) => {
    const stride = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
    const i = Math.floor(rest / stride);
    rest -= i * stride;
    return i;
  });
};

/**
 * Fails on another shape, on NaN or ∞, and on the worst element if it is out of tolerance; returns
 * the worst error.
 */
export function expectClose(
  got: Numbers,
  want: Numbers,
  tolerance: Tolerance = float32,
  what = 'result',
): number {
  expect(shapeOf(got), `${what}: shape`).toEqual(shapeOf(want));
  const a = flat(got);
  const b = flat(want);
  let worst = -1;
  let at = -1;
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    if (!Number.isFinite(a[i]) || !Number.isFinite(b[i]))
      throw new Error(
        `${what}: not finite at [${indexIn(shapeOf(want), i)}]: got ${a[i]}, want ${b[i]}.`,
      );
    largest = Math.max(largest, Math.abs(b[i]));
    if (Math.abs(a[i] - b[i]) > worst) {
      worst = Math.abs(a[i] - b[i]);
      at = i;
    }
  }
  const allowed = tolerance.ofLargest * largest + tolerance.absolute;
  if (worst > allowed)
    throw new Error(
      `${what}: worst error ${worst.toExponential(2)} at [${indexIn(shapeOf(want), at)}]: got ${a[at]}, want ${b[at]}; allowed ${allowed.toExponential(2)}.`,
    );
  return Math.max(worst, 0);
}

/** (loss(x + h) − loss(x − h)) / 2h of list[i], in float64: off by about h² = 1e-10. */
export function centralDifference(loss: () => number, list: number[], i: number): number {
  const x = list[i];
  const step = 1e-5;
  list[i] = x + step;
  const above = loss();
  list[i] = x - step;
  const below = loss();
  list[i] = x;
  return (above - below) / (2 * step);
}

/** A tensor of standard normal numbers, the same on every engine. The caller owns it. */
export function normal<T extends tf.Tensor>(
  random: SeededRandom,
  shape: T['shape'],
  standardDeviation = 1,
): T {
  const size = shape.reduce((a, b) => a * b, 1);
  return tf.tensor(random.normals(size, 0, standardDeviation), shape) as T;
}
export { SeededRandom };
