/**
 * Retention computed wrongly on purpose: mistakes from papers and first attempts, each under its
 * name. Lessons run them beside the right form, and tests prove that they are noticed.
 */
import * as tf from '@tensorflow/tfjs';
import { chunkDecay, lowerTriangle } from './decay';
import {
  DEFAULT_CHUNK_SIZE,
  type RetentionForm,
  readRetentionShapes,
  splitTime,
} from './retention-form';

/**
 * The decay matrix [B, H, c, c] as β_n / β_m from running products: the formula read literally.
 *
 * Wrong because β leaves the range of float32: gates of 0.6 over 256 tokens multiply to 10^-57,
 * which is 0, and 0/0 is NaN. The quotient itself is harmless. `decayMatrix` adds logarithms.
 */
export function decayByDivision(logDecay: tf.Tensor3D): tf.Tensor4D {
  const [B, H, c] = logDecay.shape;
  return tf.tidy(() => {
    const beta = tf.cumprod(logDecay.exp(), 2); // [B, H, c]
    const ratio = beta.reshape([B, H, c, 1]).div(beta.reshape([B, H, 1, c])); // [B, H, c, c]
    return ratio.mul(lowerTriangle(c)); // NaN · 0 is NaN too, so the mask does not help
  });
}

/**
 * The chunkwise form with D as the paper prints it (arXiv eq. 6): β_k / β_j for j ≤ k.
 *
 * Wrong because it is the transpose of the right matrix: inside a chunk every token reads its
 * future instead of its past. With one token per chunk only the diagonal remains, and the mistake
 * cannot be seen.
 */
export const chunkwiseAsPrinted: RetentionForm = (inputs, options = {}) => {
  const { B, H, Dk, Dv } = readRetentionShapes('chunkwiseAsPrinted', inputs, options);
  const { initialState, chunkSize = DEFAULT_CHUNK_SIZE } = options;

  return tf.tidy(() => {
    const queries = splitTime(inputs.q, chunkSize);
    const keys = splitTime(inputs.k, chunkSize);
    const values = splitTime(inputs.v, chunkSize);
    const logDecays = splitTime(inputs.logDecay, chunkSize);

    const outputs: tf.Tensor4D[] = [];
    let S: tf.Tensor4D = initialState ?? tf.zeros([B, H, Dk, Dv]);
    for (let i = 0; i < queries.length; i++) {
      const { D, beta, decayToEnd, chunkDecayTotal } = chunkDecay(logDecays[i]);
      const printedD = D.transpose([0, 1, 3, 2]); // here is the mistake

      const scores = tf.matMul(queries[i], keys[i], false, true).mul(printedD); // [B, H, c, c]
      const fromThisChunk = tf.matMul(scores, values[i]); // [B, H, c, Dv]
      const fromEarlierChunks = tf.matMul(queries[i], S).mul(beta); // [B, H, c, Dv]
      outputs.push(fromThisChunk.add(fromEarlierChunks));

      const added = tf.matMul(keys[i], values[i].mul(decayToEnd), true); // [B, H, Dk, Dv]
      S = S.mul(chunkDecayTotal).add(added);
    }
    return { output: tf.concat(outputs, 2), state: S };
  });
};
