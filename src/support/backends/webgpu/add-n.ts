/**
 * Sums of many tensors on a graphics card: seven at a time.
 *
 * Upstream passes all of them to one program, each in a buffer of its own. WebGPU guarantees eight
 * buffers per program and no more; the norm of a gradient, a sum over every weight of a model,
 * needs dozens, and upstream returns 0.
 */
import * as tf from '@tensorflow/tfjs';
import type { Kernel } from '../patches/replace-kernel';

/** Eight buffers, less the one for the sum. */
const GROUP_SIZE = 7;

export const addInGroups =
  (upstream: Kernel): Kernel =>
  (call) => {
    const tensors = call.inputs as unknown as tf.Tensor[];
    if (tensors.length <= GROUP_SIZE) return upstream(call);
    return tf.tidy(() => {
      let remaining = [...tensors];
      while (remaining.length > 1) {
        const sums: tf.Tensor[] = [];
        for (let start = 0; start < remaining.length; start += GROUP_SIZE) {
          const group = remaining.slice(start, start + GROUP_SIZE);
          sums.push(group.length === 1 ? group[0] : tf.addN(group));
        }
        remaining = sums;
      }
      return remaining[0];
    });
  };
