/** Wrong retention that only tests need: each comparison must notice it. See also pitfalls.ts. */
import * as tf from '@tensorflow/tfjs';
import { rmsNorm } from '../../src/layers/rms-norm';
import { lowerTriangle } from '../../src/retention/decay';
import {
  chunkwiseRetention,
  parallelRetention,
  type RetentionForm,
  type RetentionInputs,
  recurrentRetention,
  splitTime,
} from '../../src/retention/index';

/**
 * The decay matrix [B, H, c, c] with the mask after the exponential: exp(g_n − g_m) ⊙ triangle.
 * Above the diagonal g_n − g_m is positive and exp overflows: ∞ · 0 is NaN.
 */
export function decayMaskedAfterExp(logDecay: tf.Tensor3D): tf.Tensor4D {
  const [B, H, c] = logDecay.shape;
  return tf.tidy(() => {
    const g = tf.cumsum(logDecay, 2); // [B, H, c]
    const difference = g.reshape([B, H, c, 1]).sub(g.reshape([B, H, 1, c])); // [B, H, c, c]
    return difference.exp().mul(lowerTriangle(c));
  });
}

/** Parallel with the product 0 · logDecay in the mask: NaN for a gate of exactly 0. */
export const parallelWithInfiniteProduct: RetentionForm = ({ q, k, v, logDecay }) => {
  const [B, H, c] = logDecay.shape;
  const mask = lowerTriangle(c);
  const logD = tf.cumsum(logDecay.reshape([B, H, 1, c]).mul(mask), 3, true, true);
  const D = logD.exp().mul(mask);
  const output: tf.Tensor4D = tf.matMul(tf.matMul(q, k, false, true).mul(D), v);
  return { output, state: recurrentRetention({ q, k, v, logDecay }).state };
};

/** Every chunk starts from nothing. */
export const chunkwiseWithoutState: RetentionForm = (inputs, { chunkSize = 64 } = {}) => {
  const chunks = splitInputs(inputs, chunkSize).map((chunk) => parallelRetention(chunk));
  const output: tf.Tensor4D = tf.concat(
    chunks.map((chunk) => chunk.output),
    2,
  );
  return { output, state: chunks[chunks.length - 1].state };
};

/**
 * The inside of a chunk is normed, and the sum is normed again, as in the pseudo-code of the
 * paper's appendix. This returns what the second norm takes in.
 */
export const chunkwiseNormedTwice: RetentionForm = (inputs, options) => {
  const right = chunkwiseRetention(inputs, options);
  const inside = chunkwiseWithoutState(inputs, options).output;
  const fromEarlierChunks: tf.Tensor4D = right.output.sub(inside);
  return { output: fromEarlierChunks.add(rmsNorm(inside, 1e-5)), state: right.state };
};

/** Decay by distance on both sides of the diagonal: tokens read the future. */
export const withoutMask: RetentionForm = (inputs) => {
  const g = tf.cumsum(inputs.logDecay, 2);
  const D = g.expandDims(3).sub(g.expandDims(2)).abs().neg().exp();
  const scores = tf.matMul(inputs.q, inputs.k, false, true).mul(D);
  const output: tf.Tensor4D = tf.matMul(scores, inputs.v);
  return { output, state: recurrentRetention(inputs).state };
};

/** The token adds itself to the state only after it has read. */
export const readBeforeAdding: RetentionForm = (inputs) => {
  const { output, state } = recurrentRetention(inputs);
  const own = inputs.q.mul(inputs.k).sum(3, true).mul(inputs.v);
  return { output: output.sub(own), state };
};

/** The token decays before it is read. */
export const decayBeforeReading: RetentionForm = (inputs, options) => {
  const v: tf.Tensor4D = inputs.v.mul(inputs.logDecay.exp().expandDims(3));
  return recurrentRetention({ ...inputs, v }, options);
};

/** The last state decays once too often. */
export const stateDecayedTwice: RetentionForm = (inputs, options) => {
  const { output, state } = recurrentRetention(inputs, options);
  return { output, state: state.mul(0.9) };
};

function splitInputs({ q, k, v, logDecay }: RetentionInputs, chunkSize: number): RetentionInputs[] {
  const queries = splitTime(q, chunkSize);
  const keys = splitTime(k, chunkSize);
  const values = splitTime(v, chunkSize);
  const logDecays = splitTime(logDecay, chunkSize);
  return queries.map((_, i) => ({
    q: queries[i],
    k: keys[i],
    v: values[i],
    logDecay: logDecays[i],
  }));
}
