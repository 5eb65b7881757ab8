/**
 * Padding in retention: a slot without a token must leave the state as it found it.
 *
 *   S_n = γ_n S_{n−1} + K_nᵀ V_n        with k = 0 and ln γ = 0 it reads  S_n = S_{n−1}
 *
 * Both halves are needed. Zero keys alone keep the padding from being written, but its gates would go on fading what stands
 * there: invisible in a first prompt (zero fades to zero), wrong in every later turn. The official code masks the gates too
 * when it pads a piece to a multiple of the chunk (`gate_retention.py`).
 */
import * as tf from '@tensorflow/tfjs';
import type { Padding } from '../layers/padding';
import type { RetentionInputs } from './types';

/** The inputs with padded slots silenced; the same inputs if there are none. The caller owns the result (call inside a tidy). */
export function withoutTrace(inputs: RetentionInputs, padding?: Padding): RetentionInputs {
  if (!padding) return inputs;
  const [B, , N] = inputs.k.shape;
  const real = new Float32Array(B * N);
  padding.forEach((count, row) => {
    real.fill(1, row * N + count, (row + 1) * N);
  });
  const mask = tf.tensor2d(real, [B, N]);
  return {
    ...inputs,
    k: inputs.k.mul<tf.Tensor4D>(mask.reshape([B, 1, N, 1])),
    logDecay: inputs.logDecay.mul<tf.Tensor3D>(mask.reshape([B, 1, N])),
  };
}
