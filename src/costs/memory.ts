/**
 * Bytes by formula, from a config alone: what weights weigh, and what a model must remember of N tokens.
 *
 *   Transformer   2 · L · N · Hkv · D · b                   every layer keeps keys and values
 *   YOCO          2 · N · Hkv · D · b  +  bounded states     one layer's worth, and L/2 states that do not grow
 *   state         H · Dk · Dv · b  (retention)    2 · min(N, C) · dim · b  (window)
 *
 * The ratio tends to L as N grows, not to L/2: one cache instead of L.
 *
 * The same numbers come out of a live model's `cache.bytes`, to the byte; a test holds that. Set `bytesPerValue` to 2 for
 * the paper's bfloat16. Source: YOCO, table 1, O(LND) against O((N+L)D), with its constants written out.
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
  /** Tokens taken. */
  tokens: number;
  batch?: number;
  /** 4 for float32, 2 for bfloat16, 1 for 8-bit caches. */
  bytesPerValue?: number;
}
/** Bytes in all, and of each part under the name that the model's cache gives it. */
export interface Bytes {
  total: number;
  parts: Record<string, number>;
}

const summed = (parts: Record<string, number>): Bytes => ({
  total: Object.values(parts).reduce((a, b) => a + b, 0),
  parts,
});
const numbered = (name: string, count: number, value: number) =>
  Array.from({ length: count }, (_, i) => [`${name}.${i}`, value] as const);

/** @throws RangeError for a config or a size that is not allowed. */
export function cacheBytes(
  config: ModelConfig,
  { tokens, batch = 1, bytesPerValue = 4 }: CacheSize,
): Bytes {
  checkConfig(config);
  if (!Number.isInteger(tokens) || tokens < 0)
    throw new RangeError(`cacheBytes: tokens is ${tokens}; give a whole number, 0 or more.`);
  checkCount('cacheBytes', 'batch', batch, 'sequences');
  if (!(bytesPerValue > 0))
    throw new RangeError(
      `cacheBytes: bytesPerValue is ${bytesPerValue}; give 4 (float32), 2 (bfloat16) or 1.`,
    );
  const keysAndValues = (kept: number, width: number) => 2 * batch * kept * width * bytesPerValue;
  if (config.kind === 'transformer') {
    // With a window, C − 1 tokens: the newcomer brings its own key.
    const kept = Math.min(tokens, (config.windowSize ?? Infinity) - 1);
    return summed(
      Object.fromEntries(
        numbered('layers', config.layers, keysAndValues(kept, config.kvHeads * config.headDim)),
      ),
    );
  }
  const state =
    config.selfDecoder === 'sliding-window'
      ? keysAndValues(Math.min(tokens, config.windowSize!), config.dim)
      : (batch * config.dim ** 2 * bytesPerValue) / config.selfHeads; // H · (dim/H)²
  const global: Record<string, number> =
    config.crossLayers > 0
      ? { cross: keysAndValues(tokens, (config.kvHeads * config.dim) / config.heads) }
      : {};
  return summed({ ...Object.fromEntries(numbered('self', config.selfLayers, state)), ...global });
}

/** Numbers in the weights, by part. Norms are counted; nothing here has a bias. */
export function parameterCount(config: ModelConfig): Bytes {
  checkConfig(config);
  const { vocabSize, dim, tiedEmbeddings } = config;
  return summed({
    embedding: vocabSize * dim,
    ...(config.kind === 'transformer' ? transformerParts(config) : yocoParts(config)),
    norm: dim,
    head: tiedEmbeddings ? 0 : vocabSize * dim,
  });
}
const ffnAndNorms = ({ dim, ffnDim }: ModelConfig) => 3 * dim * ffnDim + 2 * dim;

function transformerParts(config: TransformerConfig): Record<string, number> {
  const { dim, heads, kvHeads, headDim, layers } = config;
  return { layers: layers * (dim * headDim * (2 * heads + 2 * kvHeads) + ffnAndNorms(config)) };
}
function yocoParts(config: YocoConfig): Record<string, number> {
  const { dim, heads, kvHeads, selfHeads, selfLayers, crossLayers, selfDecoder } = config;
  const mixer = {
    'sliding-window': 4 * dim ** 2,
    retention: 5 * dim ** 2,
    'gated-retention': 5 * dim ** 2 + dim * selfHeads,
  }[selfDecoder];
  return {
    selfDecoder: selfLayers * (mixer + ffnAndNorms(config)),
    // Wq and Wo of each layer; W_K and W_V once for all of them, behind a norm.
    crossDecoder: crossLayers * (2 * dim ** 2 + ffnAndNorms(config)),
    globalKeysAndValues: crossLayers > 0 ? (2 * dim * kvHeads * dim) / heads + dim : 0,
  };
}

/** Bytes of the weights. */
export function weightBytes(config: ModelConfig, bytesPerValue = 4): number {
  return parameterCount(config).total * bytesPerValue;
}
