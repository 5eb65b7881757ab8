/**
 * Floating-point operations by formula: a product of [M,K] and [K,N] takes 2·M·K·N, one multiplication and one addition
 * each. Only matrix products are counted; they are over nine tenths of the work.
 *
 * Two counts stand side by side:
 * - *needed*: what the mathematics asks for; in attention, only the keys that a position sees;
 * - *computed*: what this code runs, to the operation: whole bands and whole chunks with their masked halves, and the
 *   quarter turns of rotary positions, which are a product here because that is fastest.
 *
 * Prefill, per token:   Transformer  L · (projections + FFN + 4·D·H·N/2)      YOCO  L/2 · (projections + FFN + constant)
 *
 * Source: YOCO, table 2: O(LN²D) against O(LND) for the attention part.
 */

import { queriesPerBlock, queryBlocks } from '../attention/query-blocks';
import {
  checkConfig,
  type ModelConfig,
  type TransformerConfig,
  type YocoConfig,
} from '../models/config';
import { chunkSizes } from '../retention/chunks';
import { checkCount } from '../tensor/shapes';

export type Part = 'projections' | 'rotary' | 'attention' | 'retention' | 'ffn' | 'head';
export interface Count {
  needed: number;
  computed: number;
}
export interface Operations extends Count {
  parts: Record<Part, Count>;
}
export interface PrefillShape {
  batch?: number;
  /** YOCO: leave the upper half after the last position. The Transformer has no exit. */
  earlyExit?: boolean;
  /** As in `prefill`. */
  pieceSize?: number;
  /** Which positions the output head reads. */
  logits?: 'last' | 'all';
}

class Tally {
  readonly parts = Object.fromEntries(
    (['projections', 'rotary', 'attention', 'retention', 'ffn', 'head'] as const).map((part) => [
      part,
      { needed: 0, computed: 0 },
    ]),
  ) as Record<Part, Count>;
  add(part: Part, computed: number, needed = computed): void {
    this.parts[part].needed += needed;
    this.parts[part].computed += computed;
  }
  get total(): Operations {
    const sum = (which: keyof Count) =>
      Object.values(this.parts).reduce((all, count) => all + count[which], 0);
    return { needed: sum('needed'), computed: sum('computed'), parts: this.parts };
  }
}

/** A piece of n tokens, behind `before` others; `sequences` of them at once. */
interface PieceShape {
  n: number;
  before: number;
  sequences: number;
}

/** Linear layers and FFN of one layer on a piece. */
function addLinears(
  tally: Tally,
  { n, sequences }: PieceShape,
  { dim, ffnDim }: ModelConfig,
  projected: number,
): void {
  tally.add('projections', 2 * sequences * n * projected);
  tally.add('ffn', 2 * sequences * n * 3 * dim * ffnDim);
}
/** The quarter turn of [·, heads · D] is a product with a [D, D] matrix. */
const addRotary = (tally: Tally, { n, sequences }: PieceShape, heads: number, D: number) =>
  tally.add('rotary', 2 * sequences * n * heads * D * D, 0);

/** Scores and weighted sums of n queries over M keys, the last query at the last key. */
function addAttention(
  tally: Tally,
  { n, sequences }: PieceShape,
  M: number,
  heads: number,
  D: number,
  windowSize?: number,
): void {
  const perPair = 4 * sequences * heads * D; // 2·D for q·k, 2·D for p·v
  // Query i sees the M − n + 1 + i keys up to its own, or a window of them: a ramp, then level.
  const window = Math.min(windowSize ?? M, M);
  const rising = Math.min(n, Math.max(0, window - (M - n) - 1));
  const seen = rising * (M - n + 1) + (rising * (rising - 1)) / 2 + (n - rising) * window;
  const bands = queryBlocks(
    n,
    M,
    queriesPerBlock(sequences * heads, Math.min(M, (windowSize ?? M) + 256)),
    { windowSize },
  );
  const met = bands.reduce(
    (sum, { count, firstKey, endKey }) => sum + count * (endKey - firstKey),
    0,
  );
  tally.add('attention', perPair * met, perPair * seen);
}

/** Chunkwise retention of n tokens; a single token takes the recurrent form. */
function addRetention(
  tally: Tally,
  { n, sequences }: PieceShape,
  { dim, selfHeads, chunkSize }: YocoConfig,
): void {
  const D = dim / selfHeads;
  const each = sequences * selfHeads;
  for (const c of n === 1 ? [0] : chunkSizes(n, chunkSize))
    tally.add('retention', each * 4 * c * c * D, each * 2 * c * (c + 1) * D);
  tally.add('retention', each * 4 * n * D * D); // into the state, and out of it
}

const selfAttentionWidth = ({ dim, heads, kvHeads, headDim }: TransformerConfig) =>
  dim * headDim * (2 * heads + 2 * kvHeads);

