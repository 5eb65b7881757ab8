/** Heads: head h owns features h · D … (h + 1) · D − 1 of a hidden state. */
import type * as tf from '@tensorflow/tfjs';

/** [B, N, H · D] → [B, N, H, D]. */
export function splitHeads(x: tf.Tensor3D, heads: number): tf.Tensor4D {
  const [B, N, width] = x.shape;
  return x.reshape([B, N, heads, width / heads]);
}
/** [B, N, H, D] → [B, N, H · D]. */
export function mergeHeads(x: tf.Tensor4D): tf.Tensor3D {
  const [B, N, H, D] = x.shape;
  return x.reshape([B, N, H * D]);
}
