/**
 * The gated delta rule, recurrent form: one token at a time, with a state of fixed size.
 *
 *   S' = γ_n S_{n−1}
 *   U_n = β_n (v_n − k_n S')     the correction: what the token adds at its key
 *   S_n = S' + k_nᵀ U_n
 *   output_n = q_n S_n
 *
 * Source: definition.ts.
 */
import * as tf from '@tensorflow/tfjs';
import { splitTime } from '../retention/retention-form';
import { type GatedDeltaForm, readGatedDeltaShapes } from './delta-form';

/** Shapes: see GATED_DELTA_SHAPES. The caller owns the output and the state. */
export const recurrentGatedDelta: GatedDeltaForm = (inputs, options = {}) => {
  const { B, H, N, Dk, Dv } = readGatedDeltaShapes('recurrentGatedDelta', inputs, options);
  const { initialState } = options;

  return tf.tidy(() => {
    const gamma: tf.Tensor4D = inputs.logDecay.exp().reshape([B, H, N, 1]);
    const beta: tf.Tensor4D = inputs.beta.reshape([B, H, N, 1]);
    const gammas = splitTime(gamma, 1); // each [B, H, 1, 1]
    const betas = splitTime(beta, 1); // each [B, H, 1, 1]
    const queries = splitTime(inputs.q, 1); // each [B, H, 1, Dk]
    const keys = splitTime(inputs.k, 1); // each [B, H, 1, Dk]
    const values = splitTime(inputs.v, 1); // each [B, H, 1, Dv]

    const outputs: tf.Tensor4D[] = [];
    let S: tf.Tensor4D = initialState ?? tf.zeros([B, H, Dk, Dv]);
    for (let n = 0; n < N; n++) {
      const before = S;
      S = tf.tidy(() => {
        const decayed: tf.Tensor4D = before.mul(gammas[n]); // [B, H, Dk, Dv]
        const found = tf.matMul(keys[n], decayed); // [B, H, 1, Dv]
        const correction: tf.Tensor4D = values[n].sub(found).mul(betas[n]); // [B, H, 1, Dv]
        return decayed.add(tf.matMul(keys[n], correction, true));
      });
      outputs.push(tf.matMul(queries[n], S)); // [B, H, 1, Dv]
      if (before !== initialState) before.dispose(); // so that N states never exist at once
    }
    return { output: tf.concat(outputs, 2), state: S };
  });
};
