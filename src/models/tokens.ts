/** Token ids as tensors, checked on the way in: a wrong shape is refused before a layer runs. */
import * as tf from '@tensorflow/tfjs';
import { checkPadding, type Padding, paddingWithin } from '../layers/padding';
import { checkCount } from '../tensor/shapes';
import type { ModelCache, PrefillOptions, Tokens } from './language-model';

/** [B,N] int32. The caller owns it (call inside a tidy). @throws RangeError for an empty or ragged batch. */
export function tokenTensor(where: string, tokens: Tokens): tf.Tensor2D {
  if (tokens instanceof tf.Tensor) {
    if (tokens.rank !== 2 || tokens.dtype !== 'int32' || tokens.size === 0)
      throw new RangeError(
        `${where}: tokens are [${tokens.shape}] ${tokens.dtype}; give int32 ids as [B, N], at least one.`,
      );
    return tokens.clone();
  }
  const N = tokens[0]?.length ?? 0;
  if (N === 0)
    throw new RangeError(
      `${where}: there are no tokens; give at least one sequence of at least one token.`,
    );
  tokens.forEach((row, b) => {
    if (row.length !== N)
      throw new RangeError(
        `${where}: sequence ${b} has ${row.length} tokens, sequence 0 has ${N}; a batch needs equal lengths: leftPadded(rows) makes them, with the padding to pass on.`,
      );
    row.forEach((id, n) => {
      if (!Number.isInteger(id))
        throw new RangeError(
          `${where}: token ${n} of sequence ${b} is ${id}; ids are whole numbers.`,
        );
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
    throw new RangeError(
      `${where}: tokens hold ${tokens.shape[0]} sequences, the cache ${cache.batch}; make one with newCache(${tokens.shape[0]}).`,
    );
}

export interface Piece {
  ids: tf.Tensor2D;
  padding?: Padding;
}
/** Cuts [B,N] along time into pieces of at most `pieceSize`, the last one short; each with its share of the padding. */
export function inPieces(
  where: string,
  tokens: tf.Tensor2D,
  { pieceSize = 4096, padding }: PrefillOptions,
): Piece[] {
  checkCount(where, 'pieceSize', pieceSize, 'tokens');
  const [B, N] = tokens.shape;
  if (padding) checkPadding(where, padding, B, N);
  const sizes = Array.from({ length: Math.ceil(N / pieceSize) }, (_, i) =>
    Math.min(pieceSize, N - i * pieceSize),
  );
  const pieces = sizes.length === 1 ? [tokens] : tf.split<tf.Tensor2D>(tokens, sizes, 1);
  return pieces.map((ids, i) => ({
    ids,
    padding: paddingWithin(padding, i * pieceSize, sizes[i]),
  }));
}

/** @throws RangeError for options that contradict each other. */
export function checkExit(
  where: string,
  { earlyExit = true, logits = 'last' }: PrefillOptions,
): void {
  if (logits !== 'last' && logits !== 'all')
    throw new RangeError(`${where}: logits is ${JSON.stringify(logits)}; allowed: last, all.`);
  if (logits === 'all' && earlyExit)
    throw new RangeError(
      `${where}: logits of all positions were asked for, but the early exit computes the upper half for the last position alone; ` +
        'say earlyExit: false for the full pass, or scorePrompt() for the log-probabilities of a prompt.',
    );
}

/** Pieces [B,n,vocab] along time, as one. */
export const joinPieces = (pieces: tf.Tensor3D[]): tf.Tensor3D =>
  pieces.length === 1 ? pieces[0] : tf.concat(pieces, 1);

/** The last position of hidden states: [B,N,dim] → [B,1,dim]. */
export const lastPosition = (x: tf.Tensor3D): tf.Tensor3D =>
  x.slice([0, x.shape[1] - 1, 0], [-1, 1, -1]);
