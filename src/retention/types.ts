/**
 * What every form of retention takes and gives: one signature, so that forms can be swapped in one word.
 */
import type * as tf from '@tensorflow/tfjs';

export const RETENTION_SHAPES = {
  q: 'B H N Dk',
  k: 'B H N Dk',
  v: 'B H N Dv',
  logDecay: 'B H N',
  initialState: 'B H Dk Dv',
} as const;

/** q and k are rotated, k is already times Dk^-½ if the model scales it, logDecay is ln γ: finite and ≤ 0. */
export interface RetentionInputs {
  q: tf.Tensor4D;
  k: tf.Tensor4D;
  v: tf.Tensor4D;
  logDecay: tf.Tensor3D;
}
export interface RetentionOptions {
  /** What the tokens before this piece left, [B,H,Dk,Dv]; absent: nothing, all zeros. */
  initialState?: tf.Tensor4D;
  /** Tokens per chunk; only the chunkwise forms read it. */
  chunkSize?: number;
}
export interface RetentionResult {
  /** [B,H,N,Dv] */
  output: tf.Tensor4D;
  /** [B,H,Dk,Dv], after the last token. */
  state: tf.Tensor4D;
}

/** The caller owns both results. @throws RangeError if shapes disagree, before anything is allocated. */
export type RetentionForm = (
  inputs: RetentionInputs,
  options?: RetentionOptions,
) => RetentionResult;

/** Fastest on wasm and cpu, where the work inside a chunk must fit the processor's cache; the paper's GPU kernel takes 256. */
export const DEFAULT_CHUNK_SIZE = 64;
