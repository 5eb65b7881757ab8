/**
 * Bytes by formula, from a config alone: the weights, and the cache after N tokens.
 *
 *   Transformer   2 · L · N · Hkv · D · b                    every layer keeps keys and values
 *   YOCO          2 · N · Hkv · D · b + L/2 bounded states   keys and values of one layer
 *   state         H · Dk · Dv · b (retention)                2 · min(N, C) · dim · b (window)
 *
 * b is the bytes per value. The ratio tends to L as N grows, not to L/2: one cache instead of L.
 *
 * Tests compare the formulas with `cache.bytes` of live models, to the byte. Set `bytesPerValue` to
 * 2 for the paper's bfloat16. Source: YOCO, arXiv 2405.05254, table 1, O(LND) against O((N+L)D),
 * with its constants written out.
 */
import {
  checkConfig,
  type ModelConfig,
  type TransformerConfig,
  type YocoConfig,
} from '../models/config';
import { checkCount } from '../tensor/shapes';

export const GiB = 2 ** 30;
/** A billion bytes. The paper's text says GB and sometimes means GiB; the two differ by 7 %. */
export const GB = 1e9;

export interface CacheSize {
  /** Tokens in the cache. */
  tokens: number;
  batch?: number;
  /** 4 for float32, 2 for bfloat16, 1 for 8-bit caches. */
  bytesPerValue?: number;
}
/** Bytes of a model's cache, with the names of its fields. */
export interface CacheBytes {
  total: number;
  /** Of each layer that keeps something: a Transformer's layers, YOCO's self-decoder layers. */
  layers: number[];
  /** YOCO's keys and values for all cross-decoder layers; 0 in a Transformer. */
  global: number;
}

/** @throws RangeError for a config or a size that is not allowed. */
export function cacheBytes(
  config: ModelConfig,
  { tokens, batch = 1, bytesPerValue = 4 }: CacheSize,
): CacheBytes {
  checkConfig(config);
  if (!Number.isInteger(tokens) || tokens < 0)
    throw new RangeError(`cacheBytes: tokens is ${tokens}; give a whole number, 0 or more.`);
  checkCount('cacheBytes', 'batch', batch, 'sequences');
  if (!(bytesPerValue > 0))
    throw new RangeError(
      `cacheBytes: bytesPerValue is ${bytesPerValue}; give 4 (float32), 2 (bfloat16) or 1.`,
    );
  const kvBytes = (length: number, width: number) => 2 * batch * length * width * bytesPerValue;

  if (config.kind === 'transformer') {
    const { layers, kvHeads, headDim, windowSize = Infinity } = config;
    // A window of C keeps C − 1 tokens, because the next token brings its own key.
    const perLayer = kvBytes(Math.min(tokens, windowSize - 1), kvHeads * headDim);
    return withTotal(new Array(layers).fill(perLayer), 0);
  }
  const { dim, heads, kvHeads, selfHeads, selfLayers, crossLayers } = config;
  const perLayer =
    config.selfDecoder === 'sliding-window'
      ? kvBytes(Math.min(tokens, config.windowSize!), dim)
      : (batch * dim ** 2 * bytesPerValue) / selfHeads; // H states of (dim / H)²
  const global = crossLayers > 0 ? kvBytes(tokens, (kvHeads * dim) / heads) : 0;
  return withTotal(new Array(selfLayers).fill(perLayer), global);
}

function withTotal(layers: number[], global: number): CacheBytes {
  let total = global;
  for (const bytes of layers) total += bytes;
  return { total, layers, global };
}

/** Numbers in the weights, in total and by part. */
export interface ParameterCount {
  total: number;
  parts: Record<string, number>;
}

/** Norms are counted; no layer has a bias. @throws RangeError for a config that is not allowed. */
export function parameterCount(config: ModelConfig): ParameterCount {
  checkConfig(config);
  const { vocabSize, dim, tiedEmbeddings } = config;
  const parts: Record<string, number> = {
    embedding: vocabSize * dim,
    ...(config.kind === 'transformer' ? transformerParts(config) : yocoParts(config)),
    norm: dim,
    head: tiedEmbeddings ? 0 : vocabSize * dim,
  };
  let total = 0;
  for (const part of Object.values(parts)) total += part;
  return { total, parts };
}

const ffnAndNorms = ({ dim, ffnDim }: ModelConfig) => 3 * dim * ffnDim + 2 * dim;

function transformerParts(config: TransformerConfig) {
  const { dim, heads, kvHeads, headDim, layers } = config;
  const mixer = dim * headDim * (2 * heads + 2 * kvHeads); // Wq, Wo and Wk, Wv
  return { layers: layers * (mixer + ffnAndNorms(config)) };
}

function yocoParts(config: YocoConfig) {
  const { dim, heads, kvHeads, selfHeads, selfLayers, crossLayers, selfDecoder } = config;
  const selfMixer = {
    'sliding-window': 4 * dim ** 2,
    retention: 5 * dim ** 2,
    'gated-retention': 5 * dim ** 2 + dim * selfHeads,
  }[selfDecoder];
  const crossMixer = 2 * dim ** 2; // Wq and Wo; Wk and Wv exist once for all layers
  const globalKeysValues = (2 * dim * kvHeads * dim) / heads + dim; // Wk, Wv and a norm
  return {
    selfDecoder: selfLayers * (selfMixer + ffnAndNorms(config)),
    crossDecoder: crossLayers * (crossMixer + ffnAndNorms(config)),
    globalKeysValues: crossLayers > 0 ? globalKeysValues : 0,
  };
}

/** Bytes of the weights. */
export function weightBytes(config: ModelConfig, bytesPerValue = 4): number {
  return parameterCount(config).total * bytesPerValue;
}