function addTransformer(tally: Tally, config: TransformerConfig, piece: PieceShape): void {
  const { heads, kvHeads, headDim, layers, windowSize } = config;
  const kept = Math.min(piece.before, (windowSize ?? Infinity) - 1);
  for (let l = 0; l < layers; l++) {
    addLinears(tally, piece, config, selfAttentionWidth(config));
    addRotary(tally, piece, heads + kvHeads, headDim);
    addAttention(tally, piece, kept + piece.n, heads, headDim, windowSize);
  }
}
function addLowerHalf(tally: Tally, config: YocoConfig, piece: PieceShape): void {
  const { dim, heads, kvHeads, selfHeads, selfLayers, crossLayers, selfDecoder, windowSize } =
    config;
  const D = dim / selfHeads;
  for (let l = 0; l < selfLayers; l++) {
    addRotary(tally, piece, 2 * selfHeads, D);
    if (selfDecoder === 'sliding-window') {
      addLinears(tally, piece, config, 4 * dim ** 2);
      addAttention(
        tally,
        piece,
        Math.min(piece.before, windowSize!) + piece.n,
        selfHeads,
        D,
        windowSize,
      );
    } else {
      addLinears(
        tally,
        piece,
        config,
        5 * dim ** 2 + (selfDecoder === 'gated-retention' ? dim * selfHeads : 0),
      );
      addRetention(tally, piece, config);
    }
  }
  if (crossLayers > 0) {
    tally.add('projections', (2 * piece.sequences * piece.n * 2 * dim * kvHeads * dim) / heads);
    addRotary(tally, piece, kvHeads, dim / heads);
  }
}
function addUpperHalf(tally: Tally, config: YocoConfig, piece: PieceShape): void {
  const { dim, heads, crossLayers } = config;
  for (let l = 0; l < crossLayers; l++) {
    addLinears(tally, piece, config, 2 * dim ** 2);
    addRotary(tally, piece, heads, dim / heads);
    addAttention(tally, piece, piece.before + piece.n, heads, dim / heads);
  }
}

/** A prompt of `tokens`, as `prefill` computes it. @throws RangeError for a config or a size that is not allowed. */
export function prefillFlops(
  config: ModelConfig,
  tokens: number,
  shape: PrefillShape & { before?: number } = {},
): Operations {
  const {
    batch: sequences = 1,
    earlyExit = true,
    pieceSize = 4096,
    logits = 'last',
    before = 0,
  } = shape;
  checkConfig(config);
  checkCount('prefillFlops', 'tokens', tokens, 'tokens');
  checkCount('prefillFlops', 'pieceSize', pieceSize, 'tokens');
  const tally = new Tally();
  for (let at = 0; at < tokens; at += pieceSize) {
    const piece = { n: Math.min(pieceSize, tokens - at), before: before + at, sequences };
    if (config.kind === 'transformer') addTransformer(tally, config, piece);
    else {
      addLowerHalf(tally, config, piece);
      if (!earlyExit) addUpperHalf(tally, config, piece);
    }
  }
  if (config.kind === 'yoco' && earlyExit)
    addUpperHalf(tally, config, { n: 1, before: before + tokens - 1, sequences });
  tally.add(
    'head',
    2 * sequences * (logits === 'all' ? tokens : 1) * config.dim * config.vocabSize,
  );
  return tally.total;
}

/** One more token behind `context` others: all layers, one position. */
export const decodeFlops = (
  config: ModelConfig,
  context: number,
  { batch = 1 }: { batch?: number } = {},
): Operations => prefillFlops(config, 1, { before: context, batch });

/** The full pass over [batch, tokens] with logits of every position: what the loss needs. */
export const forwardFlops = (
  config: ModelConfig,
  tokens: number,
  { batch = 1 }: { batch?: number } = {},
): Operations =>
  prefillFlops(config, tokens, { batch, earlyExit: false, logits: 'all', pieceSize: tokens });

/**
 * One training step: forward, and back.
 *
 * Every product Y = A B has two on the way back, dA = dY Bᵀ and dB = Aᵀ dY: three times the forward work is needed.
 * Computed is a little different. Attention's scores are not kept but computed again: seven products for two. The turns of
 * rotary positions have no weight: two for one. In retention nothing comes before the first state and nothing reads the last.
 */
export function trainingFlops(
  config: ModelConfig,
  tokens: number,
  { batch = 1 }: { batch?: number } = {},
): Operations {
  const { parts } = forwardFlops(config, tokens, { batch });
  const times: Record<Part, number> = {
    projections: 3,
    ffn: 3,
    head: 3,
    retention: 3,
    attention: 3.5,
    rotary: 2,
  };
  const tally = new Tally();
  for (const part of Object.keys(times) as Part[])
    tally.add(part, times[part] * parts[part].computed, 3 * parts[part].needed);
  if (config.kind === 'yoco' && config.selfDecoder !== 'sliding-window' && tokens > 1) {
    const sizes = chunkSizes(tokens, config.chunkSize);
    const perToken = (2 * batch * config.dim ** 2 * config.selfLayers) / config.selfHeads;
    tally.add('retention', -perToken * (sizes[0] + 2 * sizes.at(-1)!), 0);
  }
  return tally.total;
}
