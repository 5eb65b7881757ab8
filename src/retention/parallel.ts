/**
 * Gated retention, parallel form: all tokens at once, as attention does it, with decay in the place of softmax.
 *
 *   out = (Q Kᵀ ⊙ D) V
 *
 * D[n,m] = γ_{m+1} ⋯ γ_n for m ≤ n, else 0: causal mask and decay in one matrix. There is no activation between Q Kᵀ and
 * V, and that is why two other forms exist: without it the product can be summed in any order.
 *
 * Costs N² numbers, so it suits training on short pieces and the eye; the chunkwise form takes the rest.
 *
 * Source: YOCO, arXiv 2405.05254, "gated retention, parallel" (arXiv eq. 4, NeurIPS eq. 5). The paper starts from nothing;
 * the carried state and the state that is left are the chunkwise form's, with everything in one chunk.
 */
import * as tf from '@tensorflow/tfjs';
import { checkCount, readShapes } from '../tensor/shapes';
import { chunkDecay } from './decay';
import { RETENTION_SHAPES, type RetentionForm } from './types';

/** @throws RangeError if shapes disagree. The caller owns the result. */
export const parallelRetention: RetentionForm = (
  { q: Q, k: K, v: V, logDecay },
  { initialState } = {},
) => {
  const { N } = readShapes('parallelRetention', RETENTION_SHAPES, {
    q: Q,
    k: K,
    v: V,
    logDecay,
    initialState,
  });
  checkCount('parallelRetention', 'N', N, 'tokens');
  return tf.tidy(() => {
    const { D, beta, toEnd, overall } = chunkDecay(logDecay);
    const output = tf.matMul<tf.Tensor4D>(tf.matMul(Q, K, false, true).mul(D), V);
    const state = tf.matMul<tf.Tensor4D>(K, V.mul(toEnd), true);
    if (!initialState) return { output, state };
    return {
      output: output.add<tf.Tensor4D>(tf.matMul(Q, initialState).mul(beta)),
      state: state.add<tf.Tensor4D>(initialState.mul(overall)),
    };
  });
};
