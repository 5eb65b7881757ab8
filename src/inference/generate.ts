/**
 * Text, one token at a time: prefill the prompt, then sample, step, sample, step …
 *
 *   prompt ──prefill──▶ logits ──sample──▶ token ──step──▶ logits ──sample──▶ token …
 *
 * The last token of a run is returned but not fed back, because nobody needs the logits after it.
 * So the cache ends one token before the text does, and a run that continues begins with that token
 * (see conversation.ts).
 */
import type * as tf from '@tensorflow/tfjs';
import { leftPad } from '../layers/padding';
import type { LanguageModel } from '../models/language-model';
import type { ModelCache } from '../models/model-cache';
import { tokenTensor } from '../models/prompt';
import { Interruption } from '../tensor/interruption';
import { seededStream } from '../tensor/random';
import { checkCount, shown } from '../tensor/shapes';
import { checkSampling, type SamplingOptions, sample } from './sampling';

export interface GenerateOptions extends SamplingOptions {
  maxNewTokens: number;
  /** Row r draws from stream r of this seed, whatever the other rows are. Default 0. */
  seed?: number;
  /** A row ends with the first of these that it produces, which is part of the result. */
  stopTokens?: readonly number[];
  /**
   * The prompts continue what this cache holds. It stays the caller's, but nobody else can use it
   * during the run. Default: a new cache, disposed at the end.
   */
  cache?: ModelCache;
  /** Tokens of the prompt computed at once. */
  prefillChunkSize?: number;
}

/** What every row has just produced. */
export interface GeneratedStep {
  /** 0 for the first new token. */
  index: number;
  /** One per row; undefined for a row that has met a stop token before. */
  tokens: (number | undefined)[];
  /** The logits that were sampled from, [vocab] for each row. */
  logits: Float32Array[];
}

/**
 * Yields each token as it comes. If the loop is left early, the run ends and its memory is freed.
 * Prompts may differ in length: each row gets the result that it would get alone.
 * @throws TypeError, RangeError or Error for prompts, options or a cache that are not allowed,
 * before anything is computed; Interrupted if the reader stops it (■).
 */
export async function* generateStream(
  model: LanguageModel,
  prompts: readonly (readonly number[])[],
  options: GenerateOptions,
): AsyncGenerator<GeneratedStep, void, undefined> {
  const { maxNewTokens, seed = 0, stopTokens = [], prefillChunkSize } = options;
  checkPrompts('generate', prompts, model);
  checkCount('generate', 'maxNewTokens', maxNewTokens, 'tokens');
  checkSampling('generate', options);
  checkStopTokens(stopTokens, model.config.vocabSize);
  options.cache?.checkBelongsTo(model, 'generate', prompts.length);
  const randoms = prompts.map((_, row) => seededStream(seed, row));
  const running = prompts.map(() => true);
  const interruption = new Interruption();

  const cache = options.cache?.borrow('generate') ?? model.newCache(prompts.length);
  try {
    const { tokens: rows, padLengths } = leftPad(prompts);
    let logits = await readRows(model.prefill(rows, cache, { padLengths, prefillChunkSize }));
    for (let index = 0; ; index++) {
      const drawn = logits.map((row, r) => sample(row, options, randoms[r]));
      const tokens = drawn.map((token, r) => (running[r] ? token : undefined));
      yield { index, tokens, logits };

      for (const [r, token] of drawn.entries()) {
        if (stopTokens.includes(token)) running[r] = false;
      }
      if (index + 1 === maxNewTokens || !running.includes(true)) return;
      await interruption.check(
        () => `generate: stopped after ${index + 1} of ${maxNewTokens} tokens.`,
      );
      // Rows that have ended go through the model with the others; their tokens are not used.
      logits = await readRows(model.step(drawn, cache));
    }
  } finally {
    if (options.cache) options.cache.giveBack();
    else cache.dispose();
  }
}

/**
 * Runs to the end: the new tokens, one array per row. `onToken` sees each step as it comes.
 * @throws as `generateStream`.
 */
export async function generate(
  model: LanguageModel,
  prompts: readonly (readonly number[])[],
  options: GenerateOptions & { onToken?: (step: GeneratedStep) => void },
): Promise<{ tokens: number[][] }> {
  const tokens: number[][] = [];
  for await (const step of generateStream(model, prompts, options)) {
    for (const [row, token] of step.tokens.entries()) {
      tokens[row] ??= [];
      if (token !== undefined) tokens[row].push(token);
    }
    options.onToken?.(step);
  }
  return { tokens };
}

/** Copies [B, vocab] to the host, one array per row, and disposes the tensor. */
async function readRows(logits: tf.Tensor2D): Promise<Float32Array[]> {
  const [B, vocab] = logits.shape;
  const values = (await logits.data().finally(() => logits.dispose())) as Float32Array;
  return Array.from({ length: B }, (_, b) => values.slice(b * vocab, (b + 1) * vocab));
}

/** @throws TypeError or RangeError unless there are rows of token ids, none of them empty. */
export function checkPrompts(
  where: string,
  prompts: readonly (readonly number[])[],
  { config: { vocabSize } }: LanguageModel,
): void {
  if (!Array.isArray(prompts) || prompts.length === 0)
    throw new TypeError(
      `${where}: prompts are ${JSON.stringify(prompts)}; give rows of token ids such as ` +
        `[[1, 2, 3]]; a tokenizer's encode(text) makes a row of a text.`,
    );
  for (const [r, row] of prompts.entries()) {
    tokenTensor(`${where}, prompt ${r}`, [row], vocabSize).dispose();
  }
}

function checkStopTokens(stopTokens: readonly number[], vocabSize: number): void {
  const isToken = (id: number) => Number.isInteger(id) && id >= 0 && id < vocabSize;
  if (!Array.isArray(stopTokens) || !stopTokens.every(isToken))
    throw new RangeError(
      `generate: stopTokens is ${shown(stopTokens)}; give an array of ids, 0 to ${vocabSize - 1}.`,
    );
}
