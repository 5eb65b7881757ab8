/**
 * log σ(x) = −softplus(−x), with σ(x) = 1 / (1 + e^-x): the logarithm of a gate, finite where the gate itself is 0 or 1.
 *
 * The same formula as `tf.logSigmoid`, whose gradient throws as soon as x is not a leaf: it reads x after TensorFlow.js has
 * let go of it. Written out of operations whose gradients work, there is nothing to go wrong.
 */
import type * as tf from '@tensorflow/tfjs';

/** Any shape; the caller owns the result. */
export const logSigmoid = <T extends tf.Tensor>(x: T): T => x.neg().softplus().neg() as T;
