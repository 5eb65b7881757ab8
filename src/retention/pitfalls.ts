/**
 * Retention done wrong, on purpose: the mistakes that papers, blogs and first attempts make, each under its honest name.
 * Lessons run them beside the right form, tests prove that they are noticed.
 */
import * as tf from '@tensorflow/tfjs';
import { checkCount, readShapes } from '../tensor/shapes';
import { chunkSizes, cut } from './chunks';
import { chunkDecay, lowerTriangle } from './decay';
import { DEFAULT_CHUNK_SIZE, RETENTION_SHAPES, type RetentionForm } from './types';

/**
 * The decay matrix as β_n / β_m, from running products: the formula read literally. D [B,H,c,c].
 *
 * Wrong because β leaves float32's range: gates of 0.6 over 256 tokens multiply to 10^-57, which is 0, and 0/0 is NaN.
 * The quotient itself was harmless all along. `decayMatrix` adds logarithms instead.
 */
export function dividingProducts(logDecay: tf.Tensor3D): tf.Tensor4D {
  const [B, H, c] = logDecay.shape;
  return tf.tidy(() => {
    const gamma = logDecay.exp();
    const beta = tf.cumprod(gamma, 2);
    const ratio = beta.reshape([B, H, c, 1]).div(beta.reshape([B, H, 1, c]));
    return ratio.mul<tf.Tensor4D>(lowerTriangle(c)); // NaN · 0 is NaN too, so the mask saves nothing
  });
}

/**
 * Masking after the exponential: exp(g_n − g_m), then ⊙ triangle. D [B,H,c,c].
 *
 * Wrong because above the diagonal g_n − g_m is positive and exp overflows: ∞ · 0 is NaN. With weak gates nobody notices.
 */
export function maskingAfterExp(logDecay: tf.Tensor3D): tf.Tensor4D {
  const [B, H, c] = logDecay.shape;
  return tf.tidy(() => {
    const g = tf.cumsum(logDecay, 2);
    return g
      .reshape([B, H, c, 1])
      .sub(g.reshape([B, H, 1, c]))
      .exp()
      .mul<tf.Tensor4D>(lowerTriangle(c));
  });
}

/**
 * The chunkwise form with D as the paper prints it (arXiv eq. 6): β_k / β_j for j ≤ k, the transpose of the right one.
 *
 * Wrong because inside a chunk every token now reads its future instead of its past. With one token per chunk there is
 * only the diagonal, and the slip cannot be seen.
 */
export const chunkwiseAsPrinted: RetentionForm = chunkwiseWith({ transposeD: true });

/** Chunks that start from nothing. Wrong: a text is then many short texts. Unnoticed by a test with one chunk. */
export const chunkwiseForgettingTheState: RetentionForm = chunkwiseWith({ carryState: false });

/**
 * Normalising the inside of a chunk and then the sum again, as the paper's appendix pseudo-code does.
 *
 * Wrong because the first norm changes the balance between what a chunk sees of itself and what it sees of the past.
 * Normalise once, after adding: this returns what the layer's norm would then take in.
 */
export const chunkwiseNormalisedTwice: RetentionForm = chunkwiseWith({ normInside: true });

/** The chunkwise form of `chunkwise.ts` with one thing broken. */
function chunkwiseWith({
  transposeD = false,
  carryState = true,
  normInside = false,
}): RetentionForm {
  return ({ q, k, v, logDecay }, { initialState, chunkSize = DEFAULT_CHUNK_SIZE } = {}) => {
    const { B, H, N, Dk, Dv } = readShapes('famous mistake', RETENTION_SHAPES, {
      q,
      k,
      v,
      logDecay,
      initialState,
    });
    checkCount('famous mistake', 'chunkSize', chunkSize, 'tokens');
    return tf.tidy(() => {
      const sizes = chunkSizes(N, chunkSize);
      const Qs = cut(q, sizes);
      const Ks = cut(k, sizes);
      const Vs = cut(v, sizes);
      const gates = cut(logDecay, sizes);
      let S: tf.Tensor4D = initialState ?? tf.zeros([B, H, Dk, Dv]);
      const outputs = sizes.map((_, i) => {
        const { D, beta, toEnd, overall } = chunkDecay(gates[i]);
        const seen = carryState ? S : S.zerosLike();
        const mask = transposeD ? D.transpose([0, 1, 3, 2]) : D;
        let inside: tf.Tensor = tf.matMul(tf.matMul(Qs[i], Ks[i], false, true).mul(mask), Vs[i]);
        if (normInside) inside = inside.mul(inside.square().mean(3, true).add(1e-5).rsqrt());
        const output = inside.add<tf.Tensor4D>(tf.matMul(Qs[i], seen).mul(beta));
        const left = tf.matMul<tf.Tensor4D>(Ks[i], Vs[i].mul(toEnd), true);
        S = left.add<tf.Tensor4D>(seen.mul(overall));
        return output;
      });
      return { output: tf.concat(outputs, 2), state: S };
    });
  };
}
