/** Cutting a text along time: axis 2 of [B,H,N] and [B,H,N,D]. */
import * as tf from '@tensorflow/tfjs';

/** 10 tokens in chunks of 4: [4, 4, 2]. The last chunk may be short. */
export const chunkSizes = (N: number, chunkSize: number): number[] =>
  Array.from({ length: Math.ceil(N / chunkSize) }, (_, i) =>
    Math.min(chunkSize, N - i * chunkSize),
  );

/**
 * The pieces, for reading. One `split` rather than many slices: its gradient is one concat, that of N slices is N padded
 * copies. A single piece is the tensor itself, because TensorFlow.js 4.22 fails on the gradient of a split into one.
 */
export const cut = <T extends tf.Tensor>(x: T, sizes: number[]): T[] =>
  sizes.length === 1 ? [x] : tf.split<T>(x, sizes, 2);
