/**
 * Decay: how much of the past is left. γ between 0 and 1 multiplies the memory at every token.
 *
 *   D[n,m] = γ_{m+1} ⋯ γ_n = exp(Σ_{m < i ≤ n} ln γ_i)   for m ≤ n, else 0
 *
 * Picture a triangle: ones on the diagonal (the newcomer has not faded), and every step to the left or down crosses a gate.
 *
 * The paper writes β_n/β_m with β the running product. Never compute that: after some hundred strong gates β is 0 in
 * float32, and 0/0 is NaN (`famous-mistakes.ts` shows it). The usual cure subtracts running sums of logarithms, g_n − g_m.
 * Here every entry is the sum of just the gates it crosses: also finite, and it loses no digits when one gate of −10⁴
 * stands among gates of −0.01, where two large g would cancel. It costs the same c² numbers.
 *
 * Source: YOCO, "gated retention" (arXiv eqs. 4 to 6, NeurIPS eqs. 5 to 7); RetNet, arXiv 2307.08621, for fixed γ.
 */
import * as tf from '@tensorflow/tfjs';
import { checkCount } from '../tensor/shapes';

/** The gates of one chunk of c tokens, multiplied up in the four ways in which retention needs them. */
export interface ChunkDecay {
  /** D [B,H,c,c]: what of token m is left at token n. */
  D: tf.Tensor4D;
  /** β_n [B,H,c,1]: what of the state before the chunk is left at token n, that token's own gate included. */
  beta: tf.Tensor4D;
  /** β_last/β_m [B,H,c,1]: what of token m is left at the chunk's end. The last row of D, standing. */
  toEnd: tf.Tensor4D;
  /** β_last [B,H,1,1]: what of the state before the chunk is left at its end. */
  overall: tf.Tensor4D;
}

/** logDecay [B,H,c] → all four. The caller owns them. */
export function chunkDecay(logDecay: tf.Tensor3D): ChunkDecay {
  const [B, H, c] = logDecay.shape;
  return tf.tidy(() => ({
    D: decayMatrix(logDecay),
    beta: tf.cumsum(logDecay, 2).exp().reshape<tf.Tensor4D>([B, H, c, 1]),
    toEnd: tf.cumsum(logDecay, 2, true, true).exp().reshape<tf.Tensor4D>([B, H, c, 1]),
    overall: logDecay.sum(2).exp().reshape<tf.Tensor4D>([B, H, 1, 1]),
  }));
}

/** D [B,H,c,c] from logDecay [B,H,c]. The caller owns it. */
export function decayMatrix(logDecay: tf.Tensor3D): tf.Tensor4D {
  const [B, H, c] = logDecay.shape;
  return tf.tidy(() => {
    const triangle = lowerTriangle(c);
    // Row n keeps the gates up to n; summed from the right, without the entry itself, column m then holds gates m+1 … n.
    const gatesUpTo = logDecay.reshape<tf.Tensor4D>([B, H, 1, c]).mul<tf.Tensor4D>(triangle);
    const logD = tf.cumsum<tf.Tensor4D>(gatesUpTo, 3, true, true);
    // Mask first, exp second: above the diagonal logD is 0, so exp cannot overflow and the gradient of the masked part is
    // 0 · 1. The second mask turns those ones into zeros.
    return logD.exp().mul<tf.Tensor4D>(triangle);
  });
}

/** [c,c]: 1 where column ≤ row. Filled on the host: comparing positions on wasm takes longer than all the rest of D. */
export function lowerTriangle(c: number): tf.Tensor2D {
  const rows = new Float32Array(c * c);
  for (let n = 0; n < c; n++) rows.fill(1, n * c, n * c + n + 1);
  return tf.tensor2d(rows, [c, c]);
}

/**
 * YOCO's gate, from the input: γ = σ(z)^(1/τ), as ln γ = −softplus(−z)/τ. z of any shape; the caller owns the result.
 *
 * τ pulls γ towards 1: an undecided gate (z = 0) halves the memory in τ tokens instead of one. ln(σ(z)) would be −∞ for
 * z < −104, where σ(z) is 0 in float32; softplus stays finite. (`tf.logSigmoid` would say the same, but its gradient fails
 * on intermediate results.)
 */
export function gateLogDecay<T extends tf.Tensor>(gateLogit: T, temperature: number): T {
  if (!(temperature > 0))
    throw new RangeError(
      `gateLogDecay: the temperature τ is ${temperature}; give a number above 0 (16 in the official code).`,
    );
  return tf.tidy(() => tf.softplus(gateLogit.neg()).div<T>(-temperature));
}

/** RetNet's γ_h = 1 − 2^(−5−h), h = 0, 1, …: each head forgets about half as fast as the one before. */
export function retNetGammas(heads: number): number[] {
  checkCount('retNetGammas', 'heads', heads, 'heads');
  return Array.from({ length: heads }, (_, h) => 1 - 2 ** (-5 - h));
}

/** The same γ at every token: logDecay [B,H,N] from one γ per head. The caller owns it. */
export function fixedLogDecay(gammas: readonly number[], B: number, N: number): tf.Tensor3D {
  const refused = gammas.find((gamma) => !(gamma > 0 && gamma <= 1));
  if (refused !== undefined)
    throw new RangeError(
      `fixedLogDecay: a gamma is ${refused}; give numbers above 0 and at most 1 (1 forgets nothing).`,
    );
  return tf.tidy(() => {
    const perHead = tf.tensor3d(gammas.map(Math.log), [1, gammas.length, 1]);
    return perHead.tile([B, 1, N]);
  });
}

/** Tokens after which half is forgotten, for a constant γ: ln ½ / ln γ. ∞ for γ = 1. */
export function halfLife(gamma: number): number {
  if (!(gamma > 0 && gamma <= 1))
    throw new RangeError(`halfLife: gamma is ${gamma}; give a number above 0 and at most 1.`);
  return gamma === 1 ? Infinity : Math.LN2 / -Math.log(gamma);
}
