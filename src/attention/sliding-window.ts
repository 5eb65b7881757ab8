/**
 * Sliding-window attention: a position sees itself and the C − 1 before it, and remembers no more than C.
 *
 * One layer sees C tokens; the layer above sees tokens that saw C tokens, so L layers reach about L·(C − 1) back. What a
 * window cannot do is look at one distant token directly: that is what YOCO's cross-decoder is for.
 *
 * Source: YOCO, arXiv 2405.05254, sliding-window attention (arXiv eq. 8); official `sliding_window_attention.py`.
 */
import * as tf from '@tensorflow/tfjs';
import { Linear } from '../layers/linear';
import type { TokenMixer } from '../layers/mixer';
import { firstPositions, type Padding } from '../layers/padding';
import type { ParameterScope } from '../layers/parameters';
import { type RotaryOptions, rotary, YOCO_ROTARY } from '../layers/rotary';
import { checkCount } from '../tensor/shapes';
import { softmaxAttention } from './blocked-attention';
import { RingCache } from './rolling-kv-cache';

export interface SlidingWindowOptions {
  dim: number;
  heads: number;
  /** C: tokens that a position sees, itself included. */
  windowSize: number;
  rotary?: RotaryOptions;
}

export class SlidingWindowAttention implements TokenMixer<RingCache> {
  private readonly q: Linear;
  private readonly k: Linear;
  private readonly v: Linear;
  private readonly out: Linear;
  constructor(
    scope: ParameterScope,
    private readonly options: SlidingWindowOptions,
  ) {
    checkCount(
      'SlidingWindowAttention',
      'windowSize',
      options.windowSize,
      'tokens, the token itself included',
    );
    const { dim } = options;
    this.q = new Linear(scope.within('q_proj'), dim, dim);
    this.k = new Linear(scope.within('k_proj'), dim, dim);
    this.v = new Linear(scope.within('v_proj'), dim, dim);
    this.out = new Linear(scope.within('out_proj'), dim, dim);
  }

  newMemory(batch: number): RingCache {
    return new RingCache(batch, this.options.windowSize);
  }

  mix(x: tf.Tensor3D, memory?: RingCache, padding?: Padding): tf.Tensor3D {
    const { heads, dim, windowSize, rotary: how = YOCO_ROTARY } = this.options;
    const [B, N] = x.shape;
    return tf.tidy(() => {
      const split = (y: tf.Tensor3D): tf.Tensor4D => y.reshape([B, N, heads, dim / heads]);
      const start = memory ? firstPositions(memory.lengths, padding) : 0;
      const q = rotary(split(this.q.apply(x)), start, how);
      const newcomers = {
        k: rotary(split(this.k.apply(x)), start, how),
        v: split(this.v.apply(x)),
      };
      const { hidden, ...seen } = memory?.followedBy(newcomers, padding) ?? {
        ...newcomers,
        hidden: undefined,
      };
      const mixed = softmaxAttention({ q, ...seen }, { windowSize, hidden });
      memory?.append(newcomers, padding);
      return this.out.apply(mixed.reshape<tf.Tensor3D>([B, N, dim]));
    });
  }
}
