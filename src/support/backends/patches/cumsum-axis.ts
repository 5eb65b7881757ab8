/**
 * cumsum along an axis counted from the end (−1: the last).
 *
 * TensorFlow.js hands the negative number to the kernel as it is. The cpu kernel then throws about a shape; the wasm kernel
 * computes a shape that is no number, is granted no memory, and writes all the same. Counted from the front, both are right.
 */
import * as tf from '@tensorflow/tfjs';
import type { Kernel } from './replace-kernel';

export const countAxisFromFront =
  (stock: Kernel): Kernel =>
  (call) => {
    const { x } = call.inputs as unknown as { x: tf.TensorInfo };
    const { axis } = call.attrs as unknown as { axis: number };
    return stock({
      ...call,
      attrs: { ...call.attrs, axis: tf.util.parseAxisParam(axis, x.shape)[0] },
    });
  };
