/**
 * Tensors that several caches read and the last one frees.
 *
 * A fork of a cache shares its past. `clone` would do for that on most engines, but on wasm it copies the numbers, and a
 * cache is forked at every step; so users are counted.
 */
import * as tf from '@tensorflow/tfjs';

export class SharedTensors<T extends Record<string, tf.Tensor>> {
  private users = 1;
  /** Takes the tensors over: no tidy frees them any more. */
  constructor(readonly tensors: T) {
    for (const tensor of Object.values(tensors)) tf.keep(tensor);
  }
  /** One more user, who will `release` too. */
  share(): this {
    this.users++;
    return this;
  }
  release(): void {
    if (--this.users === 0) tf.dispose(Object.values(this.tensors));
  }
}
