/**
 * Configs by name, from one that fits in a cell's output to the paper's own, and a model from any
 * config. A config is data: the 13B takes no memory.
 *
 * Sources: YOCO, NeurIPS camera-ready, tables 7 (3B) and 8 (scaling runs). The head counts of the
 * 3B model are the official code's. The scaling table names no vocabulary; with `cl100k_base` and
 * tied embeddings the sizes come out as printed.
 */
import { type ModelConfig, transformerConfig, yocoConfig } from './config';
import type { LanguageModel } from './language-model';
import { Transformer } from './transformer';
import { Yoco } from './yoco';

const cl100k = 100_288;

/** Size, hidden width, layers, heads: table 8. */
const scaling = [
  ['160M', 768, 12, 12],
  ['400M', 1024, 24, 16],
  ['830M', 1536, 24, 12],
  ['1.4B', 2048, 24, 16],
  ['2.7B', 2560, 32, 20],
  ['6.8B', 4096, 32, 32],
  ['13B', 5120, 40, 40],
] as const;

const tinyWidths = { vocabSize: 64, dim: 32, ffnDim: 64, heads: 4, kvHeads: 2 };
const tinyYoco = { ...tinyWidths, selfLayers: 2, crossLayers: 2, selfHeads: 2 };

const yoco3B = { vocabSize: cl100k, dim: 3072, ffnDim: 8192, heads: 24, kvHeads: 8 };

export const presets: Readonly<Record<string, ModelConfig>> = {
  'tiny-transformer': transformerConfig({ ...tinyWidths, layers: 4, headDim: 8 }),
  'tiny-yoco': yocoConfig(tinyYoco),
  'tiny-yoco-retention': yocoConfig({ ...tinyYoco, selfDecoder: 'retention' }),
  'tiny-yoco-window': yocoConfig({ ...tinyYoco, selfDecoder: 'sliding-window', windowSize: 8 }),
  'tiny-yoco-delta': yocoConfig({ ...tinyYoco, selfDecoder: 'gated-delta' }),
  'yoco-3B': yocoConfig({
    ...yoco3B,
    selfLayers: 13,
    crossLayers: 13,
    selfHeads: 24,
    chunkSize: 256,
  }),
  // The Transformer of the paper's inference profile: the same shape, a cache in every layer.
  'transformer-3B': transformerConfig({ ...yoco3B, layers: 26, headDim: 128 }),
  ...Object.fromEntries(
    scaling.flatMap(([size, dim, layers, heads]) => scalingRun(size, dim, layers, heads)),
  ),
};

function scalingRun(
  size: string,
  dim: number,
  layers: number,
  heads: number,
): [string, ModelConfig][] {
  const common = { vocabSize: cl100k, dim, heads, kvHeads: heads, tiedEmbeddings: true };
  // 3 dim against 8/3 dim: cross-decoder layers have no W_K, W_V; the wider FFN compensates.
  const yoco = {
    ...common,
    ffnDim: 3 * dim,
    selfLayers: layers / 2,
    crossLayers: layers / 2,
    chunkSize: 256,
  };
  return [
    [
      `transformer-${size}`,
      transformerConfig({
        ...common,
        ffnDim: Math.round((8 * dim) / 3),
        layers,
        headDim: dim / heads,
      }),
    ],
    [`yoco-${size}`, yocoConfig({ ...yoco, selfHeads: dim / 256 })],
    [
      `yoco-window-${size}`,
      yocoConfig({ ...yoco, selfHeads: heads, selfDecoder: 'sliding-window', windowSize: 1024 }),
    ],
  ];
}

/** @throws RangeError listing the presets. */
export function preset(name: string): ModelConfig {
  const found = presets[name];
  if (!found)
    throw new RangeError(
      `preset: there is no ${JSON.stringify(name)}; there are ${Object.keys(presets).join(', ')}.`,
    );
  return found;
}

export interface CreateOptions {
  /** Seed of the first weights: the same on every engine. */
  seed?: number;
}
/** A model of the config's kind; the caller disposes it. @throws RangeError naming the field. */
export function createModel(config: ModelConfig, options: CreateOptions = {}): LanguageModel {
  return config.kind === 'transformer'
    ? new Transformer(config, options)
    : new Yoco(config, options);
}
