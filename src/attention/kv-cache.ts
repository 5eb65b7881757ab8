/**
 * The KV cache: keys and values of all tokens so far, so that a new token computes only its own.
 *
 * A Transformer has one per layer, YOCO has one. Keys are rotated before they are appended, and
 * the position of the next token is the cache's length.
 */
import * as tf from '@tensorflow/tfjs';
import type { Implementation, LayerCache } from '../layers/mixer';
import { lengthsAfter, type PadLengths } from '../layers/padding';
import { checkCount } from '../tensor/shapes';
import { SharedTensors } from '../tensor/shared-tensors';
import { attention } from './attention';
import type { AttentionRule } from './definition';
import {
  checkKeysValues,
  checkUsable,
  concatLeftPadded,
  emptyCache,
  type KeysValues,
  paddedColumns,
} from './keys-values';
import { PagedKvCache } from './paged-kv-cache';

export type { KeysValues } from './keys-values';

export interface KvCache extends LayerCache {
  readonly batch: number;
  /**
   * Adds N tokens, k [B, N, Hkv, Dk] and v [B, N, Hkv, Dv]; the caller keeps both.
   * @throws RangeError if they do not fit the tokens held; the cache is then as before.
   */
  append(added: KeysValues, padLengths?: PadLengths): void;
  /**
   * Attention of q [B, N, H, Dk], the last N tokens held, to all tokens held → [B, N, H, Dv].
   * @throws RangeError if shapes disagree or fewer than N tokens are held.
   */
  attend(q: tf.Tensor4D, options?: Omit<AttentionRule, 'causal'>): tf.Tensor4D;
  fork(): KvCache;
}

/** An empty cache for `batch` sequences. */
export const newKvCache = (implementation: Implementation, batch: number): KvCache =>
  implementation === 'plain' ? new PlainKvCache(batch) : new PagedKvCache(batch);

/** Two tensors; each append copies all that is held. The paged cache avoids that. */
export class PlainKvCache implements KvCache {
  lengths: readonly number[]; // tokens so far in each row
  private held?: SharedTensors<KeysValues>; // shared with forks
  protected disposed = false;

  constructor(readonly batch: number) {
    checkCount('KvCache', 'batch', batch, 'sequences');
    this.lengths = new Array<number>(batch).fill(0);
  }
  /** [B, M, Hkv, Dk], for reading: the cache owns it. */
  get k(): tf.Tensor4D | undefined {
    return this.held?.tensors.k;
  }
  /** [B, M, Hkv, Dv], for reading. */
  get v(): tf.Tensor4D | undefined {
    return this.held?.tensors.v;
  }
  get length(): number {
    return Math.max(...this.lengths);
  }
  /** B · M · Hkv · (Dk + Dv) · 4. */
  get bytes(): number {
    return this.held?.bytes ?? 0;
  }

  /**
   * What is held followed by N new tokens: k [B, M + N, Hkv, Dk], v alike, and how many columns
   * at the front of each row hold no token. The caller owns k and v; the cache does not change.
   */
  concatWith(added: KeysValues, padLengths?: PadLengths): KeysValues & { padLengths?: number[] } {
    checkUsable('KvCache.concatWith', this.disposed);
    const held = this.held?.tensors;
    checkKeysValues('KvCache.append', added, this.batch, padLengths, held);
    const M = held?.k.shape[1] ?? 0;
    const tokens = this.lengths.map((length) => Math.min(length, M)); // held in each row
    return tf.tidy(() => {
      const k = concatLeftPadded(held?.k, tokens, added.k, padLengths); // [B, M + N, Hkv, Dk]
      const v = concatLeftPadded(held?.v, tokens, added.v, padLengths); // [B, M + N, Hkv, Dv]
      const allTokens = lengthsAfter(tokens, added.k.shape[1], padLengths);
      return { k, v, padLengths: paddedColumns(k.shape[1], allTokens) };
    });
  }

  append(added: KeysValues, padLengths?: PadLengths): void {
    checkUsable('KvCache.append', this.disposed);
    const { k, v } = this.concatWith(added, padLengths);
    this.replace({ k, v }, lengthsAfter(this.lengths, added.k.shape[1], padLengths));
  }
  /** Takes k and v over; those held before are freed, unless a fork still has them. */
  protected replace(held: KeysValues | undefined, lengths: readonly number[]): void {
    this.held?.release();
    this.held = held && new SharedTensors(held);
    this.lengths = lengths;
  }

  attend(q: tf.Tensor4D, options: Omit<AttentionRule, 'causal'> = {}): tf.Tensor4D {
    checkUsable('KvCache.attend', this.disposed);
    const { k, v } = this;
    if (!k || !v) throw emptyCache('KvCache.attend');
    const padLengths = paddedColumns(k.shape[1], this.lengths);
    return attention({ q, k, v }, { ...options, padLengths });
  }

  fork(): PlainKvCache {
    return this.shareWith(new PlainKvCache(this.batch));
  }
  protected shareWith<T extends PlainKvCache>(copy: T): T {
    checkUsable('KvCache.fork', this.disposed);
    copy.held = this.held?.share();
    copy.lengths = this.lengths;
    return copy;
  }

  /** Copies of { k, v }; nothing while no token is held. */
  snapshot(): Record<string, tf.Tensor> {
    checkUsable('KvCache.snapshot', this.disposed);
    return this.k && this.v ? { k: this.k.clone(), v: this.v.clone() } : {};
  }
  dispose(): void {
    this.held?.release();
    this.held = undefined;
    this.disposed = true;
  }
}
