/**
 * Cumulative sums and products on a graphics card: y_n = x_0 + … + x_n; in reverse
 * y_n = x_n + … + x_last; exclusive without x_n itself.
 *
 * A card does not add one number after the other. Instead the distance doubles with each step
 * (Hillis and Steele, 1986):
 *
 *   y ← y + (y shifted by 1);  y ← y + (y shifted by 2);  y ← y + (y shifted by 4);  …
 *
 * in log₂ N steps. Upstream does the same, with two faults. Its reverse program contains the length
 * of the first tensor it was compiled for, but is cached under a name without the length: a tensor
 * of any other length is summed wrongly, without an error. And it computes its distance as
 * i32(pow(2.0, i)), where a card may answer 7.9999 for 2³. Here the distance is a whole number, and
 * shifting is a slice at one end and padding at the other.
 */
import * as tf from '@tensorflow/tfjs';
import type { Kernel } from '../patches/replace-kernel';

/**
 * y [outer,N,inner] shifted by `by` < N places along N, towards the start if `reverse`. Freed
 * places are filled with `neutral`; what passes the end is dropped.
 */
function shift(y: tf.Tensor3D, by: number, reverse: boolean, neutral: number): tf.Tensor3D {
  const [outer, N, inner] = y.shape;
  const kept = y.slice([0, reverse ? by : 0, 0], [outer, N - by, inner]);
  return kept.pad([[0, 0], reverse ? [0, by] : [by, 0], [0, 0]], neutral);
}

interface Attributes {
  axis: number;
  exclusive: boolean;
  reverse: boolean;
}

/**
 * x, any shape and axis (a negative one counts from the end) → a tensor of the same shape.
 * `neutral` is the number that `combine` leaves unchanged: 0 or 1.
 */
const cumulative =
  (
    combine: (a: tf.Tensor3D, b: tf.Tensor3D) => tf.Tensor3D,
    neutral: number,
  ): ((upstream: Kernel) => Kernel) =>
  () =>
  (call) => {
    const { x } = call.inputs as unknown as { x: tf.Tensor };
    const { axis, exclusive, reverse } = call.attrs as unknown as Attributes;
    const fromFront = tf.util.parseAxisParam(axis, x.shape)[0];
    const N = x.shape[fromFront];
    const inner = tf.util.sizeFromShape(x.shape.slice(fromFront + 1));
    return tf.tidy(() => {
      if (x.size === 0) return x.clone();
      if (exclusive && N === 1) return tf.fill(x.shape, neutral, x.dtype as 'float32' | 'int32');
      // Three axes suffice for any tensor, and upstream's program for padding has at most four.
      let y = x.reshape<tf.Tensor3D>([-1, N, inner]);
      if (exclusive) y = shift(y, 1, reverse, neutral);
      for (let distance = 1; distance < N; distance *= 2) {
        const by = distance;
        const previous = y;
        y = tf.tidy(() => combine(previous, shift(previous, by, reverse, neutral)));
        previous.dispose();
      }
      return y.reshape(x.shape);
    });
  };

export const doublingCumsum = cumulative((a, b) => a.add(b), 0);
export const doublingCumprod = cumulative((a, b) => a.mul(b), 1);
