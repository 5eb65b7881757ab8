/**
 * Throughput from two rates: prompts are read at a rate of operations, answers are written at a
 * rate of bytes.
 *
 *   seconds per sequence = prefill operations / F  +  generated · bytes of a step / (batch · R)
 *   tokens per second    = generated / seconds per sequence
 *
 * A prefill multiplies matrices with thousands of rows, so arithmetic limits it. A decode step
 * reads all weights and every cache for one new token per sequence, so memory limits it; a batch
 * shares the weights, and each sequence reads a cache of its own. The batch is what fits beside the
 * weights.
 *
 * Left out: the operations of decoding, the bytes of a prefill, activations, kernels that miss
 * their rate, and scheduling.
 *
 * Source of what is counted: YOCO, arXiv 2405.05254, section on profiling. Its throughput covers
 * prefill and generation.
 */
import type { ModelConfig } from '../models/config';
import { checkCount } from '../tensor/shapes';
import { type CacheSize, cacheBytes, parameterCount, weightBytes } from './memory';
import { prefillFlops } from './operations';

export interface Rates {
  /** F, operations per second. */
  flopsPerSecond: number;
  /** R, bytes read per second. */
  bytesPerSecond: number;
}
export interface Serving {
  /** Tokens of each prompt. */
  tokens: number;
  /** Tokens written after each prompt. */
  generated: number;
  /** What weights and caches share. */
  memoryBytes: number;
  /** 4 for float32, 2 for bfloat16. Default 4. */
  bytesPerValue?: number;
}

/**
 * Bytes that one decode step reads: the weights once for the whole batch, the caches of each
 * sequence once, but YOCO's global cache once in every cross-decoder layer. Of an embedding table
 * that is not the head's, a step reads one row, which is not counted.
 * @throws RangeError for a config or a size that is not allowed.
 */
export function stepBytes(config: ModelConfig, size: CacheSize): number {
  const { bytesPerValue = 4 } = size;
  const { total, embeddings } = parameterCount(config);
  const weightsRead = config.tiedEmbeddings ? total : total - embeddings / 2;
  const cache = cacheBytes(config, size);
  const globalReads = config.kind === 'yoco' ? config.crossLayers : 0;
  const cachesRead = cache.total - cache.global + globalReads * cache.global;
  return weightsRead * bytesPerValue + cachesRead;
}

/** How many sequences fit beside the weights when their answers are complete; 0 if none does. */
export function batchThatFits(config: ModelConfig, serving: Serving): number {
  const { tokens, generated, memoryBytes, bytesPerValue } = serving;
  const room = memoryBytes - weightBytes(config, bytesPerValue);
  const ofSequence = cacheBytes(config, { tokens: tokens + generated, bytesPerValue }).total;
  return Math.max(0, Math.floor(room / ofSequence));
}

/** What one sequence of a batch costs: operations to read its prompt, bytes to write its answer. */
export function sequenceCost(config: ModelConfig, serving: Serving, batch: number) {
  const { tokens, generated, bytesPerValue } = serving;
  checkCount('sequenceCost', 'generated', generated, 'tokens');
  const middle = { tokens: tokens + Math.floor(generated / 2), batch, bytesPerValue };
  return {
    flops: prefillFlops(config, tokens).needed,
    bytes: (generated * stepBytes(config, middle)) / batch,
  };
}

/**
 * Tokens per second of as many sequences as fit, and the seconds that each takes of the machine;
 * 0 tokens per second if none fits.
 * @throws RangeError for a config or a size that is not allowed.
 */
export function throughput(config: ModelConfig, serving: Serving, rates: Rates) {
  const batch = batchThatFits(config, serving);
  const { flops, bytes } = sequenceCost(config, serving, Math.max(1, batch));
  const prefillSeconds = flops / rates.flopsPerSecond;
  const decodeSeconds = bytes / rates.bytesPerSecond;
  const tokensPerSecond = batch > 0 ? serving.generated / (prefillSeconds + decodeSeconds) : 0;
  return { batch, prefillSeconds, decodeSeconds, tokensPerSecond };
}
