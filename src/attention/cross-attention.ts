/**
 * Cross-attention, the cross-decoder's mixer: queries of its own, and the keys and values of the
 * one global cache that all its layers share.
 *
 * It only reads the cache. No position needs another position's cross-decoder state: that is why
 * the earlier positions of a prompt can skip this half, and the early exit is exact.
 *
 * Source: YOCO, arXiv 2405.05254, global cache (arXiv eq. 2) and cross-decoder (arXiv eq. 3);
 * official `cross_attention.py`.
 */
import * as tf from '@tensorflow/tfjs';
import { rotaryFor } from '../layers/fast-rotary';
import { mergeHeads, splitHeads } from '../layers/heads';
import { Linear } from '../layers/linear';
import type { Implementation, Mixer } from '../layers/mixer';
import { firstPositions } from '../layers/padding';
import type { ParameterScope } from '../layers/parameters';
import { RMSNorm } from '../layers/rms-norm';
import { type RotaryOptions, YOCO_ROTARY } from '../layers/rotary';
import { attentionFor } from './blocked-attention';
import type { KeysValues } from './keys-values';
import type { KvCache } from './kv-cache';

export interface CrossAttentionOptions {
  dim: number;
  heads: number;
  kvHeads: number;
  rotary?: RotaryOptions;
  implementation?: Implementation;
}

/** K̂ and V̂: computed once, from the middle of the model, for all layers above. */
export class GlobalKeysValues {
  private readonly norm: RMSNorm;
  private readonly k: Linear;
  private readonly v: Linear;

  constructor(
    scope: ParameterScope,
    private readonly options: CrossAttentionOptions & { normEps: number },
  ) {
    const { dim, heads, kvHeads, normEps } = options;
    const width = (kvHeads * dim) / heads;
    this.k = new Linear(scope.within('k_proj'), dim, width);
    this.v = new Linear(scope.within('v_proj'), dim, width);
    this.norm = new RMSNorm(scope.within('kv_layer_norm'), dim, normEps);
  }

  /**
   * The self-decoder's output x [B, N, dim], whose first token has position `start` (one for all
   * rows, or one for each) → k, rotated, and v [B, N, Hkv, Dk]. `observe` sees the normed x.
   */
  forward(
    x: tf.Tensor3D,
    start: number | readonly number[],
    observe?: (name: string, normed: tf.Tensor3D) => void,
  ): KeysValues {
    const { kvHeads, rotary = YOCO_ROTARY, implementation = 'fast' } = this.options;
    return tf.tidy(() => {
      const normed = this.norm.forward(x); // [B, N, dim]
      observe?.('kv_norm', normed);
      const k = splitHeads(this.k.forward(normed), kvHeads); // [B, N, Hkv, Dk]
      const v = splitHeads(this.v.forward(normed), kvHeads); // [B, N, Hkv, Dk]
      return { k: rotaryFor(implementation)(k, start, rotary), v };
    });
  }
}

export class CrossAttention implements Mixer<KvCache | KeysValues> {
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
   * x [B, N, dim], the last N positions of `global` → [B, N, dim].
   * @throws RangeError if `global` holds fewer than N positions.
   */
  forward(x: tf.Tensor3D, global: KvCache | KeysValues): tf.Tensor3D {
    const { heads, rotary = YOCO_ROTARY, implementation = 'fast' } = this.options;
    const N = x.shape[1];
    const isCache = 'attend' in global;
    const lengths = isCache ? global.lengths : [global.k.shape[1]];
    const held = Math.max(...lengths);
    if (held < N)
      throw new RangeError(
        `CrossAttention: x holds ${N} positions, the global cache ${held}; ` +
          `append their keys and values first.`,
      );
    return tf.tidy(() => {
      // All rows end in the last column, so in a shorter row x begins at an earlier position.
      const start = firstPositions(lengths.map((length) => length - N));
      const q = splitHeads(this.q.forward(x), heads); // [B, N, H, Dk]
      const rotated = rotaryFor(implementation)(q, start, rotary); // [B, N, H, Dk]
      const mixed = isCache
        ? global.attend(rotated)
        : attentionFor(implementation)({ q: rotated, ...global }); // [B, N, H, Dk]
      return this.out.forward(mergeHeads(mixed)); // [B, N, dim]
    });
  }
}
