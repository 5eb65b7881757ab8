/**
 * Bytes by formula, from a config alone: the weights, and the cache after N tokens.
 *
 *   Transformer   2 · L · N · Hkv · D · b                    every layer keeps keys and values
 *   YOCO          2 · N · Hkv · D · b + L/2 bounded states   keys and values of one layer
 *   state         H · Dk · Dv · b (retention, delta rule)    2 · min(N, C) · dim · b (window)
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
  type SelfDecoderKind,
  type TransformerConfig,
  unknownSelfDecoder,
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
    throw new RangeError(`cacheBytes: bytesPerValue is ${bytesPerValue}; give 4, 2 or 1 bytes.`);
  const kvBytes = (length: number, width: number) => 2 * batch * length * width * bytesPerValue;

  if (config.kind === 'transformer') {
    const { layers, kvHeads, headDim, windowSize = Infinity } = config;
    // A window of C keeps C − 1 tokens, because the next token brings its own key.
    const perLayer = kvBytes(Math.min(tokens, windowSize - 1), kvHeads * headDim);
    return { total: layers * perLayer, layers: new Array(layers).fill(perLayer), global: 0 };
  }
  const { dim, heads, kvHeads, selfHeads, selfLayers, crossLayers, selfDecoder } = config;
  let perLayer: number;
  switch (selfDecoder) {
    case 'gated-retention':
    case 'retention':
    case 'gated-delta':
      perLayer = (batch * dim ** 2 * bytesPerValue) / selfHeads; // H states of (dim / H)²
      break;
    case 'sliding-window':
      perLayer = kvBytes(Math.min(tokens, config.windowSize!), dim);
      break;
    default:
      return unknownSelfDecoder('cacheBytes', selfDecoder);
  }
  const global = crossLayers > 0 ? kvBytes(tokens, (kvHeads * dim) / heads) : 0;
  const layers: number[] = new Array(selfLayers).fill(perLayer);
  return { total: selfLayers * perLayer + global, layers, global };
}

// The weights of linear layers, none of which has a bias; a token passes each of them once.

export const ffnWeights = ({ dim, ffnDim }: ModelConfig): number => 3 * dim * ffnDim;

/** Wq, Wo, Wk and Wv of one layer. */
export const transformerMixerWeights = (config: TransformerConfig): number =>
  config.dim * config.headDim * (2 * config.heads + 2 * config.kvHeads);

/** Of one mixer in each half, and of Wk and Wv, which exist once for all cross-decoder layers. */
export function yocoMixerWeights(config: YocoConfig) {
  const { dim, heads, kvHeads, selfHeads, selfDecoder } = config;
  const weights: Record<SelfDecoderKind, number> = {
    'sliding-window': 4 * dim ** 2,
    retention: 5 * dim ** 2,
    'gated-retention': 5 * dim ** 2 + dim * selfHeads,
    'gated-delta': 5 * dim ** 2 + 2 * dim * selfHeads, // β has a gate of its own
  };
  const self = weights[selfDecoder] ?? unknownSelfDecoder('yocoMixerWeights', selfDecoder as never);
  return { self, cross: 2 * dim ** 2, globalKeysValues: (2 * dim * kvHeads * dim) / heads };
}

/**
 * Numbers in the weights, norms included: all, and those of the embedding table and the head.
 * @throws RangeError for a config that is not allowed.
 */
export function parameterCount(config: ModelConfig): { total: number; embeddings: number } {
  checkConfig(config);
  const { vocabSize, dim, tiedEmbeddings } = config;
  const embeddings = (tiedEmbeddings ? 1 : 2) * vocabSize * dim;
  const ffnAndNorms = ffnWeights(config) + 2 * dim;
  let total = embeddings + dim; // the last norm
  if (config.kind === 'transformer') {
    total += config.layers * (transformerMixerWeights(config) + ffnAndNorms);
  } else {
    const { self, cross, globalKeysValues } = yocoMixerWeights(config);
    total += config.selfLayers * (self + ffnAndNorms);
    total += config.crossLayers * (cross + ffnAndNorms);
    if (config.crossLayers > 0) total += globalKeysValues + dim; // with a norm
  }
  return { total, embeddings };
}

/** Bytes of the weights. */
export function weightBytes(config: ModelConfig, bytesPerValue = 4): number {
  return parameterCount(config).total * bytesPerValue;
}
