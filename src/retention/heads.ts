/**
 * Hidden states hold the heads side by side in one row of features; retention wants each head's time axis together.
 * Head h owns features h·D … (h+1)·D − 1.
 */
import * as tf from '@tensorflow/tfjs';
import { checkCount, readShapes } from '../tensor/shapes';
import type { RetentionState } from './retention-state';

/** [B,N,H·D] → [B,H,N,D]. `turn` sees [B,N,H,D], the layout in which positions are turned. */
export function splitHeads(
  x: tf.Tensor3D,
  heads: number,
  turn: (x: tf.Tensor4D) => tf.Tensor4D = (y) => y,
): tf.Tensor4D {
  const [B, N, dim] = x.shape;
  return tf.tidy(() =>
    turn(x.reshape([B, N, heads, dim / heads])).transpose<tf.Tensor4D>([0, 2, 1, 3]),
  );
}

/** [B,H,N,D] → [B,N,H·D]. */
export function joinHeads(x: tf.Tensor4D): tf.Tensor3D {
  const [B, H, N, D] = x.shape;
  return tf.tidy(() => x.transpose([0, 2, 1, 3]).reshape<tf.Tensor3D>([B, N, H * D]));
}

/** @throws RangeError, before anything is computed, unless x is [B,N,dim] for the memory's B and at least one token. */
export function checkPiece(
  where: string,
  x: tf.Tensor3D,
  dim: number,
  memory?: RetentionState,
): { B: number; N: number } {
  const {
    B,
    N,
    dim: features,
  } = readShapes(where, { x: 'B N dim', memory: 'B H Dk Dv' }, { x, memory: memory?.state });
  checkCount(where, 'N', N, 'tokens');
  if (features !== dim)
    throw new RangeError(
      `${where}: x is [${x.shape}], but the layer was made for dim ${dim}; x is [B, N, dim].`,
    );
  return { B, N };
}
