/**
 * Two ways to lay out heads. The world outside speaks [B, N, H, D]: a token's heads side by side. A matrix product wants
 * one matrix per head, so inside we speak [B·Hkv, G, N, D]: G = H/Hkv query heads stand over the key/value head they
 * share. Folding G into the rows of the product gives grouped heads without ever repeating a key.
 */
import type * as tf from '@tensorflow/tfjs';

/** [B,N,H,D] → [B·Hkv, G, N, D]: query head h belongs to key/value head ⌊h / G⌋. */
export function foldQueries(q: tf.Tensor4D, Hkv: number): tf.Tensor4D {
  const [B, N, H, D] = q.shape;
  return headsFirst(q).reshape([B * Hkv, H / Hkv, N, D]);
}
/** [B·Hkv, G, N, D] → [B,N,H,D]. */
export function unfoldQueries(q: tf.Tensor4D, B: number): tf.Tensor4D {
  const [BHkv, G, N, D] = q.shape;
  return timeFirst(q.reshape([B, (BHkv / B) * G, N, D]));
}
/** [B,M,Hkv,D] → [B·Hkv, M, D]. */
export function foldKeys(k: tf.Tensor4D): tf.Tensor3D {
  const [B, M, Hkv, D] = k.shape;
  return headsFirst(k).reshape([B * Hkv, M, D]);
}
/** [B·Hkv, M, D] → [B,M,Hkv,D]. */
export function unfoldKeys(k: tf.Tensor3D, B: number): tf.Tensor4D {
  const [BHkv, M, D] = k.shape;
  return timeFirst(k.reshape([B, BHkv / B, M, D]));
}

/** Swaps time and heads. With one token or one head nothing moves, and a reshape costs nothing. */
function headsFirst(x: tf.Tensor4D): tf.Tensor4D {
  const [B, N, H, D] = x.shape;
  return N === 1 || H === 1 ? x.reshape([B, H, N, D]) : x.transpose([0, 2, 1, 3]);
}
function timeFirst(x: tf.Tensor4D): tf.Tensor4D {
  const [B, H, N, D] = x.shape;
  return N === 1 || H === 1 ? x.reshape([B, N, H, D]) : x.transpose([0, 2, 1, 3]);
}
