/**
 * The ledger of tensors: how many are held, and how many bytes, now and at the worst moment.
 *
 * "Bytes" are those that TensorFlow.js counts: the numbers of live tensors, views of one buffer counted once.
 */
import * as tf from '@tensorflow/tfjs';

export interface Ledger {
  tensors: number;
  bytes: number;
}

/** What is alive now. */
export const ledger = (): Ledger => ({ tensors: tf.memory().numTensors, bytes: tf.memory().numBytes });

/** Tensors that `work` leaves behind beyond what it returns; 0 for a function that cleans up. */
export function leakedBy(work: () => tf.TensorContainer | void): number {
  const before = tf.memory().numTensors;
  const result = work();
  if (result) tf.dispose(result);
  return tf.memory().numTensors - before;
}
