/**
 * Gated retention, recurrent form: one token at a time, with a memory of fixed size.
 *
 *   S_n = γ_n S_{n−1} + K_nᵀ V_n
 *   out_n = Q_n S_n
 *
 * Picture a blackboard of Dk × Dv numbers. Each token wipes it a little (γ), writes itself on it (the outer product), and
 * only then reads. Nothing else is kept: this is why decoding costs the same at token 10 and at token 1,000,000.
 *
 * Source: YOCO, arXiv 2405.05254, "gated retention, recurrent" (arXiv eq. 5, NeurIPS eq. 6).
 */
import * as tf from '@tensorflow/tfjs';
import { checkCount, readShapes } from '../tensor/shapes';
import { chunkSizes, cut } from './chunks';
import { RETENTION_SHAPES, type RetentionForm } from './types';

/** @throws RangeError if shapes disagree. The caller owns the result. */
export const recurrentRetention: RetentionForm = ({ q, k, v, logDecay }, { initialState } = {}) => {
  const { B, H, N, Dk, Dv } = readShapes('recurrentRetention', RETENTION_SHAPES, {
    q,
    k,
    v,
    logDecay,
    initialState,
  });
  checkCount('recurrentRetention', 'N', N, 'tokens');
  return tf.tidy(() => {
    const tokens = chunkSizes(N, 1);
    const gamma = cut(logDecay.exp().reshape<tf.Tensor4D>([B, H, N, 1]), tokens);
    const Q = cut(q, tokens);
    const K = cut(k, tokens);
    const V = cut(v, tokens);
    let S: tf.Tensor4D = initialState ?? tf.zeros([B, H, Dk, Dv]);
    const outputs: tf.Tensor4D[] = [];
    for (let n = 0; n < N; n++) {
      const before = S;
      S = tf.tidy(() => before.mul(gamma[n]).add(tf.matMul(K[n], V[n], true)));
      if (before !== initialState) before.dispose(); // one blackboard, not N of them
      outputs.push(tf.matMul(Q[n], S));
    }
    return { output: tf.concat(outputs, 2), state: S };
  });
};
