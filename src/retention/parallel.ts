/**
 * Gated retention, parallel form: all tokens at once, as attention does, with decay for softmax.
 *
 *   output = (Q Kᵀ ⊙ D) V
 *
 * D[n,m] = γ_{m+1} ⋯ γ_n for m ≤ n, else 0: causal mask and decay in one matrix. Since no softmax
 * stands between Q Kᵀ and V, the product can be summed in another order: the two other forms do so.
 * It needs N² numbers, so it suits short texts.
 *
 * Source: YOCO, arXiv 2405.05254, gated retention, parallel (arXiv eq. 4, NeurIPS 5).
 * Differs from the paper: there is no state in its formula; here the state before the first token
 * and the one after the last are those of the chunkwise form with a single chunk.
 */
import * as tf from '@tensorflow/tfjs';
import { chunkDecay } from './decay';
import { type RetentionForm, readRetentionShapes } from './retention-form';

/** Shapes: see RETENTION_SHAPES. The caller owns the output and the state. */
export const parallelRetention: RetentionForm = (inputs, options = {}) => {
  readRetentionShapes('parallelRetention', inputs, options);
  const { q: Q, k: K, v: V, logDecay } = inputs;
  const S = options.initialState; // [B, H, Dk, Dv]

  return tf.tidy(() => {
    const { D, beta, decayToEnd, chunkDecayTotal } = chunkDecay(logDecay);

    const scores = tf.matMul(Q, K, false, true).mul(D); // [B, H, N, N]
    let output: tf.Tensor4D = tf.matMul(scores, V); // [B, H, N, Dv]
    const decayedV = V.mul(decayToEnd); // [B, H, N, Dv]
    let state: tf.Tensor4D = tf.matMul(K, decayedV, true); // [B, H, Dk, Dv]
    if (S) {
      output = output.add(tf.matMul(Q, S).mul(beta));
      state = state.add(S.mul(chunkDecayTotal));
    }
    return { output, state };
  });
};
