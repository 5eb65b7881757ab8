/**
 * log σ(x) = −softplus(−x), with σ(x) = 1 / (1 + e^-x): the logarithm of a gate, finite where the
 * gate itself is 0 or 1.
 *
 * The same formula as `tf.logSigmoid`, whose gradient throws when x is an intermediate result: it
 * reads x after TensorFlow.js has disposed it. The gradients of the operations used here work.
 */
import type * as tf from '@tensorflow/tfjs';

/** Any shape; the caller owns the result. */
export const logSigmoid = <T extends tf.Tensor>(x: T): T => x.neg().softplus().neg() as T;
