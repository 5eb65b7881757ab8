/**
 * Text, one token at a time: prefill the prompt, then sample, step, sample, step …
 *
 *   prompt ──prefill──▶ logits ──sample──▶ token ──step──▶ logits ──sample──▶ token …
 *
 * Prefill takes the whole prompt at once and, in YOCO, leaves early: only the last position climbs the upper layers.
 * The last token of a run is handed out but not fed back: nobody asks yet what follows it. So the cache ends one token
 * short of the text, and whoever goes on gives that token first (see conversation.ts).
 */
import type * as tf from '@tensorflow/tfjs';
import { leftPadded } from '../layers/padding';
import type { LanguageModel, ModelCache } from '../models/language-model';
import { checkCount } from '../tensor/shapes';
import { checkSampling, type SamplingOptions, sample } from './sampling';
import { seededStream } from './seeded-stream';

export interface GenerateOptions extends SamplingOptions {
  maxNewTokens: number;
  /** Row r of the batch draws from stream r of this seed, so a row's text does not depend on its neighbours. Default 0. */
  seed?: number;
  /** A row ends with the first of these that it produces (which is part of the result). */
  stopTokens?: readonly number[];
  /** Continue here: the prompt is taken as what follows. It stays the caller's. Default: a new cache, freed at the end. */
  cache?: ModelCache;
  /** Longest piece of the prompt taken at once. */
  pieceSize?: number;
}

/** One moment of a run: what every row has just produced. */
export interface GeneratedStep {
  /** 0 for the first new token. */
  index: number;
  /** One per row; undefined for a row that has met a stop token before. */
  tokens: (number | undefined)[];
  /** The numbers that were sampled from, one array per row. */
  logits: Float32Array[];
}

export interface Generation {
  /** New tokens only, one array per row. */
  tokens: number[][];
  /** Positions that prefill took, per row: the longest prompt's. */
  prefilled: number;
  /** Decoding steps: one less than the longest row of new tokens. */
  steps: number;
}

function checkPrompts(where: string, prompts: readonly (readonly number[])[]): void {
  if (prompts.length === 0)
    throw new RangeError(
      `${where}: there is no prompt; give at least one row of at least one token.`,
    );
  prompts.forEach((row, r) => {
    if (row.length === 0)
      throw new RangeError(`${where}: prompt ${r} is empty; every row needs at least one token.`);
  });
}

/** Numbers come to the host, the tensor goes: one array per row of [B, vocab]. */
async function readRows(logits: tf.Tensor2D): Promise<Float32Array[]> {
  const [B, vocab] = logits.shape;
  try {
    const values = (await logits.data()) as Float32Array;
    return Array.from({ length: B }, (_, b) => values.slice(b * vocab, (b + 1) * vocab));
  } finally {
    logits.dispose();
  }
}

/**
 * Yields each token as it comes. Leaving the loop early is fine: what the run holds is freed. Prompts may differ in length:
 * each row is what it would be alone.
 * @throws RangeError for options or prompts that are not allowed, before anything is computed.
 */
export async function* generateStream(
  model: LanguageModel,
  prompts: readonly (readonly number[])[],
  options: GenerateOptions,
): AsyncGenerator<GeneratedStep, void, undefined> {
  const { maxNewTokens, seed = 0, stopTokens = [], pieceSize } = options;
  checkCount('generate', 'maxNewTokens', maxNewTokens, 'tokens');
  checkSampling('generate', options);
  checkPrompts('generate', prompts);
  const stops = new Set(stopTokens);
  const streams = prompts.map((_, row) => seededStream(seed, row));
  const running = prompts.map(() => true);
  const cache = options.cache ?? model.newCache(prompts.length);
  try {
    // Shorter prompts wait at the left, so that all rows say their first word in the same step.
    const { tokens: rows, padding } = leftPadded(prompts);
    const ragged = padding.some((slots) => slots > 0);
    let logits = await readRows(
      model.prefill(rows, cache, {
        ...(ragged ? { padding } : {}),
        ...(pieceSize === undefined ? {} : { pieceSize }),
      }),
    );
    for (let index = 0; ; index++) {
      const drawn = logits.map((row, r) => sample(row, options, streams[r]));
      const tokens = drawn.map((token, r) => (running[r] ? token : undefined));
      yield { index, tokens, logits };
      drawn.forEach((token, r) => {
        if (stops.has(token)) running[r] = false;
      });
      if (index + 1 === maxNewTokens || !running.includes(true)) return;
      // Rows that have stopped step along with what they drew: a batch moves as one, and nobody reads them any more.
      logits = await readRows(model.step(drawn, cache));
    }
  } finally {
    if (!options.cache) cache.dispose();
  }
}

/**
 * Runs to the end and returns the new tokens. `onToken` sees each step as it comes.
 * @throws RangeError for options or prompts that are not allowed, before anything is computed.
 */
export async function generate(
  model: LanguageModel,
  prompts: readonly (readonly number[])[],
  { onToken, ...options }: GenerateOptions & { onToken?: (step: GeneratedStep) => void },
): Promise<Generation> {
  const tokens: number[][] = prompts.map(() => []);
  let steps = -1;
  for await (const step of generateStream(model, prompts, options)) {
    step.tokens.forEach((token, row) => {
      if (token !== undefined) tokens[row].push(token);
    });
    steps = step.index;
    onToken?.(step);
  }
  return { tokens, prefilled: Math.max(...prompts.map((row) => row.length)), steps };
}
