/**
 * Gated retention, chunkwise form: parallel inside a chunk, recurrent between chunks.
 *
 *   out = (Q Kᵀ ⊙ D) V        what the chunk sees of itself
 *       + (Q S) ⊙ β           what it sees of everything before
 *   S   ← β_last S + Kᵀ (V ⊙ β_last/β)
 *
 * β is the running product of γ inside the chunk, D[n,m] = β_n/β_m for m ≤ n. Nothing is multiplied out or divided: see
 * `decay.ts`. The products start afresh in every chunk, so the error does not grow with the length of the text.
 *
 * Source: YOCO, arXiv 2405.05254, "gated retention, chunkwise" (arXiv eq. 6, NeurIPS eq. 7).
 * Differs from the paper: D is printed transposed there; as printed it does not match the parallel form
 * (`famous-mistakes.ts` shows by how much).
 *
 * Picture: one chunk of N tokens is the parallel form, N chunks of one token are the recurrent form.
 */
import * as tf from '@tensorflow/tfjs';
import { checkCount, readShapes } from '../tensor/shapes';
import { chunkSizes, cut } from './chunks';
import { chunkDecay } from './decay';
import { DEFAULT_CHUNK_SIZE, RETENTION_SHAPES, type RetentionForm } from './types';

/** @throws RangeError if shapes disagree or `chunkSize` is no count. The caller owns the result. */
export const chunkwiseRetention: RetentionForm = (
  { q, k, v, logDecay },
  { initialState, chunkSize = DEFAULT_CHUNK_SIZE } = {},
) => {
  const { B, H, N, Dk, Dv } = readShapes('chunkwiseRetention', RETENTION_SHAPES, {
    q,
    k,
    v,
    logDecay,
    initialState,
  });
  checkCount('chunkwiseRetention', 'N', N, 'tokens');
  checkCount('chunkwiseRetention', 'chunkSize', chunkSize, 'tokens');
  return tf.tidy(() => {
    const sizes = chunkSizes(N, chunkSize);
    const Qs = cut(q, sizes);
    const Ks = cut(k, sizes);
    const Vs = cut(v, sizes);
    const gates = cut(logDecay, sizes);
    let S: tf.Tensor4D = initialState ?? tf.zeros([B, H, Dk, Dv]);
    const outputs: tf.Tensor4D[] = [];
    sizes.forEach((_, i) => {
      const Q = Qs[i];
      const K = Ks[i];
      const V = Vs[i];
      // A tidy of its own: the c × c matrices of a chunk go before the next chunk's come.
      const chunk = tf.tidy(() => {
        const { D, beta, toEnd, overall } = chunkDecay(gates[i]);
        const inside = tf.matMul<tf.Tensor4D>(tf.matMul(Q, K, false, true).mul(D), V);
        const before = tf.matMul(Q, S).mul(beta);
        const left = tf.matMul(K, V.mul(toEnd), true);
        return {
          output: inside.add<tf.Tensor4D>(before),
          state: S.mul(overall).add<tf.Tensor4D>(left),
        };
      });
      outputs.push(chunk.output);
      S = chunk.state;
    });
    return { output: tf.concat(outputs, 2), state: S };
  });
};
