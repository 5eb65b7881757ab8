/**
 * The rolling KV cache: the last `capacity` keys and values, and nothing older. A window needs no
 * more, so the bytes stay the same however long the text is.
 *
 * Source: official `sliding_window_attention.py`, which keeps C entries, although C − 1 would do,
 * because a new token brings its own; the official Transformer baseline keeps C − 1.
 */
import * as tf from '@tensorflow/tfjs';
import { lengthsAfter, type PadLengths } from '../layers/padding';
import { checkUsable, type KeysValues } from './keys-values';
import { PlainKvCache } from './kv-cache';

/** `length` counts all tokens so far, `bytes` and `snapshot` only those still held. */
export class RollingKvCache extends PlainKvCache {
  /** @param capacity tokens kept, 0 or more. */
  constructor(
    batch: number,
    readonly capacity: number,
  ) {
    super(batch);
    if (!Number.isInteger(capacity) || capacity < 0)
      throw new RangeError(
        `RollingKvCache: capacity is ${capacity}; give a whole number of tokens, 0 or more.`,
      );
  }

  /** Adds N tokens; the oldest beyond `capacity` leave. The caller keeps k and v. */
  override append(added: KeysValues, padLengths?: PadLengths): void {
    checkUsable('KvCache.append', this.disposed);
    const last = tf.tidy(() => {
      const { k, v } = this.concatWith(added, padLengths); // [B, R + N, Hkv, D]
      return { k: this.lastColumns(k), v: this.lastColumns(v) }; // [B, ≤ capacity, Hkv, D]
    });
    const held = this.capacity > 0 ? last : undefined;
    this.replace(held, lengthsAfter(this.lengths, added.k.shape[1], padLengths));
  }
  private lastColumns(x: tf.Tensor4D): tf.Tensor4D {
    const surplus = x.shape[1] - this.capacity;
    return surplus > 0 ? x.slice([0, surplus, 0, 0], [-1, this.capacity, -1, -1]) : x;
  }

  /** Fills an empty cache with what another one held after `length` tokens. */
  resume(held: KeysValues, length: number): void {
    if (this.length > 0)
      throw new Error(
        `RollingKvCache.resume: the cache holds ${this.length} tokens; resume an empty one.`,
      );
    this.append(held);
    this.lengths = this.lengths.map(() => length);
  }

  override fork(): RollingKvCache {
    return this.shareWith(new RollingKvCache(this.batch, this.capacity));
  }
}
