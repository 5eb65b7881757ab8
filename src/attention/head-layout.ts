/**
 * How heads lie in a tensor. Layers and caches have [B, N, H, D], a token's heads side by side. A
 * matrix product needs one matrix per head: the fast forms work on [B·Hkv, N·G, D], where the
 * G = H/Hkv query heads of one key/value head are rows of one matrix. So no key is repeated.
 */
import type * as tf from '@tensorflow/tfjs';

/** [B, N, H, D] → [B·Hkv, N·G, D]: query head h belongs to key/value head ⌊h / G⌋. */
export function foldHeads(x: tf.Tensor4D, Hkv: number): tf.Tensor3D {
  const [B, N, H, D] = x.shape;
  const groups = exchange(x.reshape([B, N, Hkv, (H / Hkv) * D])); // [B, Hkv, N, G·D]
  return groups.reshape([B * Hkv, (N * H) / Hkv, D]);
}
/** [B·Hkv, N·G, D] → [B, N, H, D]. */
export function unfoldHeads(x: tf.Tensor3D, B: number, N: number): tf.Tensor4D {
  const [BHkv, NG, D] = x.shape;
  const [Hkv, G] = [BHkv / B, NG / N];
  const groups = exchange(x.reshape([B, Hkv, N, G * D])); // [B, N, Hkv, G·D]
  return groups.reshape([B, N, Hkv * G, D]);
}

/** Exchanges axes 1 and 2; if one of them has length 1, nothing has to be moved. */
function exchange(x: tf.Tensor4D): tf.Tensor4D {
  const [a, b, c, d] = x.shape;
  return b === 1 || c === 1 ? x.reshape([a, c, b, d]) : x.transpose([0, 2, 1, 3]);
}
