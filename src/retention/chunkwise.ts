/**
 * Gated retention, chunkwise form: parallel inside a chunk, recurrent between chunks.
 *
 *   output = (Q Kᵀ ⊙ D) V + (Q S) ⊙ β        this chunk + all earlier chunks
 *   S      ← β_last S + Kᵀ (V ⊙ β_last / β)  the state after this chunk
 *
 * β_n is the product of γ from the chunk's first token to token n; D[n,m] = β_n / β_m for m ≤ n,
 * else 0. In float32 β becomes 0 and the quotient NaN: decay.ts adds ln γ instead. The sums start
 * again in every chunk, so that the error does not grow with the length of the text.
 *
 * One chunk of N tokens is the parallel form; chunks of one token are the recurrent form.
 * Source: YOCO, arXiv 2405.05254, gated retention, chunkwise (arXiv eq. 6, NeurIPS 7).
 * Differs from the paper: D is printed transposed there, and as printed the chunkwise form does not
 * equal the parallel form (pitfalls.ts shows by how much).
 */
import * as tf from '@tensorflow/tfjs';
import { chunkDecay } from './decay';
import {
  DEFAULT_CHUNK_SIZE,
  type RetentionForm,
  readRetentionShapes,
  splitTime,
} from './retention-form';

/** Shapes: see RETENTION_SHAPES. The caller owns the output and the state. */
export const chunkwiseRetention: RetentionForm = (inputs, options = {}) => {
  const { B, H, Dk, Dv } = readRetentionShapes('chunkwiseRetention', inputs, options);
  const { initialState, chunkSize = DEFAULT_CHUNK_SIZE } = options;

  return tf.tidy(() => {
    const queries = splitTime(inputs.q, chunkSize); // the last chunk may be shorter
    const keys = splitTime(inputs.k, chunkSize);
    const values = splitTime(inputs.v, chunkSize);
    const logDecays = splitTime(inputs.logDecay, chunkSize);

    const outputs: tf.Tensor4D[] = [];
    let S: tf.Tensor4D = initialState ?? tf.zeros([B, H, Dk, Dv]);
    for (let i = 0; i < queries.length; i++) {
      const Q = queries[i]; // [B, H, c, Dk]
      const K = keys[i]; // [B, H, c, Dk]
      const V = values[i]; // [B, H, c, Dv]
      // tidy: the c × c matrices of this chunk are freed before the next chunk makes its own.
      const chunk = tf.tidy(() => {
        const { D, beta, decayToEnd, chunkDecayTotal } = chunkDecay(logDecays[i]);

        const scores = tf.matMul(Q, K, false, true).mul(D); // [B, H, c, c]
        const fromThisChunk = tf.matMul(scores, V); // [B, H, c, Dv]
        const fromEarlierChunks = tf.matMul(Q, S).mul(beta); // [B, H, c, Dv]
        const output: tf.Tensor4D = fromThisChunk.add(fromEarlierChunks);

        const decayedV = V.mul(decayToEnd); // [B, H, c, Dv], as it is at the chunk's end
        const added = tf.matMul(K, decayedV, true); // [B, H, Dk, Dv]
        const state: tf.Tensor4D = S.mul(chunkDecayTotal).add(added); // [B, H, Dk, Dv]
        return { output, state };
      });
      outputs.push(chunk.output);
      S = chunk.state;
    }
    return { output: tf.concat(outputs, 2), state: S };
  });
};
