/**
 * Self-attention, the Transformer baseline's mixer: each position attends to all before it, or to
 * a window of them.
 *
 * Every layer has a KV cache of its own, which grows by 2 · Hkv · Dk numbers per token. There are
 * L of them, and YOCO needs one. Grouped heads keep fewer heads, a window keeps fewer tokens.
 *
 * Source: official `transformer.py`, the baseline beside YOCO: half-split rotary, and heads whose
 * size does not depend on dim.
 */
import * as tf from '@tensorflow/tfjs';
import { rotaryFor } from '../layers/fast-rotary';
import { mergeHeads, splitHeads } from '../layers/heads';
import { Linear } from '../layers/linear';
import type { Implementation, TokenMixer } from '../layers/mixer';
import { firstPositions, type PadLengths } from '../layers/padding';
import type { ParameterScope } from '../layers/parameters';
import { BASELINE_ROTARY, type RotaryOptions } from '../layers/rotary';
import { checkCount } from '../tensor/shapes';
import { attentionFor } from './blocked-attention';
import type { KeysValues } from './keys-values';
import { type KvCache, newKvCache } from './kv-cache';
import { RollingKvCache } from './rolling-kv-cache';

export interface SelfAttentionOptions {
  dim: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  windowSize?: number; // C: tokens that a position sees, itself included; default all
  rotary?: RotaryOptions;
  names?: Record<'q' | 'k' | 'v' | 'out', string>; // of the weights
  implementation?: Implementation;
}

const BASELINE_NAMES = { q: 'wq', k: 'wk', v: 'wv', out: 'wo' };

export class SelfAttention implements TokenMixer<KvCache> {
  private readonly q: Linear;
  private readonly k: Linear;
  private readonly v: Linear;
  private readonly out: Linear;

  /** @throws RangeError unless windowSize, if given, is a whole number, 1 or more. */
  constructor(
    scope: ParameterScope,
    private readonly options: SelfAttentionOptions,
  ) {
    const { dim, heads, kvHeads, headDim, windowSize = 1, names = BASELINE_NAMES } = options;
    checkCount('SelfAttention', 'windowSize', windowSize, 'tokens, the token itself included');
    this.q = new Linear(scope.within(names.q), dim, heads * headDim);
    this.k = new Linear(scope.within(names.k), dim, kvHeads * headDim);
    this.v = new Linear(scope.within(names.v), dim, kvHeads * headDim);
    this.out = new Linear(scope.within(names.out), heads * headDim, dim);
  }

  /** With a window, the cache keeps C − 1 tokens: a new token brings its own key. */
  newCache(batch: number): KvCache {
    const { windowSize, implementation = 'fast' } = this.options;
    if (windowSize === undefined) return newKvCache(implementation, batch);
    return new RollingKvCache(batch, windowSize - 1);
  }

  /** x [B, N, dim] → [B, N, dim]. */
  forward(x: tf.Tensor3D, cache?: KvCache, padLengths?: PadLengths): tf.Tensor3D {
    const { heads, kvHeads, rotary = BASELINE_ROTARY, implementation = 'fast' } = this.options;
    const rotate = rotaryFor(implementation);
    return tf.tidy(() => {
      const lengths = cache?.lengths ?? new Array<number>(x.shape[0]).fill(0);
      const start = firstPositions(lengths, padLengths);
      const q = rotate(splitHeads(this.q.forward(x), heads), start, rotary); // [B, N, H, Dk]
      const k = rotate(splitHeads(this.k.forward(x), kvHeads), start, rotary); // [B, N, Hkv, Dk]
      const v = splitHeads(this.v.forward(x), kvHeads); // [B, N, Hkv, Dk]
      const mixed = this.attend(q, { k, v }, cache, padLengths); // [B, N, H, Dk]
      return this.out.forward(mergeHeads(mixed)); // [B, N, dim]
    });
  }

  /** Attention to the tokens in the cache and to the new ones, which the cache takes in. */
  private attend(
    q: tf.Tensor4D,
    added: KeysValues,
    cache?: KvCache,
    padLengths?: PadLengths,
  ): tf.Tensor4D {
    const { windowSize, implementation = 'fast' } = this.options;
    const attention = attentionFor(implementation);
    if (!cache) return attention({ q, ...added }, { windowSize, padLengths });
    if (!(cache instanceof RollingKvCache)) {
      cache.append(added, padLengths);
      return cache.attend(q);
    }
    const { k, v, padLengths: padded } = cache.concatWith(added, padLengths);
    cache.append(added, padLengths);
    return attention({ q, k, v }, { windowSize, padLengths: padded });
  }
}
