/**
 * The signature that all forms of retention share, so that one can replace another in one word,
 * and what the forms need to read their inputs in chunks.
 */
import * as tf from '@tensorflow/tfjs';
import { checkCount, readShapes } from '../tensor/shapes';

export const RETENTION_SHAPES = {
  q: 'B H N Dk',
  k: 'B H N Dk',
  v: 'B H N Dv',
  logDecay: 'B H N',
  initialState: 'B H Dk Dv',
} as const;

/**
 * q and k are rotated, and k is already times Dk^-½ if the model scales it. logDecay is ln γ: at
 * most 0, and −∞ for a gate of exactly 0.
 */
export interface RetentionInputs {
  q: tf.Tensor4D;
  k: tf.Tensor4D;
  v: tf.Tensor4D;
  logDecay: tf.Tensor3D;
}
export interface RetentionOptions {
  /** The state before the first token, [B, H, Dk, Dv]; zeros if absent. */
  initialState?: tf.Tensor4D;
  /** Tokens per chunk; only the chunkwise form uses it. */
  chunkSize?: number;
}
export interface RetentionResult {
  /** [B, H, N, Dv] */
  output: tf.Tensor4D;
  /** The state after the last token, [B, H, Dk, Dv]. */
  state: tf.Tensor4D;
}

/**
 * The caller owns the output and the state.
 * @throws RangeError if shapes disagree, N is 0, or chunkSize is not a whole number of tokens.
 */
export type RetentionForm = (
  inputs: RetentionInputs,
  options?: RetentionOptions,
) => RetentionResult;

/** The fastest on wasm and cpu, where a chunk must fit the processor's cache. The paper: 256. */
export const DEFAULT_CHUNK_SIZE = 64;

/** B, H, N, Dk, Dv. @throws RangeError as a RetentionForm does. */
export function readRetentionShapes(
  where: string,
  inputs: RetentionInputs,
  { initialState, chunkSize = DEFAULT_CHUNK_SIZE }: RetentionOptions = {},
) {
  const shapes = readShapes(where, RETENTION_SHAPES, { ...inputs, initialState });
  checkCount(where, 'N', shapes.N, 'tokens');
  checkCount(where, 'chunkSize', chunkSize, 'tokens');
  return shapes;
}

/** 10 tokens in chunks of 4: [4, 4, 2]. The last chunk may be shorter. */
export function chunkSizes(N: number, chunkSize: number): number[] {
  const sizes: number[] = [];
  for (let start = 0; start < N; start += chunkSize) sizes.push(Math.min(chunkSize, N - start));
  return sizes;
}

/**
 * [B, H, N, …] → one tensor per chunk, for reading. One split, because a slice copies the whole
 * tensor on wasm. A single chunk is the tensor itself: TensorFlow.js 4.22 fails on the gradient of
 * a split into one.
 */
export function splitTime<T extends tf.Tensor>(x: T, chunkSize: number): T[] {
  const sizes = chunkSizes(x.shape[2] as number, chunkSize);
  return sizes.length === 1 ? [x] : tf.split<T>(x, sizes, 2);
}
