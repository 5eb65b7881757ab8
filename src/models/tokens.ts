/** Token ids as tensors, checked on the way in: a wrong shape is refused before a layer runs. */
import * as tf from '@tensorflow/tfjs';
import { checkCount } from '../engine/shapes';
import type { ModelCache, Tokens } from './language-model';

/** [B,N] int32. The caller owns it (call inside a tidy). @throws RangeError for an empty or ragged batch. */
export function tokenTensor(where: string, tokens: Tokens): tf.Tensor2D {
  if (tokens instanceof tf.Tensor) {
    if (tokens.rank !== 2 || tokens.dtype !== 'int32' || tokens.size === 0)
      throw new RangeError(`${where}: tokens are [${tokens.shape}] ${tokens.dtype}; give int32 ids as [B, N], at least one.`);
    return tokens.clone();
  }
  const N = tokens[0]?.length ?? 0;
  if (N === 0) throw new RangeError(`${where}: there are no tokens; give at least one sequence of at least one token.`);
  tokens.forEach((row, b) => {
    if (row.length !== N) throw new RangeError(`${where}: sequence ${b} has ${row.length} tokens, sequence 0 has ${N}; a batch needs equal lengths.`);
    row.forEach((id, n) => {
      if (!Number.isInteger(id)) throw new RangeError(`${where}: token ${n} of sequence ${b} is ${id}; ids are whole numbers.`);
    });
  });
  return tf.tensor2d(tokens as number[][], [tokens.length, N], 'int32');
}

/** One token per sequence, [B] → [B,1]. */
export function oneTokenEach(where: string, token: readonly number[] | tf.Tensor1D): tf.Tensor2D {
  if (token instanceof tf.Tensor) return tokenTensor(where, token.reshape<tf.Tensor2D>([-1, 1]));
  return tokenTensor(
    where,
    token.map((id) => [id]),
  );
}

/** @throws RangeError if the cache was made for another number of sequences. */
export function checkBatch(where: string, tokens: tf.Tensor2D, cache: ModelCache): void {
  if (tokens.shape[0] !== cache.batch)
    throw new RangeError(`${where}: tokens hold ${tokens.shape[0]} sequences, the cache ${cache.batch}; make one with newCache(${tokens.shape[0]}).`);
}

/** Cuts [B,N] along time into pieces of at most `pieceSize`, the last one short. */
export function inPieces(where: string, tokens: tf.Tensor2D, pieceSize: number): tf.Tensor2D[] {
  checkCount(where, 'pieceSize', pieceSize, 'tokens');
  const N = tokens.shape[1];
  const sizes = Array.from({ length: Math.ceil(N / pieceSize) }, (_, i) => Math.min(pieceSize, N - i * pieceSize));
  return sizes.length === 1 ? [tokens] : tf.split(tokens, sizes, 1);
}

/** The last position of hidden states: [B,N,dim] → [B,1,dim]. */
export const lastPosition = (x: tf.Tensor3D): tf.Tensor3D => x.slice([0, x.shape[1] - 1, 0], [-1, 1, -1]);
