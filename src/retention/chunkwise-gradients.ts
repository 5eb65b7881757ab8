/**
 * The gradients of retention in chunks, by hand: from the last chunk to the first, each with
 * matrix products as large as those of the forward pass.
 *
 *   dA = (dO Vᵀ) ⊙ D                          A = (Q Kᵀ) ⊙ D, the weights inside the chunk
 *   dQ = dA K  + β ⊙ (dO Sᵀ)                  S: the state before the chunk
 *   dK = dAᵀ Q + β_last / β ⊙ (V dS′ᵀ)        dS′: of the state after the chunk
 *   dV = Aᵀ dO + β_last / β ⊙ (K dS′)
 *   dS = Qᵀ (β ⊙ dO) + β_last dS′             handed on to the chunk before
 *   d ln γ_n = Σ_{m ≥ n} (q_m · dq_m − k_m · dk_m) + ⟨S′, dS′⟩
 *
 * The last line needs no state inside the chunk. Write g for the running sum of ln γ, so that
 * D[n,m] = e^{g_n} e^{−g_m}: g_n scales q_n, and −g_n scales k_n. The gradient of a scale e^g is
 * the product of what it scales with that one's gradient, hence dg_n = q_n · dq_n − k_n · dk_n. And
 * ln γ_n is a term of every g_m with m ≥ n: its gradient is the sum of theirs, from the right.
 *
 * Only the states between chunks are kept, not one for every token. Automatic differentiation of
 * chunkwise.ts gives the same numbers, up to rounding: the last line is a difference, so its error
 * is of the size of q · dq, also where strong gates leave a gradient far below that.
 *
 * Source: the chain rule; the last line as in Gated Linear Attention, arXiv 2312.06635, whose gates
 * are one for each feature of a key.
 */
import * as tf from '@tensorflow/tfjs';
import { readShapes } from '../tensor/shapes';
import { chunkDecay } from './decay';
import {
  DEFAULT_CHUNK_SIZE,
  RETENTION_SHAPES,
  type RetentionInputs,
  type RetentionOptions,
  type RetentionResult,
  readRetentionShapes,
  splitTime,
} from './retention-form';

const SHAPES = { ...RETENTION_SHAPES, output: 'B H N Dv', state: 'B H Dk Dv' } as const;

export type RetentionGradients = {
  q: tf.Tensor4D; // [B, H, N, Dk]
  k: tf.Tensor4D; // [B, H, N, Dk]
  v: tf.Tensor4D; // [B, H, N, Dv]
  logDecay: tf.Tensor3D; // [B, H, N]
  initialState: tf.Tensor4D; // [B, H, Dk, Dv]
};

/**
 * The gradients of a loss for the inputs, from `upstream`: those for the output [B, H, N, Dv] and
 * for the last state [B, H, Dk, Dv]. The caller owns them.
 * @throws RangeError as a RetentionForm does.
 */
export function chunkwiseGradients(
  inputs: RetentionInputs,
  upstream: RetentionResult,
  options: RetentionOptions = {},
): RetentionGradients {
  const { B, H, Dk, Dv } = readRetentionShapes('chunkwiseGradients', inputs, options);
  const { initialState, chunkSize = DEFAULT_CHUNK_SIZE } = options;
  readShapes('chunkwiseGradients', SHAPES, { ...inputs, ...upstream, initialState });

  return tf.tidy(() => {
    const queries = splitTime(inputs.q, chunkSize); // each [B, H, c, Dk]
    const keys = splitTime(inputs.k, chunkSize); // each [B, H, c, Dk]
    const values = splitTime(inputs.v, chunkSize); // each [B, H, c, Dv]
    const dOutputs = splitTime(upstream.output, chunkSize); // each [B, H, c, Dv]
    const decays = splitTime(inputs.logDecay, chunkSize).map(chunkDecay);

    // Forward: the states before each chunk, and the last.
    const states: tf.Tensor4D[] = [initialState ?? tf.zeros([B, H, Dk, Dv])];
    for (let i = 0; i < keys.length; i++) {
      const { decayToEnd, chunkDecayTotal } = decays[i];
      const added = tf.matMul(keys[i], values[i].mul(decayToEnd), true); // [B, H, Dk, Dv]
      states.push(states[i].mul(chunkDecayTotal).add(added));
    }

    const dQueries: tf.Tensor4D[] = [];
    const dKeys: tf.Tensor4D[] = [];
    const dValues: tf.Tensor4D[] = [];
    const dLogDecays: tf.Tensor3D[] = [];
    let dS: tf.Tensor4D = upstream.state; // of the state after the chunk
    for (let i = keys.length - 1; i >= 0; i--) {
      const [Q, K, V, dO] = [queries[i], keys[i], values[i], dOutputs[i]];
      const { D, beta, decayToEnd, chunkDecayTotal } = decays[i];
      const A = tf.matMul(Q, K, false, true).mul(D); // [B, H, c, c]
      const dA = tf.matMul(dO, V, false, true).mul(D); // [B, H, c, c]

      const readS = tf.matMul(dO, states[i], false, true); // [B, H, c, Dk]
      const dQ: tf.Tensor4D = tf.matMul(dA, K).add(readS.mul(beta)); // [B, H, c, Dk]
      const writtenK = tf.matMul(V, dS, false, true); // [B, H, c, Dk]
      const dK: tf.Tensor4D = tf.matMul(dA, Q, true).add(writtenK.mul(decayToEnd)); // [B, H, c, Dk]
      const writtenV = tf.matMul(K, dS); // [B, H, c, Dv]
      const dV: tf.Tensor4D = tf.matMul(A, dO, true).add(writtenV.mul(decayToEnd)); // [B, H, c, Dv]

      const dG = Q.mul(dQ).sub(K.mul(dK)).sum(3); // [B, H, c]
      const atEnd = states[i + 1].mul(dS).sum([2, 3]).reshape([B, H, 1]);
      const fromRight: tf.Tensor3D = tf.cumsum(dG, 2, false, true); // [B, H, c]

      dQueries.unshift(dQ);
      dKeys.unshift(dK);
      dValues.unshift(dV);
      dLogDecays.unshift(fromRight.add(atEnd));
      dS = tf.matMul(Q, dO.mul(beta), true).add(dS.mul(chunkDecayTotal)); // [B, H, Dk, Dv]
    }
    return {
      q: tf.concat(dQueries, 2),
      k: tf.concat(dKeys, 2),
      v: tf.concat(dValues, 2),
      logDecay: tf.concat(dLogDecays, 2),
      initialState: dS,
    };
  });
}
