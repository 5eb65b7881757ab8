/**
 * RetNet's score normalisation: what its code divides by before the norm, to little effect.
 *
 *   parallel     plain_n / (s_n · max(1, Σ_m |A_nm|))      A = Q Kᵀ ⊙ D / s,  s_n = √(Σ_m D_nm)
 *   recurrent    plain_n / s_n                             s_n² = 1 + γ + … + γ^n, over all tokens
 *   chunkwise    plain_n / (s_n · max(1, Σ_m |A_nm|, a))   s and A inside the chunk; a = largest
 *                column sum of |S| / (1 + γ + … + γ^(c−1)), with S the state before the chunk
 *
 * The factors keep sums within half precision. They differ between the forms, so the forms disagree
 * (torchscale issues 40, 47, 54). But each is one positive number for each token and head, and the
 * norm that follows cancels it up to eps. Gated retention has no such factors.
 *
 * Source: RetNet, arXiv 2307.08621, "Retention score normalization"; torchscale
 * `multiscale_retention.py` and `RetNetRelPos`.
 * Differs from the code: it spreads the divisions over the computation and stops their gradient;
 * here plain retention is divided by the factor, which gives the same numbers.
 */
import * as tf from '@tensorflow/tfjs';
import { decayMatrix, fixedLogDecay } from '../retention/decay';
import { parallelRetention } from '../retention/parallel';
import { recurrentRetention } from '../retention/recurrent';
import {
  DEFAULT_CHUNK_SIZE,
  type RetentionInputs,
  type RetentionOptions,
  type RetentionResult,
  splitTime,
} from '../retention/retention-form';
import { checkCount, readShapes } from '../tensor/shapes';

/** As RetentionInputs, with one constant γ for each head. */
export type FixedDecayInputs = Omit<RetentionInputs, 'logDecay'> & { gammas: readonly number[] };

/** `position`: tokens before these, for the recurrent factor. The state is the plain one. */
export type NormalisedForm = (
  inputs: FixedDecayInputs,
  options?: RetentionOptions & { position?: number },
) => RetentionResult;

/** 1 + γ + … + γ^(n−1). */
export const geometricSum = (gamma: number, n: number): number =>
  gamma === 1 ? n : (1 - gamma ** n) / (1 - gamma);

/** Divided by the root of the row's decays and by the row's scores: one chunk of all tokens. */
const normalisedParallel: NormalisedForm = (inputs, { initialState } = {}) =>
  normalisedChunkwise(inputs, { initialState, chunkSize: Math.max(1, inputs.q.shape[2]) });

/** Divided by the root of the row's decays alone: one token does not see the other rows. */
const normalisedRecurrent: NormalisedForm = (inputs, { initialState, position = 0 } = {}) => {
  const { B, N } = checkInputs('normalisedRecurrent', inputs);
  return tf.tidy(() => {
    const logDecay = fixedLogDecay(inputs.gammas, B, N); // [B, H, N]
    const plain = recurrentRetention({ ...inputs, logDecay }, { initialState });
    const output: tf.Tensor4D = plain.output.div(rowScale(inputs.gammas, position, N));
    return { output, state: plain.state };
  });
};

/** Divided as the parallel form inside each chunk, or by the carried state where that is larger. */
const normalisedChunkwise: NormalisedForm = (inputs, options = {}) => {
  const { initialState, chunkSize = DEFAULT_CHUNK_SIZE } = options;
  const { B, H } = checkInputs('normalisedChunkwise', inputs);
  checkCount('normalisedChunkwise', 'chunkSize', chunkSize, 'tokens');

  return tf.tidy(() => {
    const queries = splitTime(inputs.q, chunkSize);
    const keys = splitTime(inputs.k, chunkSize);
    const values = splitTime(inputs.v, chunkSize);
    const { gammas } = inputs;
    const chunkSums = gammas.map((gamma) => geometricSum(gamma, chunkSize));
    const stateScale = tf.tensor4d(chunkSums, [1, H, 1, 1]);

    const outputs: tf.Tensor4D[] = [];
    let S = initialState; // [B, H, Dk, Dv]
    for (let i = 0; i < queries.length; i++) {
      const c = queries[i].shape[2]; // the last chunk may be shorter
      const chunk = { q: queries[i], k: keys[i], v: values[i] };
      const logDecay = fixedLogDecay(gammas, B, c); // [B, H, c]
      const plain = parallelRetention({ ...chunk, logDecay }, { initialState: S });

      const s = rowScale(gammas, 0, c); // [1, H, c, 1]
      const scores = tf.matMul(chunk.q, chunk.k, false, true); // [B, H, c, c]
      const A = scores.mul(decayMatrix(logDecay)).div(s); // [B, H, c, c]
      let factor = A.abs().sum(3, true).maximum(1); // [B, H, c, 1]
      if (S) {
        const columnSums = S.div(stateScale).abs().sum(2, true); // [B, H, 1, Dv]
        factor = factor.maximum(columnSums.max(3, true)); // [B, H, c, 1]
      }
      outputs.push(plain.output.div(factor.mul(s))); // [B, H, c, Dv]
      S = plain.state;
    }
    return { output: tf.concat(outputs, 2), state: S as tf.Tensor4D };
  });
};

export const normalisedForms = {
  parallel: normalisedParallel,
  recurrent: normalisedRecurrent,
  chunkwise: normalisedChunkwise,
} as const;

/** s_n = √(1 + γ + … + γ^(position + n)), [1, H, N, 1]: summed on the host, in float64. */
function rowScale(gammas: readonly number[], position: number, N: number): tf.Tensor4D {
  const scale: number[] = [];
  for (const gamma of gammas)
    for (let n = 0; n < N; n++) scale.push(Math.sqrt(geometricSum(gamma, position + n + 1)));
  return tf.tensor4d(scale, [1, gammas.length, N, 1]);
}

function checkInputs(where: string, { q, k, v, gammas }: FixedDecayInputs) {
  const spec = { q: 'B H N Dk', k: 'B H N Dk', v: 'B H N Dv' } as const;
  const sizes = readShapes(where, spec, { q, k, v });
  checkCount(where, 'N', sizes.N, 'tokens');
  if (gammas.length !== sizes.H)
    throw new RangeError(
      `${where}: there are ${gammas.length} gammas for ${sizes.H} heads; give one each.`,
    );
  return sizes;
}
