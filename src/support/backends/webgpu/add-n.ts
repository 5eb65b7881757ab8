/**
 * Sums of many tensors on a graphics card: a few at a time.
 *
 * Stock hands all of them to one program, each in a buffer of its own. A card promises eight buffers per program and no
 * more; the length of a gradient, a sum over every weight of a model, wants dozens, and comes back as 0.
 */
import * as tf from '@tensorflow/tfjs';
import type { Kernel } from '../patches/replace-kernel';

/** Eight, less the one that takes the sum. */
const AT_ONCE = 7;

export const addInGroups =
  (stock: Kernel): Kernel =>
  (call) => {
    const tensors = call.inputs as unknown as tf.Tensor[];
    if (tensors.length <= AT_ONCE) return stock(call);
    return tf.tidy(() => {
      let left = [...tensors];
      while (left.length > 1) {
        const groups = Array.from({ length: Math.ceil(left.length / AT_ONCE) }, (_, i) =>
          left.slice(i * AT_ONCE, (i + 1) * AT_ONCE),
        );
        left = groups.map((group) => (group.length === 1 ? group[0] : tf.addN(group)));
      }
      return left[0];
    });
  };
