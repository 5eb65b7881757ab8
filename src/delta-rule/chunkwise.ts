/**
 * The gated delta rule, chunkwise form: parallel inside a chunk, recurrent between chunks.
 *
 * If the corrections U of a chunk were known, the rest would be retention with U as its values:
 *
 *   output = (Q Kᵀ ⊙ D) U + (Q S) ⊙ decay      S ← decay_last S + Kᵀ (U ⊙ decay_last / decay)
 *
 * A correction depends on those before it, because the key may find what they wrote:
 *
 *   U_n = β_n (v_n − decay_n k_n S − Σ_{m<n} D[n,m] (k_n · k_m) U_m)
 *
 * With A[n,m] = β_n D[n,m] (k_n · k_m) for m < n, else 0, these are the rows of one triangular
 * system, (I + A) U = β ⊙ (V − decay ⊙ K S). It is solved for V and for K apart, which needs no
 * state: then U = Y − W S with (I + A) Y = β ⊙ V and (I + A) W = β ⊙ decay ⊙ K. (W and Y are the
 * "WY representation" of a product of Householder matrices.)
 *
 * decay_n is the product of γ from the chunk's first token to token n (`beta` in retention, a
 * name that the delta rule gives to something else). D and the decays are those of retention.
 * Source: Yang et al., arXiv 2412.06464 and 2406.06484. Differs from them: the system is solved by
 * substitution; no inverse of I + A is made.
 */
import * as tf from '@tensorflow/tfjs';
import { chunkDecay, lowerTriangle } from '../retention/decay';
import { DEFAULT_CHUNK_SIZE, splitTime } from '../retention/retention-form';
import { type GatedDeltaForm, readGatedDeltaShapes } from './delta-form';

/** Shapes: see GATED_DELTA_SHAPES. The caller owns the output and the state. */
export const chunkwiseGatedDelta: GatedDeltaForm = (inputs, options = {}) => {
  const { B, H, N, Dk, Dv } = readGatedDeltaShapes('chunkwiseGatedDelta', inputs, options);
  const { initialState, chunkSize = DEFAULT_CHUNK_SIZE } = options;

  return tf.tidy(() => {
    const queries = splitTime(inputs.q, chunkSize); // the last chunk may be shorter
    const keys = splitTime(inputs.k, chunkSize);
    const values = splitTime(inputs.v, chunkSize);
    const betas = splitTime<tf.Tensor4D>(inputs.beta.reshape([B, H, N, 1]), chunkSize);
    const logDecays = splitTime(inputs.logDecay, chunkSize);

    const outputs: tf.Tensor4D[] = [];
    let S: tf.Tensor4D = initialState ?? tf.zeros([B, H, Dk, Dv]);
    for (let i = 0; i < queries.length; i++) {
      const Q = queries[i]; // [B, H, c, Dk]
      const K = keys[i]; // [B, H, c, Dk]
      const V = values[i]; // [B, H, c, Dv]
      const beta = betas[i]; // [B, H, c, 1]
      const chunk = tf.tidy(() => {
        const { D, beta: decay, decayToEnd, chunkDecayTotal } = chunkDecay(logDecays[i]);

        const earlier = lowerTriangle(Q.shape[2]).sub(tf.eye(Q.shape[2])); // [c, c], m < n
        const keyScores = tf.matMul(K, K, false, true).mul(D); // [B, H, c, c]
        const A: tf.Tensor4D = keyScores.mul(beta).mul(earlier); // [B, H, c, c]
        const weightedK: tf.Tensor4D = K.mul(beta).mul(decay); // [B, H, c, Dk]
        const weightedV: tf.Tensor4D = V.mul(beta); // [B, H, c, Dv]
        const W = solveUnitTriangle(A, weightedK); // [B, H, c, Dk]
        const Y = solveUnitTriangle(A, weightedV); // [B, H, c, Dv]
        const U: tf.Tensor4D = Y.sub(tf.matMul(W, S)); // [B, H, c, Dv], the corrections

        const scores = tf.matMul(Q, K, false, true).mul(D); // [B, H, c, c]
        const fromThisChunk = tf.matMul(scores, U); // [B, H, c, Dv]
        const fromEarlierChunks = tf.matMul(Q, S).mul(decay); // [B, H, c, Dv]
        const output: tf.Tensor4D = fromThisChunk.add(fromEarlierChunks);
        const added = tf.matMul(K, U.mul(decayToEnd), true); // [B, H, Dk, Dv]
        const state: tf.Tensor4D = S.mul(chunkDecayTotal).add(added); // [B, H, Dk, Dv]
        return { output, state };
      });
      outputs.push(chunk.output);
      S = chunk.state;
    }
    return { output: tf.concat(outputs, 2), state: S };
  });
};

/**
 * X of (I + A) X = R, with A [B, H, c, c] zero on and above its diagonal and R [B, H, c, size].
 *
 * Forward substitution by halves: the upper half of the rows is a system of its own; what it puts
 * into the lower half is subtracted there, and what remains is again such a system.
 */
export function solveUnitTriangle(A: tf.Tensor4D, R: tf.Tensor4D): tf.Tensor4D {
  const c = A.shape[2];
  if (c === 1) return R;
  const halves = [Math.ceil(c / 2), Math.floor(c / 2)];
  return tf.tidy(() => {
    const [upperRows, lowerRows]: tf.Tensor4D[] = tf.split(A, halves, 2); // each [B, H, c/2, c]
    const [A11]: tf.Tensor4D[] = tf.split(upperRows, halves, 3); // [B, H, c/2, c/2]
    const [A21, A22]: tf.Tensor4D[] = tf.split(lowerRows, halves, 3); // each [B, H, c/2, c/2]
    const [R1, R2]: tf.Tensor4D[] = tf.split(R, halves, 2); // each [B, H, c/2, size]

    const X1 = solveUnitTriangle(A11, R1);
    const rest: tf.Tensor4D = R2.sub(tf.matMul(A21, X1)); // [B, H, c/2, size]
    const X2 = solveUnitTriangle(A22, rest);
    return tf.concat([X1, X2], 2);
  });
}
