/**
 * The last `capacity` keys and values, and nothing older: the bounded memory of a sliding window.
 *
 * Picture a ring of `capacity` seats: a newcomer takes the seat of the oldest. However long the text, the bytes stay the
 * same. (The seats are kept in order here, oldest first, so a step copies the ring once; that cost is constant too.)
 *
 * Source: official `sliding_window_attention.py`, which keeps the window's C entries although C − 1 would do, because the
 * newcomer brings its own; the official Transformer baseline keeps C − 1.
 */
import * as tf from '@tensorflow/tfjs';
import type { Memory } from '../layers/memory';
import { lengthsAfter, longest, type Padding } from '../layers/padding';
import { readShapes } from '../tensor/shapes';
import { KEYS_AND_VALUES, type KeysAndValues } from './keys-and-values';
import { followedRightAligned, hiddenColumns } from './left-padding';
import { SharedTensors } from './shared-tensors';

export class RingCache implements Memory {
  private held?: SharedTensors<{ k: tf.Tensor4D; v: tf.Tensor4D }>;
  private taken: readonly number[];
  /** @param capacity seats: tokens kept, 0 or more. */
  constructor(
    readonly batch: number,
    readonly capacity: number,
  ) {
    if (!Number.isInteger(capacity) || capacity < 0)
      throw new RangeError(
        `RingCache: capacity is ${capacity}; give a whole number of tokens, 0 or more.`,
      );
    this.taken = new Array<number>(batch).fill(0);
  }

  get length(): number {
    return longest(this.taken);
  }
  get lengths(): readonly number[] {
    return this.taken;
  }
  /** 2 · B · min(length, capacity) · H · D · 4. */
  get bytes(): number {
    return this.held ? 4 * (this.held.tensors.k.size + this.held.tensors.v.size) : 0;
  }

  /**
   * What is held followed by the newcomers, for attention to read inside the caller's tidy, and what of it is hidden; the
   * ring stays as it was.
   */
  followedBy({ k, v }: KeysAndValues, padding?: Padding): KeysAndValues & { hidden?: number[] } {
    readShapes(
      'RingCache',
      { ...KEYS_AND_VALUES, held: 'B R Hkv D' },
      { k, v, held: this.held?.tensors.k },
    );
    if (k.shape[0] !== this.batch)
      throw new RangeError(`RingCache: k holds ${k.shape[0]} sequences, the ring ${this.batch}.`);
    const held = this.held?.tensors;
    const tokens = this.taken.map((count) => Math.min(count, held?.k.shape[1] ?? 0));
    const both = held
      ? {
          k: followedRightAligned(held.k, tokens, k, padding),
          v: followedRightAligned(held.v, tokens, v, padding),
        }
      : { k, v };
    return {
      ...both,
      hidden: hiddenColumns(both.k.shape[1], lengthsAfter(tokens, k.shape[1], padding)),
    };
  }

  /** Takes the newcomers in; the oldest leave. */
  append(newcomers: KeysAndValues, padding?: Padding): void {
    const before = this.held;
    tf.tidy(() => {
      const { k, v } = this.followedBy(newcomers, padding);
      const surplus = Math.max(0, k.shape[1] - this.capacity);
      // The newcomers are the caller's: what is kept of them is our own copy.
      const last = (x: tf.Tensor4D): tf.Tensor4D =>
        surplus ? x.slice([0, surplus, 0, 0], [-1, -1, -1, -1]) : before ? x : x.clone();
      this.held = this.capacity === 0 ? undefined : new SharedTensors({ k: last(k), v: last(v) });
    });
    this.taken = lengthsAfter(this.taken, newcomers.k.shape[1], padding);
    before?.release();
  }

  fork(): RingCache {
    const twin = new RingCache(this.batch, this.capacity);
    twin.taken = this.taken;
    twin.held = this.held?.share();
    return twin;
  }
  /** { k, v }, each [B, min(length, capacity), Hkv, D], oldest first; nothing while the ring is empty. */
  read(): Record<string, tf.Tensor> {
    return this.held ? { k: this.held.tensors.k.clone(), v: this.held.tensors.v.clone() } : {};
  }
  dispose(): void {
    this.held?.release();
    this.held = undefined;
  }
}
