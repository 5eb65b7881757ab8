/**
 * Reductions on a graphics card: `all`, `any`, `argMax`, `argMin`.
 *
 * Along any axis but the last, upstream's `all` and `any` transpose their booleans with a program
 * written for numbers, which does not compile. The smallest of ones and zeros says whether all are
 * one, the largest whether any is. And upstream returns the place of the largest number of a vector
 * as a vector of one number, where it should be a scalar.
 */
import * as tf from '@tensorflow/tfjs';
import type { Kernel } from '../patches/replace-kernel';

interface Attributes {
  axis: number | number[];
  keepDims?: boolean;
}

const extreme =
  (of: 'min' | 'max'): ((upstream: Kernel) => Kernel) =>
  () =>
  (call) => {
    const { x } = call.inputs as unknown as { x: tf.Tensor };
    const { axis, keepDims } = call.attrs as unknown as Attributes;
    return tf.tidy(() => x.toFloat()[of](axis, keepDims).toBool());
  };
export const allAsMin = extreme('min');
export const anyAsMax = extreme('max');

export const scalarForVector =
  (upstream: Kernel): Kernel =>
  (call) => {
    const { x } = call.inputs as unknown as { x: tf.TensorInfo };
    const place = upstream(call) as tf.TensorInfo;
    return x.shape.length === 1 ? { ...place, shape: [] } : place;
  };
