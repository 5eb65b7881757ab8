/**
 * What every model here promises, so that a lesson, a trainer or a benchmark can replace the
 * Transformer by YOCO in one word.
 */
import type * as tf from '@tensorflow/tfjs';
import type { PadLengths } from '../layers/padding';
import type { ParameterStore } from '../layers/parameters';
import type { ModelConfig } from './config';
import type { ModelCache } from './model-cache';

/** Token ids: [B, N] as nested arrays (rows of equal length) or as an int32 tensor. */
export type Tokens = readonly (readonly number[])[] | tf.Tensor2D;

/**
 * Sees the hidden states of `forward`: `embed`, `self.0` …, `kv_norm`, `cross.0` …, `final_norm`
 * in YOCO, `layers.0` … in the Transformer.
 */
export type Observer = (name: string, hidden: tf.Tensor3D) => void;

export interface PrefillOptions {
  /**
   * Prompts of different lengths: how many positions at the front of each row hold no token
   * (`leftPad` makes them). Each row gets the results that it would get alone.
   */
  padLengths?: PadLengths;
  /** Tokens computed at once; bounds the memory that a long prompt needs. Default 4096. */
  prefillChunkSize?: number;
}
export interface ForwardOptions extends PrefillOptions {
  observe?: Observer;
}

export interface LanguageModel {
  readonly config: ModelConfig;
  readonly parameters: ParameterStore;
  /** An empty cache for `batch` sequences; only this model takes it. The caller disposes it. */
  newCache(batch?: number): ModelCache;
  /**
   * All layers on all positions: logits [B, N, vocab], which the caller owns. Training and scoring
   * need them. With a cache the tokens continue it and are added to it.
   * @throws RangeError naming what is not allowed; the cache is then unchanged.
   */
  forward(tokens: Tokens, cache?: ModelCache, options?: ForwardOptions): tf.Tensor3D;
  /**
   * Reads a prompt into the cache: the logits [B, vocab] of the token that follows it. YOCO takes
   * the early exit here.
   * @throws as `forward`.
   */
  prefill(tokens: Tokens, cache: ModelCache, options?: PrefillOptions): tf.Tensor2D;
  /** Adds one token per sequence, [B], to the cache: the logits [B, vocab] of the next. */
  step(token: readonly number[] | tf.Tensor1D, cache: ModelCache): tf.Tensor2D;
  dispose(): void;
}
