/**
 * Floating-point operations by formula: a product of [M, K] and [K, N] takes 2·M·K·N, one
 * multiplication and one addition each. Only matrix products are counted: over 90 % of the work.
 *
 * Two counts stand side by side:
 * - *needed*: what the mathematics asks for; in attention, only the keys that a position sees;
 * - *computed*: what the fast implementation runs, to the operation: whole query blocks and whole
 *   chunks with their masked halves, and rotary positions, which rotate by a matrix product.
 *
 *   prefill, per token   Transformer   L · (projections + FFN + 4·D·H·N/2)
 *                        YOCO          L/2 · (projections + FFN + constant)
 *
 * Source: YOCO, arXiv 2405.05254, table 2: O(LN²D) against O(LND) for the attention part.
 */
import { queriesPerBlock, queryBlocks } from '../attention/query-blocks';
import {
  checkConfig,
  type ModelConfig,
  type TransformerConfig,
  type YocoConfig,
} from '../models/config';
import { chunkSizes } from '../retention/retention-form';
import { checkCount } from '../tensor/shapes';
import { ffnWeights, transformerMixerWeights, yocoMixerWeights } from './memory';

interface Flops {
  needed: number;
  computed: number;
}
const partNames = ['projections', 'rotary', 'attention', 'retention', 'ffn', 'head'] as const;
type Part = (typeof partNames)[number];

export interface FlopOptions {
  batch?: number;
  /** Tokens that the cache already holds. Default 0. */
  before?: number;
  /** Tokens that run at once. Default: 4096 in `prefillFlops`, all of them in `forwardFlops`. */
  prefillChunkSize?: number;
}

/** Floating-point operations of `batch` sequences, in total and by part. */
export class FlopCount implements Flops {
  needed = 0;
  computed = 0;
  readonly parts = {} as Record<Part, Flops>;
  constructor(private readonly batch = 1) {
    for (const part of partNames) this.parts[part] = { needed: 0, computed: 0 };
  }

  add(part: Part, computed: number, needed = computed): void {
    for (const sum of [this, this.parts[part]]) {
      sum.needed += needed;
      sum.computed += computed;
    }
  }

  /** Linear layers with `weights` weights, on n tokens. */
  addLinears(part: Part, n: number, weights: number): void {
    this.add(part, 2 * this.batch * n * weights);
  }

  /** Rotary positions multiply each head by a [D, D] matrix; the mathematics needs no product. */
  addRotary(n: number, heads: number, D: number): void {
    this.add('rotary', 2 * this.batch * n * heads * D * D, 0);
  }

  /** Scores and weighted sums of n queries over M keys, the last query at the last key. */
  addAttention(n: number, M: number, heads: number, D: number, windowSize = Infinity): void {
    // The first query sees M − n + 1 keys, each further query one more until the window is full.
    const window = Math.min(windowSize, M);
    const firstSees = M - n + 1;
    const growing = Math.min(n, Math.max(0, window - firstSees)); // queries before it is full
    const needed = growing * firstSees + (growing * (growing - 1)) / 2 + (n - growing) * window;

    let computed = 0;
    const blockSize = queriesPerBlock(this.batch * heads, Math.min(M, windowSize + 256));
    for (const { count, firstKey, endKey } of queryBlocks(n, M, blockSize, { windowSize })) {
      computed += count * (endKey - firstKey);
    }
    const flopsPerPair = 4 * this.batch * heads * D; // 2·D for q·k and 2·D for the weighted v
    this.add('attention', flopsPerPair * computed, flopsPerPair * needed);
  }

  /** Chunkwise retention of n tokens; a single token takes the recurrent form. */
  addRetention(n: number, heads: number, D: number, chunkSize: number): void {
    const flopsPerPair = 4 * this.batch * heads * D;
    for (const c of n > 1 ? chunkSizes(n, chunkSize) : []) {
      this.add('retention', flopsPerPair * c * c, (flopsPerPair * c * (c + 1)) / 2);
    }
    this.add('retention', 4 * this.batch * heads * n * D * D); // writing and reading the state
  }

  /**
   * The chunkwise gated delta rule: retention, and before it the corrections of each chunk, which
   * need K Kᵀ, two triangular systems (for W and Y) and what the keys find in the state.
   */
  addGatedDelta(n: number, heads: number, D: number, chunkSize: number): void {
    this.addRetention(n, heads, D, chunkSize);
    const flopsPerPair = 2 * this.batch * heads * D;
    for (const c of n > 1 ? chunkSizes(n, chunkSize) : []) {
      const earlierPairs = (c * (c - 1)) / 2;
      this.add('retention', flopsPerPair * c * c, flopsPerPair * earlierPairs); // K Kᵀ
      this.add('retention', 2 * flopsPerPair * earlierPairs); // W and Y
    }
    this.add('retention', 2 * this.batch * heads * n * D * D); // what the keys find
  }
}

// Below, n tokens run at once, after `before` others.

function addTransformer(sum: FlopCount, config: TransformerConfig, n: number, before: number) {
  const { heads, kvHeads, headDim, layers, windowSize = Infinity } = config;
  for (let l = 0; l < layers; l++) {
    sum.addLinears('projections', n, transformerMixerWeights(config));
    sum.addRotary(n, heads + kvHeads, headDim);
    sum.addAttention(n, Math.min(before, windowSize - 1) + n, heads, headDim, windowSize);
    sum.addLinears('ffn', n, ffnWeights(config));
  }
}

