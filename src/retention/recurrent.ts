/**
 * Gated retention, recurrent form: one token at a time, with a state of fixed size.
 *
 *   S_n = γ_n S_{n−1} + K_nᵀ V_n
 *   output_n = Q_n S_n
 *
 * Each token decays the state, adds itself to it, and only then reads. Nothing else is kept, so
 * decoding costs the same at token 10 and at token 1,000,000.
 *
 * Source: YOCO, arXiv 2405.05254, gated retention, recurrent (arXiv eq. 5, NeurIPS 6).
 */
import * as tf from '@tensorflow/tfjs';
import { type RetentionForm, readRetentionShapes, splitTime } from './retention-form';

/** Shapes: see RETENTION_SHAPES. The caller owns the output and the state. */
export const recurrentRetention: RetentionForm = (inputs, options = {}) => {
  const { B, H, N, Dk, Dv } = readRetentionShapes('recurrentRetention', inputs, options);
  const { initialState } = options;

  return tf.tidy(() => {
    const gamma: tf.Tensor4D = inputs.logDecay.exp().reshape([B, H, N, 1]);
    const gammas = splitTime(gamma, 1); // each [B, H, 1, 1]
    const queries = splitTime(inputs.q, 1); // each [B, H, 1, Dk]
    const keys = splitTime(inputs.k, 1); // each [B, H, 1, Dk]
    const values = splitTime(inputs.v, 1); // each [B, H, 1, Dv]

    const outputs: tf.Tensor4D[] = [];
    let S: tf.Tensor4D = initialState ?? tf.zeros([B, H, Dk, Dv]);
    for (let n = 0; n < N; n++) {
      const before = S;
      S = tf.tidy(() => {
        const decayed = before.mul(gammas[n]); // [B, H, Dk, Dv]
        const added = tf.matMul(keys[n], values[n], true); // [B, H, Dk, Dv]
        return decayed.add(added);
      });
      outputs.push(tf.matMul(queries[n], S)); // [B, H, 1, Dv]
      if (before !== initialState) before.dispose(); // so that N states never exist at once
    }
    return { output: tf.concat(outputs, 2), state: S };
  });
};
