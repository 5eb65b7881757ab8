/**
 * cumsum along an axis counted from the end (−1: the last).
 *
 * TensorFlow.js passes the negative number to the kernel as it is. The cpu kernel then throws an
 * error about a shape; the wasm kernel computes a size of NaN, gets no memory, and writes
 * nevertheless. With the axis counted from the front both are right.
 */
import * as tf from '@tensorflow/tfjs';
import type { Kernel } from './replace-kernel';

export const countAxisFromFront =
  (upstream: Kernel): Kernel =>
  (call) => {
    const { x } = call.inputs as unknown as { x: tf.TensorInfo };
    const { axis } = call.attrs as unknown as { axis: number };
    const fromFront = tf.util.parseAxisParam(axis, x.shape)[0];
    return upstream({ ...call, attrs: { ...call.attrs, axis: fromFront } });
  };
