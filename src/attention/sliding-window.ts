/**
 * Sliding-window attention: a position sees itself and the C − 1 tokens before it.
 *
 * It is self-attention with a window, under the names of YOCO's official code. The cache keeps C
 * tokens, however long the text is. A layer sees C tokens, the layer above it tokens that have
 * seen C tokens: L layers reach L·(C − 1) back. A window cannot look at a more distant token;
 * YOCO's cross-decoder can.
 *
 * Source: YOCO, arXiv 2405.05254, sliding-window attention (arXiv eq. 8, NeurIPS 4); official
 * `sliding_window_attention.py`.
 */
import type { Implementation } from '../layers/mixer';
import type { ParameterScope } from '../layers/parameters';
import { type RotaryOptions, YOCO_ROTARY } from '../layers/rotary';
import { RollingKvCache } from './rolling-kv-cache';
import { SelfAttention } from './self-attention';

export interface SlidingWindowOptions {
  dim: number;
  heads: number;
  windowSize: number; // C: tokens that a position sees, itself included
  rotary?: RotaryOptions;
  implementation?: Implementation;
}

const YOCO_NAMES = { q: 'q_proj', k: 'k_proj', v: 'v_proj', out: 'out_proj' };

export class SlidingWindowAttention extends SelfAttention {
  /** @throws RangeError unless windowSize is a whole number, 1 or more. */
  constructor(
    scope: ParameterScope,
    private readonly window: SlidingWindowOptions,
  ) {
    const { dim, heads, rotary = YOCO_ROTARY } = window;
    const sizes = { kvHeads: heads, headDim: dim / heads };
    super(scope, { ...window, ...sizes, rotary, names: YOCO_NAMES });
  }

  /** C tokens, as in the official code; C − 1 would do. */
  override newCache(batch: number): RollingKvCache {
    return new RollingKvCache(batch, this.window.windowSize);
  }
}
