/**
 * The Transformer baseline's mixer: every position attends to all before it, and each layer keeps a cache of its own.
 *
 * Grouped heads share keys and values (fewer heads to keep); a window keeps fewer tokens. The cache of one layer grows by
 * 2 · Hkv · D numbers per token, and there are L of them: the L that YOCO removes.
 *
 * Source: official `transformer.py`, the baseline beside YOCO: half-split rotary, head size independent of dim.
 */
import * as tf from '@tensorflow/tfjs';
import { Linear } from '../layers/linear';
import type { TokenMixer } from '../layers/mixer';
import { firstPositions, type Padding } from '../layers/padding';
import type { ParameterScope } from '../layers/parameters';
import { BASELINE_ROTARY, type RotaryOptions, rotary } from '../layers/rotary';
import { softmaxAttention } from './blocked-attention';
import type { KeysAndValues } from './keys-and-values';
import { GrowingCache } from './paged-kv-cache';
import { RingCache } from './rolling-kv-cache';

export interface SelfAttentionOptions {
  dim: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  /** Tokens that a position sees, itself included; absent: all. */
  windowSize?: number;
  rotary?: RotaryOptions;
}

export class SelfAttention implements TokenMixer<GrowingCache | RingCache> {
  private readonly q: Linear;
  private readonly k: Linear;
  private readonly v: Linear;
  private readonly out: Linear;
  constructor(
    scope: ParameterScope,
    private readonly options: SelfAttentionOptions,
  ) {
    const { dim, heads, kvHeads, headDim } = options;
    this.q = new Linear(scope.within('wq'), dim, heads * headDim);
    this.k = new Linear(scope.within('wk'), dim, kvHeads * headDim);
    this.v = new Linear(scope.within('wv'), dim, kvHeads * headDim);
    this.out = new Linear(scope.within('wo'), heads * headDim, dim);
  }

  /** With a window, the ring keeps C − 1 tokens: the newcomer brings its own key. */
  newMemory(batch: number): GrowingCache | RingCache {
    const { windowSize } = this.options;
    return windowSize === undefined
      ? new GrowingCache(batch)
      : new RingCache(batch, windowSize - 1);
  }

  mix(x: tf.Tensor3D, memory?: GrowingCache | RingCache, padding?: Padding): tf.Tensor3D {
    const { heads, kvHeads, headDim, windowSize, rotary: how = BASELINE_ROTARY } = this.options;
    const [B, N] = x.shape;
    return tf.tidy(() => {
      const start = memory ? firstPositions(memory.lengths, padding) : 0;
      const q = rotary(this.q.apply(x).reshape([B, N, heads, headDim]), start, how);
      const k = rotary(this.k.apply(x).reshape([B, N, kvHeads, headDim]), start, how);
      const v = this.v.apply(x).reshape<tf.Tensor4D>([B, N, kvHeads, headDim]);
      const mixed = attend(q, { k, v }, { memory, padding, windowSize });
      return this.out.apply(mixed.reshape<tf.Tensor3D>([B, N, heads * headDim]));
    });
  }
}

/** Attends to the past and to the newcomers themselves; the memory takes them in. */
function attend(
  q: tf.Tensor4D,
  newcomers: KeysAndValues,
  {
    memory,
    padding,
    windowSize,
  }: { memory?: GrowingCache | RingCache; padding?: Padding; windowSize?: number },
): tf.Tensor4D {
  if (memory instanceof GrowingCache && (memory.length > 0 || padding)) {
    memory.append(newcomers, padding);
    return memory.attend(q);
  }
  const { hidden, ...seen } =
    memory instanceof RingCache
      ? memory.followedBy(newcomers, padding)
      : { ...newcomers, hidden: undefined };
  memory?.append(newcomers, padding);
  return softmaxAttention({ q, ...seen }, { windowSize, hidden });
}
