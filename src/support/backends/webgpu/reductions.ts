/**
 * What becomes of an axis: `all`, `any`, `argMax`, `argMin` on a graphics card.
 *
 * Along any axis but the last, stock's `all` and `any` turn their truth values over with a program written for numbers, which
 * does not compile. The smallest of ones and zeros says whether all are one, the largest whether any is.
 * And the place of the largest number of a vector is one number, not a list of one.
 */
import * as tf from '@tensorflow/tfjs';
import type { Kernel } from '../patches/replace-kernel';

interface Attributes {
  axis: number | number[];
  keepDims?: boolean;
}

const extreme =
  (of: 'min' | 'max'): ((stock: Kernel) => Kernel) =>
  () =>
  (call) => {
    const { x } = call.inputs as unknown as { x: tf.Tensor };
    const { axis, keepDims } = call.attrs as unknown as Attributes;
    return tf.tidy(() => x.toFloat()[of](axis, keepDims).toBool());
  };
export const allAsMin = extreme('min');
export const anyAsMax = extreme('max');

export const placeInVector =
  (stock: Kernel): Kernel =>
  (call) => {
    const place = stock(call) as tf.TensorInfo;
    return (call.inputs.x as tf.TensorInfo).shape.length === 1 ? { ...place, shape: [] } : place;
  };
