/**
 * Work on tensors that happens as a whole or leaves no trace, such as a training step for which the
 * memory does not suffice.
 */
import * as tf from '@tensorflow/tfjs';
import { watchTensors } from './ledger';

/**
 * Returns what `work` returns; if it throws, frees every tensor and variable that it has made.
 * `tf.tidy` does not suffice: it spares tensors that are kept, such as a cache's, and those that
 * TensorFlow.js saves for a gradient, which an error prevents. `work` must not be async.
 */
export function freeOnError<T>(work: () => T): T {
  const made = new Set<tf.Tensor>();
  const stopWatching = watchTensors((tensor) => made.add(tensor));
  try {
    return work();
  } catch (error) {
    for (const tensor of made) if (!tensor.isDisposed) tensor.dispose();
    throw error;
  } finally {
    stopWatching();
  }
}

/** Gives variables new values, all or none: only the computing can fail, and it comes first. */
export function assignAll(compute: () => [tf.Variable, tf.Tensor][]): void {
  tf.tidy(() => {
    for (const [variable, value] of compute()) variable.assign(value);
  });
}
