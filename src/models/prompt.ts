/** Everything that can be wrong with tokens and options is checked here, before a layer runs. */
import * as tf from '@tensorflow/tfjs';
import { checkPadLengths, type PadLengths, padLengthsWithin } from '../layers/padding';
import { checkCount, shown } from '../tensor/shapes';
import type { LanguageModel, PrefillOptions, Tokens } from './language-model';
import { ModelCache } from './model-cache';

export interface PromptChunk {
  tokens: tf.Tensor2D; // [B, c]
  padLengths?: PadLengths;
}

/**
 * Checks a call of `forward` or `prefill`, then cuts the tokens along time into chunks of at most
 * `prefillChunkSize`; without a cache there is one chunk. Call it inside a tidy.
 * @throws RangeError or Error naming what was given, what is allowed and what to do.
 */
export function readPrompt(
  where: string,
  model: LanguageModel,
  tokens: Tokens,
  cache: ModelCache | undefined,
  { padLengths, prefillChunkSize = 4096 }: PrefillOptions,
): PromptChunk[] {
  checkModel(where, model);
  checkCount(where, 'prefillChunkSize', prefillChunkSize, 'tokens');
  const ids = tokenTensor(where, tokens, model.config.vocabSize); // [B, N]
  const [B, N] = ids.shape;
  if (cache === undefined) {
    if (padLengths)
      throw new RangeError(`${where}: padLengths need a cache; give newCache(${B}) with them.`);
    return [{ tokens: ids }];
  }
  if (!(cache instanceof ModelCache))
    throw new TypeError(`${where}: cache is ${shown(cache)}; give what newCache(${B}) returned.`);
  cache.checkBelongsTo(model, where, B);
  if (padLengths !== undefined) checkPadLengths(where, padLengths, B, N);

  const chunks: PromptChunk[] = [];
  for (let start = 0; start < N; start += prefillChunkSize) {
    const c = Math.min(prefillChunkSize, N - start); // tokens in this chunk
    chunks.push({
      tokens: c === N ? ids : ids.slice([0, start], [-1, c]),
      padLengths: padLengthsWithin(padLengths, start, c),
    });
  }
  return chunks;
}

/** @throws Error if the model was disposed. */
function checkModel(where: string, model: LanguageModel): void {
  if (model.parameters.isDisposed)
    throw new Error(`${where}: the model was disposed; make or load it again.`);
}

/** [B, N] int32; the caller owns it. @throws RangeError for an empty or ragged batch, or no id. */
export function tokenTensor(where: string, tokens: Tokens, vocabSize: number): tf.Tensor2D {
  if (tokens instanceof tf.Tensor) {
    if (tokens.rank !== 2 || tokens.dtype !== 'int32' || tokens.size === 0)
      throw new RangeError(
        `${where}: tokens are [${tokens.shape}] ${tokens.dtype}; ` +
          `give int32 ids as [B, N], at least one.`,
      );
    checkIds(where, [tokens.dataSync()], vocabSize, tokens.shape[1]);
    return tokens.clone();
  }
  if (!isRows(tokens))
    throw new TypeError(
      `${where}: tokens are ${asText(tokens)}; give rows of ids such as [[1, 2, 3]]; ` +
        `a tokenizer's encode(text) makes a row of a text.`,
    );
  const N = tokens[0]?.length ?? 0;
  if (N === 0)
    throw new RangeError(`${where}: there are no tokens; give at least one row of at least one.`);
  for (const [b, row] of tokens.entries()) {
    if (row.length !== N)
      throw new RangeError(
        `${where}: sequence ${b} has ${row.length} tokens, sequence 0 has ${N}; a batch needs ` +
          `equal lengths: leftPad(rows) makes them, with the padLengths to pass on.`,
      );
  }
  checkIds(where, tokens, vocabSize, N);
  return tf.tensor2d(tokens as number[][], [tokens.length, N], 'int32');
}

/** Arrays or typed arrays of ids, as callers without type checks may not give. */
const isRows = (tokens: unknown): tokens is readonly (readonly number[])[] =>
  Array.isArray(tokens) && tokens.every((row) => Array.isArray(row) || ArrayBuffer.isView(row));

/** In float64, before a tensor is made: an int32 tensor would wrap ids from 2³¹ up. */
function checkIds(
  where: string,
  rows: readonly ArrayLike<number>[],
  vocabSize: number,
  N: number,
): void {
  rows.forEach((row, b) => {
    for (let i = 0; i < row.length; i++) {
      if (Number.isInteger(row[i]) && row[i] >= 0 && row[i] < vocabSize) continue;
      const sequence = b + Math.floor(i / N);
      throw new RangeError(
        `${where}: token ${i % N} of sequence ${sequence} is ${row[i]}; ` +
          `ids are whole numbers from 0 to ${vocabSize - 1}, the vocabulary of this model.`,
      );
    }
  });
}

const asText = (value: unknown): string => (JSON.stringify(value) ?? String(value)).slice(0, 40);

/** One token per sequence, [B] → [B, 1]. @throws RangeError for anything else. */
export function oneTokenEach(where: string, token: readonly number[] | tf.Tensor1D): Tokens {
  if (token instanceof tf.Tensor && token.rank === 1) return token.reshape<tf.Tensor2D>([-1, 1]);
  if (Array.isArray(token) && token.length > 0) return token.map((id) => [id]);
  throw new RangeError(
    `${where}: token is ${token instanceof tf.Tensor ? `[${token.shape}]` : asText(token)}; ` +
      `give one id for each sequence, such as [7].`,
  );
}

/** The last position of hidden states: [B, N, dim] → [B, 1, dim]. */
export const lastPosition = (x: tf.Tensor3D): tf.Tensor3D => lastPositions(x, 1);

/** The last `count` positions: [B, N, dim] → [B, count, dim]. */
export const lastPositions = (x: tf.Tensor3D, count: number): tf.Tensor3D =>
  x.slice([0, x.shape[1] - count, 0], [-1, count, -1]);

/** Chunks [B, c, vocab] along time → [B, N, vocab]. */
export const concatTime = (chunks: tf.Tensor3D[]): tf.Tensor3D =>
  chunks.length === 1 ? chunks[0] : tf.concat(chunks, 1);
