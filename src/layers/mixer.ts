/**
 * A mixer is the part of a layer in which positions exchange information: attention, a window,
 * retention. Everything else in a layer works on each position alone.
 *
 * A cache is a value that the caller holds. Positions come from its length and nowhere else: the
 * next token stands at position `length`.
 */
import type * as tf from '@tensorflow/tfjs';
import type { PadLengths } from './padding';

/** Which tier computes: the readable one, or the one that models run. The results are the same. */
export type Implementation = 'plain' | 'fast';

/** What one layer keeps of the tokens so far: a state, the keys of a window, or all keys. */
export interface LayerCache {
  /** Tokens so far, and so the position of the next one; of the longest row, if rows differ. */
  readonly length: number;
  /** The same for each row of the batch (see padding.ts). */
  readonly lengths: readonly number[];
  /** Bytes held now. */
  readonly bytes: number;
  /** A copy that continues on its own. Tensors are shared until one side moves on. */
  fork(): LayerCache;
  /** Copies of what is held, by name, for looking and for tests. The caller disposes them. */
  snapshot(): Record<string, tf.Tensor>;
  dispose(): void;
}

export interface Mixer<Cache> {
  /**
   * x [B, N, dim], already normed → [B, N, dim].
   *
   * Without a cache the tokens start at position 0 and nothing is kept (training). With a cache
   * they continue at `cache.length` and are added to it: two chunks in turn give what their
   * concatenation gives at once. Padded positions leave the cache as it was, and no other
   * position sees them.
   */
  forward(x: tf.Tensor3D, cache?: Cache, padLengths?: PadLengths): tf.Tensor3D;
}

/** A mixer with a cache of its own. */
export interface TokenMixer<Cache extends LayerCache = LayerCache> extends Mixer<Cache> {
  /** An empty cache for `batch` sequences. */
  newCache(batch: number): Cache;
}
