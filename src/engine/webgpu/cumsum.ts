/**
 * Running sums on a graphics card: y_n = x_0 + … + x_n, backwards y_n = x_n + … + x_last, exclusive without x_n itself.
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
import type { Kernel } from '../replace-kernel';

/** `y` moved `by` places along `axis`, towards the start if `backwards`; zeros come in, numbers past the end go. by < length */
function moved(y: tf.Tensor, axis: number, by: number, backwards: boolean): tf.Tensor {
  const begin = y.shape.map((_, i) => (i === axis && backwards ? by : 0));
  const size = y.shape.map((n, i) => (i === axis ? n - by : n));
  const zeros = y.shape.map((_, i): [number, number] => (i !== axis ? [0, 0] : backwards ? [0, by] : [by, 0]));
  return y.slice(begin, size).pad(zeros);
}

/** x, any shape and axis (a negative one counts from the end) → sums of the same shape. */
export const doublingCumsum: (stock: Kernel) => Kernel = () => (call) => {
  const { x } = call.inputs as unknown as { x: tf.Tensor };
  const { axis: given, exclusive, reverse } = call.attrs as unknown as { axis: number; exclusive: boolean; reverse: boolean };
  const axis = tf.util.parseAxisParam(given, x.shape)[0]!;
  const N = x.shape[axis]!;
  return tf.tidy(() => {
    if (exclusive && N < 2) return tf.zerosLike(x);
    let y = x.clone();
    if (exclusive) y = moved(y, axis, 1, reverse);
    for (let by = 1; by < N; by *= 2) {
      const reach = by;
      const last = y;
      y = tf.tidy(() => last.add(moved(last, axis, reach, reverse)));
      last.dispose();
    }
    return y;
  });
};
