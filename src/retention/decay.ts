/**
 * Decay: how much of the past is left. At every token the gate γ in [0, 1] multiplies the state.
 *
 *   D[n,m] = γ_{m+1} ⋯ γ_n = exp(Σ_{m < i ≤ n} ln γ_i)   for m ≤ n, else 0
 *
 * D is a lower triangle with ones on its diagonal; each step down or to the left is one more gate.
 *
 * The paper writes β_n / β_m with β the running product. In float32 β is 0 after some hundred
 * strong gates, and 0/0 is NaN (pitfalls.ts). The usual remedy subtracts running sums of ln γ.
 * Here every entry is the sum of only the gates between m and n: it is finite too, and it loses no
 * digits when one ln γ of −10⁴ stands among others of −0.01, where two large sums would cancel.
 *
 * Source: YOCO, arXiv 2405.05254, gated retention (arXiv eqs. 4 to 6, NeurIPS 5 to 7); RetNet,
 * arXiv 2307.08621, for a constant γ.
 */
import * as tf from '@tensorflow/tfjs';
import { checkCount } from '../tensor/shapes';

/** The gates of one chunk of c tokens, multiplied in the four ways that retention needs. */
export type ChunkDecay = {
  /** D [B, H, c, c]: what is left at token n of token m. */
  D: tf.Tensor4D;
  /** β_n [B, H, c, 1]: what is left at token n of the state before the chunk. */
  beta: tf.Tensor4D;
  /** β_last / β_m [B, H, c, 1]: what is left of token m at the chunk's end; D's last row. */
  decayToEnd: tf.Tensor4D;
  /** β_last [B, H, 1, 1]: what is left of the state before the chunk at the chunk's end. */
  chunkDecayTotal: tf.Tensor4D;
};

/** logDecay [B, H, c] → all four. The caller owns them. */
export function chunkDecay(logDecay: tf.Tensor3D): ChunkDecay {
  const [B, H, c] = logDecay.shape;
  return tf.tidy(() => {
    const logBeta = tf.cumsum(logDecay, 2); // [B, H, c]
    const logToEnd = tf.cumsum(logDecay, 2, true, true); // [B, H, c], from the right, without m
    const logTotal = logDecay.sum(2); // [B, H]
    return {
      D: decayMatrix(logDecay),
      beta: logBeta.exp().reshape([B, H, c, 1]),
      decayToEnd: logToEnd.exp().reshape([B, H, c, 1]),
      chunkDecayTotal: logTotal.exp().reshape([B, H, 1, 1]),
    };
  });
}

/** e^-200 is 0 in float32, as e^-∞ is. But −200 · 0 is 0, and −∞ · 0 is NaN. */
const LOG_OF_ZERO = -200;

/** logDecay [B, H, c] → D [B, H, c, c]. The caller owns it. */
export function decayMatrix(logDecay: tf.Tensor3D): tf.Tensor4D {
  const [B, H, c] = logDecay.shape;
  return tf.tidy(() => {
    const mask = lowerTriangle(c); // [c, c]
    const finite = tf.maximum(logDecay, LOG_OF_ZERO).reshape([B, H, 1, c]);
    const gatesUpToRow = finite.mul(mask); // [B, H, c, c], row n holds gates 0 … n
    // From the right and without the entry itself: what remains at [n, m] are gates m + 1 … n.
    const logD = tf.cumsum(gatesUpToRow, 3, true, true); // [B, H, c, c]
    // Mask before exp: above the diagonal logD is 0, so that exp cannot overflow; it is 1 there,
    // which the second mask makes 0.
    return logD.exp().mul(mask);
  });
}

/** [c, c], 1 where column ≤ row. Filled on the host: comparing positions is slow on wasm. */
export function lowerTriangle(c: number): tf.Tensor2D {
  const mask = new Float32Array(c * c);
  for (let n = 0; n < c; n++) mask.fill(1, n * c, n * c + n + 1);
  return tf.tensor2d(mask, [c, c]);
}

/**
 * YOCO's gate γ = σ(z)^(1/τ), as ln γ = −softplus(−z) / τ. gateLogit z of any shape; the caller
 * owns the result.
 *
 * τ moves γ towards 1: with z = 0 half is left after τ tokens instead of one. ln(σ(z)) would be −∞
 * for z < −104, where σ(z) is 0 in float32; softplus stays finite. (The gradient of `tf.logSigmoid`
 * fails on intermediate results.)
 */
export function gateLogDecay<T extends tf.Tensor>(gateLogit: T, temperature: number): T {
  if (!(temperature > 0))
    throw new RangeError(
      `gateLogDecay: the temperature τ is ${temperature}; give a number above 0 ` +
        `(16 in the official code).`,
    );
  return tf.tidy(() => tf.softplus(gateLogit.neg()).div(-temperature));
}

/** RetNet's γ_h = 1 − 2^(−5−h), h = 0, 1, …: each head forgets half as fast as the one before. */
export function retNetGammas(heads: number): number[] {
  checkCount('retNetGammas', 'heads', heads, 'heads');
  return Array.from({ length: heads }, (_, h) => 1 - 2 ** (-5 - h));
}

/** The same γ at every token: one γ per head → logDecay [B, H, N]. The caller owns it. */
export function fixedLogDecay(gammas: readonly number[], B: number, N: number): tf.Tensor3D {
  const refused = gammas.find((gamma) => !(gamma >= 0 && gamma <= 1));
  if (refused !== undefined)
    throw new RangeError(
      `fixedLogDecay: a gamma is ${refused}; give numbers from 0 (forgets everything) ` +
        `to 1 (forgets nothing).`,
    );
  return tf.tidy(() => {
    const perHead = tf.tensor3d(gammas.map(Math.log), [1, gammas.length, 1]);
    return perHead.tile([B, 1, N]);
  });
}

/** Tokens after which half is left, for a constant γ: ln ½ / ln γ. ∞ for γ = 1. */
export function halfLife(gamma: number): number {
  if (!(gamma > 0 && gamma <= 1))
    throw new RangeError(`halfLife: gamma is ${gamma}; give a number above 0 and at most 1.`);
  return gamma === 1 ? Infinity : Math.LN2 / -Math.log(gamma);
}
