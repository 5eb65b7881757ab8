/**
 * A token mixer is the part of a layer in which positions exchange information: attention, a window, retention.
 * Everything else in a layer works on each position alone.
 */
import type * as tf from '@tensorflow/tfjs';
import type { Memory } from './memory';
import type { Padding } from './padding';

export interface TokenMixer<M extends Memory = Memory> {
  /** An empty memory for `batch` sequences. */
  newMemory(batch: number): M;
  /**
   * Mixes a piece of the sequence, already normed: x [B,N,dim] → [B,N,dim].
   *
   * Without memory the piece starts at position 0 and nothing is remembered (training). With memory it continues at
   * `memory.length`, and the memory takes the piece in: two pieces in turn give what their concatenation gives at once.
   * Tensors that were in the memory stay valid for its forks.
   *
   * Slots that `padding` counts leave no trace in the memory, and no other slot sees them.
   */
  mix(x: tf.Tensor3D, memory?: M, padding?: Padding): tf.Tensor3D;
}
