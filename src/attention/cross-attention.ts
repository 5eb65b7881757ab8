/**
 * The cross-decoder's mixer: queries of its own, keys and values of the one global cache that all its layers share.
 *
 * It reads and never writes. No position asks for another's cross-decoder state: that is why a prompt's earlier positions
 * need not come up here at all, and the early exit is exact.
 *
 * Source: YOCO, arXiv 2405.05254, eqs. 2 (the cache) and 3 (the layer); official `cross_attention.py`.
 */
import * as tf from '@tensorflow/tfjs';
import { Linear } from '../layers/linear';
import { firstPositions } from '../layers/padding';
import type { ParameterScope } from '../layers/parameters';
import { RMSNorm } from '../layers/rms-norm';
import { type RotaryOptions, rotary, YOCO_ROTARY } from '../layers/rotary';
import { softmaxAttention } from './blocked-attention';
import type { KeysAndValues } from './keys-and-values';
import { GrowingCache } from './paged-kv-cache';

export interface CrossAttentionOptions {
  dim: number;
  heads: number;
  kvHeads: number;
  rotary?: RotaryOptions;
}

/** K̂ and V̂: projected once, from the middle of the model, for all layers above. */
export class GlobalKeysAndValues {
  readonly norm: RMSNorm;
  private readonly k: Linear;
  private readonly v: Linear;
  constructor(
    scope: ParameterScope,
    private readonly options: CrossAttentionOptions & { normEps: number },
  ) {
    const { dim, heads, kvHeads } = options;
    const width = (kvHeads * dim) / heads;
    this.k = new Linear(scope.within('k_proj'), dim, width);
    this.v = new Linear(scope.within('v_proj'), dim, width);
    this.norm = new RMSNorm(scope.within('kv_layer_norm'), dim, options.normEps);
  }
  /** The self-decoder's output x [B,N,dim], normed by `norm`, from position `start` (of each row, if they differ) → k (rotated) and v [B,N,Hkv,D]. */
  project(normed: tf.Tensor3D, start: number | readonly number[]): KeysAndValues {
    const { dim, heads, kvHeads, rotary: how = YOCO_ROTARY } = this.options;
    const [B, N] = normed.shape;
    const split = (y: tf.Tensor3D): tf.Tensor4D => y.reshape([B, N, kvHeads, dim / heads]);
    return tf.tidy(() => ({
      k: rotary(split(this.k.apply(normed)), start, how),
      v: split(this.v.apply(normed)),
    }));
  }
}

export class CrossAttention {
  private readonly q: Linear;
  private readonly out: Linear;
  constructor(
    scope: ParameterScope,
    private readonly options: CrossAttentionOptions,
  ) {
    this.q = new Linear(scope.within('q_proj'), options.dim, options.dim);
    this.out = new Linear(scope.within('out_proj'), options.dim, options.dim);
  }

  /**
   * x [B,N,dim], already normed: the last N positions of `global` → [B,N,dim].
   * @throws RangeError if `global` holds fewer than N positions.
   */
  attend(x: tf.Tensor3D, global: GrowingCache | KeysAndValues): tf.Tensor3D {
    const { dim, heads, rotary: how = YOCO_ROTARY } = this.options;
    const [B, N] = x.shape;
    const held = global instanceof GrowingCache ? global.length : global.k.shape[1];
    if (held < N)
      throw new RangeError(
        `CrossAttention: x holds ${N} positions, the global cache ${held}; write their keys and values first.`,
      );
    return tf.tidy(() => {
      // Rows end in the same column, but a shorter one at an earlier position.
      const lengths = global instanceof GrowingCache ? global.lengths : [held];
      const q = rotary(
        this.q.apply(x).reshape([B, N, heads, dim / heads]),
        firstPositions(lengths.map((tokens) => tokens - N)),
        how,
      );
      const mixed =
        global instanceof GrowingCache ? global.attend(q) : softmaxAttention({ q, ...global });
      return this.out.apply(mixed.reshape<tf.Tensor3D>([B, N, dim]));
    });
  }
}
