/**
 * Running sums and products on a graphics card: y_n = x_0 + … + x_n, backwards y_n = x_n + … + x_last, exclusive without x_n itself.
 *
 * A card cannot add one by one; it lets every number reach twice as far with each step (Hillis and Steele, 1986):
 *
 *   y ← y + (y moved on by 1);  y ← y + (y moved on by 2);  y ← y + (y moved on by 4);  …     log₂ N steps
 *
 * Stock does the same, with two faults. Its backward program has the length of the first text it met written into it, but is
 * found again under a name without the length: any other length is summed wrongly, without a word. And it finds its step as
 * i32(pow(2.0, i)), where a card may well answer 7.9999 for 2³. Here a step is a whole number, and moving on is cutting off
 * one end and padding the other.
 */
import * as tf from '@tensorflow/tfjs';
import type { Kernel } from '../patches/replace-kernel';

/** y [outer,N,inner] moved `by` places along N, towards the start if `backwards`; `neutral` comes in, what passes the end goes. by < N */
function moved(y: tf.Tensor3D, by: number, backwards: boolean, neutral: number): tf.Tensor3D {
  const [outer, N, inner] = y.shape;
  const kept = y.slice([0, backwards ? by : 0, 0], [outer, N - by, inner]);
  return kept.pad([[0, 0], backwards ? [0, by] : [by, 0], [0, 0]], neutral);
}

/** x, any shape and axis (a negative one counts from the end) → a tensor of the same shape. `neutral` changes nothing: 0 or 1. */
const doubling =
  (
    combine: (a: tf.Tensor3D, b: tf.Tensor3D) => tf.Tensor3D,
    neutral: number,
  ): ((stock: Kernel) => Kernel) =>
  () =>
  (call) => {
    const { x } = call.inputs as unknown as { x: tf.Tensor };
    const {
      axis: given,
      exclusive,
      reverse,
    } = call.attrs as unknown as { axis: number; exclusive: boolean; reverse: boolean };
    const axis = tf.util.parseAxisParam(given, x.shape)[0];
    const N = x.shape[axis];
    const inner = tf.util.sizeFromShape(x.shape.slice(axis + 1));
    return tf.tidy(() => {
      if (x.size === 0) return x.clone();
      if (exclusive && N === 1) return tf.fill(x.shape, neutral, x.dtype as 'float32' | 'int32');
      // Three axes are enough for any tensor, and the padding program knows no more than four.
      let y = x.reshape<tf.Tensor3D>([-1, N, inner]);
      if (exclusive) y = moved(y, 1, reverse, neutral);
      for (let by = 1; by < N; by *= 2) {
        const reach = by;
        const last = y;
        y = tf.tidy(() => combine(last, moved(last, reach, reverse, neutral)));
        last.dispose();
      }
      return y.reshape(x.shape);
    });
  };

export const doublingCumsum = doubling((a, b) => a.add(b), 0);
export const doublingCumprod = doubling((a, b) => a.mul(b), 1);
