/** Seeded inputs for the tables: the same numbers for all rivals, and in every run. */
import * as tf from '@tensorflow/tfjs';
import { SeededRandom } from '../../src/tensor/random';

/** Standard normal numbers. The row that made the tensor disposes it. */
export function normal<T extends tf.Tensor>(seed: number, shape: T['shape']): T {
  const size = shape.reduce((a, b) => a * b, 1);
  return tf.tensor(new SeededRandom(seed).normals(size), shape) as T;
}