/** The self-decoder, and K̂ and V̂ for all cross-decoder layers. */
function addSelfDecoder(sum: FlopCount, config: YocoConfig, n: number, before: number) {
  const { dim, heads, kvHeads, selfHeads, selfLayers, crossLayers } = config;
  const { selfDecoder, windowSize = Infinity, chunkSize } = config;
  const { self, globalKeysValues } = yocoMixerWeights(config);
  const D = dim / selfHeads;
  for (let l = 0; l < selfLayers; l++) {
    sum.addLinears('projections', n, self);
    if (selfDecoder !== 'gated-delta') sum.addRotary(n, 2 * selfHeads, D);
    if (selfDecoder === 'sliding-window')
      sum.addAttention(n, Math.min(before, windowSize) + n, selfHeads, D, windowSize);
    else if (selfDecoder === 'gated-delta') sum.addGatedDelta(n, selfHeads, D, chunkSize);
    else sum.addRetention(n, selfHeads, D, chunkSize);
    sum.addLinears('ffn', n, ffnWeights(config));
  }
  if (crossLayers > 0) {
    sum.addLinears('projections', n, globalKeysValues);
    sum.addRotary(n, kvHeads, dim / heads);
  }
}

function addCrossDecoder(sum: FlopCount, config: YocoConfig, n: number, before: number) {
  const { dim, heads, crossLayers } = config;
  for (let l = 0; l < crossLayers; l++) {
    sum.addLinears('projections', n, yocoMixerWeights(config).cross);
    sum.addRotary(n, heads, dim / heads);
    sum.addAttention(n, before + n, heads, dim / heads);
    sum.addLinears('ffn', n, ffnWeights(config));
  }
}

function promptFlops(
  where: string,
  config: ModelConfig,
  tokens: number,
  { batch, before = 0, prefillChunkSize = 4096 }: FlopOptions,
  earlyExit: boolean,
): FlopCount {
  checkConfig(config);
  checkCount(where, 'tokens', tokens, 'tokens');
  checkCount(where, 'prefillChunkSize', prefillChunkSize, 'tokens');
  const sum = new FlopCount(batch);
  let position = before;
  for (const n of chunkSizes(tokens, prefillChunkSize)) {
    if (config.kind === 'transformer') addTransformer(sum, config, n, position);
    else addSelfDecoder(sum, config, n, position);
    if (config.kind === 'yoco' && !earlyExit) addCrossDecoder(sum, config, n, position);
    position += n;
  }
  if (config.kind === 'yoco' && earlyExit) addCrossDecoder(sum, config, 1, position - 1);
  sum.addLinears('head', earlyExit ? 1 : tokens, config.dim * config.vocabSize);
  return sum;
}

/**
 * `model.prefill` of `tokens` tokens: YOCO's cross-decoder and every head run on the last position.
 * @throws RangeError for a config or a size that is not allowed.
 */
export function prefillFlops(config: ModelConfig, tokens: number, options: FlopOptions = {}) {
  return promptFlops('prefillFlops', config, tokens, options, true);
}

/**
 * `model.forward` of `tokens` tokens: all layers and the logits of every position.
 * @throws RangeError for a config or a size that is not allowed.
 */
export function forwardFlops(config: ModelConfig, tokens: number, options: FlopOptions = {}) {
  const { prefillChunkSize = tokens } = options;
  return promptFlops('forwardFlops', config, tokens, { ...options, prefillChunkSize }, false);
}

/** `model.step`, one token after `context` others: all layers, one position. */
export function decodeFlops(config: ModelConfig, context: number, { batch = 1 } = {}): FlopCount {
  return prefillFlops(config, 1, { before: context, batch });
}

/**
 * One training step: forward and backward.
 *
 * Every product Y = A B has two in the backward pass, dA = dY Bᵀ and dB = Aᵀ dY: the step needs
 * three times the forward work. Computed differs a little. Attention computes its scores again
 * instead of keeping them: 7 products for 2. Rotary matrices are no weights: 2 for 1. In retention
 * the first chunk reads no state (the delta rule would read it twice), and nothing reads the last
 * chunk's state.
 */
export function trainingFlops(config: ModelConfig, tokens: number, { batch = 1 } = {}): FlopCount {
  const forward = forwardFlops(config, tokens, { batch });
  const differing: Partial<Record<Part, number>> = { attention: 3.5, rotary: 2 };
  const sum = new FlopCount();
  for (const part of partNames) {
    const { computed, needed } = forward.parts[part];
    sum.add(part, (differing[part] ?? 3) * computed, 3 * needed);
  }
  if (config.kind === 'yoco' && config.selfDecoder !== 'sliding-window' && tokens > 1) {
    const sizes = chunkSizes(tokens, config.chunkSize);
    const stateFlopsPerToken = (2 * batch * config.dim ** 2 * config.selfLayers) / config.selfHeads;
    const isDelta = config.selfDecoder === 'gated-delta';
    const skippedTokens = (isDelta ? 2 : 1) * sizes[0] + 2 * sizes.at(-1)!;
    // In a chunk of one token nothing comes before it: its K Kᵀ has no gradient.
    const singles = isDelta ? sizes.filter((c) => c === 1).length : 0;
    sum.add('retention', -4 * batch * config.dim * config.selfLayers * singles, 0);
    sum.add('retention', -stateFlopsPerToken * skippedTokens, 0);
  }
  return sum;
}
