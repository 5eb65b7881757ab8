/**
 * What every model here promises, so that a lesson, a trainer or a benchmark can swap the Transformer for YOCO in one word.
 */
import type * as tf from '@tensorflow/tfjs';
import type { Memory } from '../layers/memory';
import type { Padding } from '../layers/padding';
import type { ParameterStore } from '../layers/parameters';
import type { ModelConfig } from './config';

/** Token ids: [B, N] as nested arrays (rows of equal length) or as an int32 tensor. */
export type Tokens = readonly (readonly number[])[] | tf.Tensor2D;

/** All that a model remembers of the tokens it was given: one memory per layer that has one, and YOCO's global cache. */
export interface ModelCache extends Memory {
  readonly batch: number;
  /** Layer-tokens computed so far: one for each layer that ran on one position of one sequence. The early exit shows here. */
  readonly layerTokens: number;
  /** The memories by name: `self.0`, `cross` or `layers.0`. For looking; the cache owns them. */
  readonly parts: ReadonlyMap<string, Memory>;
  fork(): ModelCache;
}

export interface PrefillOptions {
  /** Longest piece taken at once; bounds the memory that a long prompt needs. Default 4096 tokens. */
  pieceSize?: number;
  /**
   * Prompts of different lengths: slots at the front of each row that hold no token (`leftPadded` makes them). Later turns
   * may be padded too. Results are those of each row on its own.
   */
  padding?: Padding;
  /**
   * Leave the upper half after the last position (the default), or run every layer on every position (`false`). The logits
   * are the same; the work is not. The Transformer has no exit to take.
   */
  earlyExit?: boolean;
  /** `all`: logits of every position, [B,N,vocab]. No early exit can give these, so ask for `earlyExit: false` with it. */
  logits?: 'last' | 'all';
}
export type AllLogits = PrefillOptions & { logits: 'all'; earlyExit: false };

/** Sees the hidden states go by: `embed`, `self.0` …, `kv_norm`, `cross.0` …, `final_norm` (Transformer: `layers.0` …). */
export type Observer = (name: string, hidden: tf.Tensor3D) => void;

export interface LanguageModel {
  readonly config: ModelConfig;
  readonly parameters: ParameterStore;
  /** Logits of every position, [B,N,vocab], without a cache: training and scoring. The caller owns them. */
  logits(tokens: Tokens, observe?: Observer): tf.Tensor3D;
  newCache(batch?: number): ModelCache;
  /**
   * Takes a piece of prompt into the cache and returns the logits of its last position, [B,vocab]; or of all its positions,
   * if asked for with the full pass. YOCO leaves early.
   * @throws RangeError naming the option; the cache then stands where it stood.
   */
  prefill(tokens: Tokens, cache: ModelCache, options: AllLogits): tf.Tensor3D;
  prefill(tokens: Tokens, cache: ModelCache, options?: PrefillOptions): tf.Tensor2D;
  /** Takes one token per sequence, [B], into the cache and returns the logits of the next, [B,vocab]. */
  step(token: readonly number[] | tf.Tensor1D, cache: ModelCache): tf.Tensor2D;
  dispose(): void;
}
