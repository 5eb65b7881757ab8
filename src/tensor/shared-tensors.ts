/**
 * Tensors that several caches read, freed by the last one.
 *
 * A fork of a cache shares what is held. `clone` would do the same on most engines, but on wasm it
 * copies the numbers, and a cache is forked at every step; so the users are counted.
 */
import * as tf from '@tensorflow/tfjs';

export class SharedTensors<T extends Record<string, tf.Tensor>> {
  private users = 1;

  /** Takes the tensors over: a tidy no longer frees them. */
  constructor(readonly tensors: T) {
    // keep: a cache must outlive the tidy of the layer that calls it.
    for (const tensor of Object.values(tensors)) tf.keep(tensor);
  }
  /** 4 bytes for each number held. */
  get bytes(): number {
    let size = 0;
    for (const tensor of Object.values(this.tensors)) size += tensor.size;
    return 4 * size;
  }
  /** Adds a user, who calls `release` as well. */
  share(): this {
    this.users++;
    return this;
  }
  release(): void {
    this.users--;
    if (this.users === 0) tf.dispose(Object.values(this.tensors));
  }
}
