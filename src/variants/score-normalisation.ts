/**
 * RetNet's score normalisation: what its code divides by before the norm, form by form, and why it hardly matters.
 *
 *   parallel     plain_n / (s_n · max(1, Σ_m |A_nm|))                  A = Q Kᵀ ⊙ D / s,   s_n = √(Σ_m D_nm)
 *   recurrent    plain_n / s_n                                         s_n² = 1 + γ + … + γ^n, over all tokens so far
 *   chunkwise    plain_n / (s_n · max(1, Σ_m |A_nm|, c))               s and A inside the chunk; c = largest column sum
 *                                                                      of |S| / (1 + γ + … + γ^(chunk−1)) before it
 *
 * In half precision the plain sums could overflow, hence the factors. They differ between the forms, so the forms disagree,
 * which surprised many (torchscale issues 40, 47, 54). But each is one positive number per token and head, and the norm
 * that follows asks only for direction: it takes the factor out again, up to its eps. Picture an arrow drawn in metres or
 * in inches, then scaled to length one. Gated retention dropped all of this and kept only the Dk^-½ of the keys.
 *
 * Source: RetNet, arXiv 2307.08621, "Retention score normalization"; torchscale `multiscale_retention.py` and
 * `RetNetRelPos` (there the factors are constants to the gradient; the norm makes that a matter of eps too).
 * Written here as plain retention over a factor, which is what the interleaved divisions of that code amount to.
 */
import * as tf from '@tensorflow/tfjs';
import { chunkSizes, cut } from '../retention/chunks';
import { decayMatrix, fixedLogDecay } from '../retention/decay';
import { parallelRetention } from '../retention/parallel';
import { recurrentRetention } from '../retention/recurrent';
import {
  DEFAULT_CHUNK_SIZE,
  type RetentionOptions,
  type RetentionResult,
} from '../retention/types';
import { checkCount, readShapes } from '../tensor/shapes';

/** q and k are rotated, k is already times Dk^-½; γ is constant, one number per head. */
export interface FixedDecayInputs {
  q: tf.Tensor4D;
  k: tf.Tensor4D;
  v: tf.Tensor4D;
  gammas: readonly number[];
}
/** `position`: tokens before this piece, which the recurrent factor counts. The state is the plain one. */
export type NormalisedForm = (
  inputs: FixedDecayInputs,
  options?: RetentionOptions & { position?: number },
) => RetentionResult;

/** 1 + γ + … + γ^(n−1): what a head holds of n equal tokens. */
export const heldOf = (gamma: number, n: number): number =>
  gamma === 1 ? n : -Math.expm1(n * Math.log(gamma)) / (1 - gamma);

/** Parallel, divided by the row of decays and by the row of scores. A carried state counts as the chunk before. */
export const normalisedParallel: NormalisedForm = (inputs, { initialState } = {}) =>
  normalisedChunkwise(inputs, { initialState, chunkSize: Math.max(1, inputs.q.shape[2]) });

/** Recurrent, divided by the row of decays alone: one token cannot see the other rows. */
export const normalisedRecurrent: NormalisedForm = (
  { gammas, ...qkv },
  { initialState, position = 0 } = {},
) => {
  const { B, N } = check('normalisedRecurrent', qkv, gammas);
  return tf.tidy(() => {
    const { output, state } = recurrentRetention(
      { ...qkv, logDecay: fixedLogDecay(gammas, B, N) },
      { initialState },
    );
    return { output: output.div<tf.Tensor4D>(rowScale(gammas, position, N)), state };
  });
};

/** Chunkwise: the parallel factor inside each chunk, or the carried state's where that is larger. */
export const normalisedChunkwise: NormalisedForm = (
  { gammas, ...qkv },
  { initialState, chunkSize = DEFAULT_CHUNK_SIZE } = {},
) => {
  const { B, N } = check('normalisedChunkwise', qkv, gammas);
  checkCount('normalisedChunkwise', 'chunkSize', chunkSize, 'tokens');
  return tf.tidy(() => {
    const sizes = chunkSizes(N, chunkSize);
    const Qs = cut(qkv.q, sizes);
    const Ks = cut(qkv.k, sizes);
    const Vs = cut(qkv.v, sizes);
    const held = tf.tensor4d(
      gammas.map((gamma) => heldOf(gamma, chunkSize)),
      [1, gammas.length, 1, 1],
    );
    let S = initialState;
    const outputs = sizes.map((c, i) => {
      const inputs = { q: Qs[i], k: Ks[i], v: Vs[i], logDecay: fixedLogDecay(gammas, B, c) };
      const { output, state } = parallelRetention(inputs, { initialState: S });
      const s = rowScale(gammas, 0, c);
      const A = tf.matMul(inputs.q, inputs.k, false, true).mul(decayMatrix(inputs.logDecay)).div(s);
      let scores = A.abs().sum(3, true).maximum(1);
      if (S) scores = scores.maximum(S.div(held).abs().sum(2, true).max(3, true));
      S = state;
      return output.div<tf.Tensor4D>(scores.mul(s));
    });
    return { output: tf.concat(outputs, 2), state: S! };
  });
};

export const normalisedForms = {
  parallel: normalisedParallel,
  recurrent: normalisedRecurrent,
  chunkwise: normalisedChunkwise,
} as const;

/** s_n = √(1 + γ + … + γ^(position + n)), [1,H,N,1]: summed on the host, in float64. */
function rowScale(gammas: readonly number[], position: number, N: number): tf.Tensor4D {
  const rows = gammas.flatMap((gamma) =>
    Array.from({ length: N }, (_, n) => Math.sqrt(heldOf(gamma, position + n + 1))),
  );
  return tf.tensor4d(rows, [1, gammas.length, N, 1]);
}

function check(
  where: string,
  tensors: { q: tf.Tensor4D; k: tf.Tensor4D; v: tf.Tensor4D },
  gammas: readonly number[],
) {
  const sizes = readShapes(
    where,
    { q: 'B H N Dk', k: 'B H N Dk', v: 'B H N Dv' } as const,
    tensors,
  );
  checkCount(where, 'N', sizes.N, 'tokens');
  if (gammas.length !== sizes.H)
    throw new RangeError(
      `${where}: there are ${gammas.length} gammas for ${sizes.H} heads; give one each.`,
    );
  return sizes;
}
