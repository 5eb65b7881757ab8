/**
 * ln σ(z) = −softplus(−z) = min(z, 0) − ln(1 + e^−|z|), right for every z: ln(σ(z)) would be −∞ from z ≈ −100 on.
 *
 * `tf.logSigmoid` computes the same, but its gradient throws when z is an intermediate result, on every engine.
 */
import type * as tf from '@tensorflow/tfjs';

export const logSigmoid = <T extends tf.Tensor>(z: T): T => z.neg().softplus().neg() as T;
