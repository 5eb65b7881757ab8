/**
 * The architectures that the studies compare, all of one size: the same width, the same depth, and
 * an FFN as wide as the Transformer's number of weights allows.
 *
 * The Transformer keeps every token in each layer, a YOCO every token once. Those without a
 * cross-decoder (`… only`) keep a state of fixed size or a window. `interleaved` has gated
 * retention and attention in turn. Fixed retention is RetNet's.
 */
import { parameterCount } from '../costs/memory';
import {
  type ModelConfig,
  type SelfDecoderKind,
  transformerConfig,
  type YocoConfig,
  yocoConfig,
} from '../models/config';
import { createModel } from '../models/presets';
import { Interleaved } from '../variants/interleaved';

/** The mixer of the self-decoder, and its share of all layers. */
const splits = {
  'YOCO, gated retention': ['gated-retention', 1 / 2],
  'YOCO, window': ['sliding-window', 1 / 2],
  'YOCO, fixed retention': ['retention', 1 / 2],
  'gated retention only': ['gated-retention', 1],
  'fixed retention only': ['retention', 1],
  'window only': ['sliding-window', 1],
  'no self-decoder': ['gated-retention', 0],
  'YOCO 3:1': ['gated-retention', 3 / 4],
  'YOCO 1:3': ['gated-retention', 1 / 4],
  interleaved: ['gated-retention', 1 / 2],
} as const satisfies Record<string, readonly [SelfDecoderKind, number]>;
export type ArchitectureName = 'Transformer' | keyof typeof splits;
export const architectureNames = ['Transformer', ...Object.keys(splits)] as ArchitectureName[];

export interface ArchitectureSize {
  vocabSize: number;
  dim: number;
  /** Of all kinds of head. */
  heads: number;
  /** All layers; even. */
  layers: number;
  /** Of the kinds with a window. */
  windowSize: number;
}

function configWithFfn(name: ArchitectureName, size: ArchitectureSize, ffnDim: number) {
  const { vocabSize, dim, heads, layers, windowSize } = size;
  const common = { vocabSize, dim, ffnDim, heads, kvHeads: heads };
  if (name === 'Transformer') return transformerConfig({ ...common, layers, headDim: dim / heads });
  const [selfDecoder, share] = splits[name];
  const selfLayers = layers * share;
  return yocoConfig({
    ...common,
    selfDecoder,
    selfHeads: heads,
    selfLayers,
    crossLayers: layers - selfLayers,
    ...(selfDecoder === 'sliding-window' ? { windowSize } : {}),
  });
}

function countWeights(name: ArchitectureName, size: ArchitectureSize, ffnDim: number): number {
  const weights = parameterCount(configWithFfn(name, size, ffnDim)).total;
  if (name !== 'interleaved') return weights;
  // Each attention layer has its own keys and values; YOCO has them once, behind a norm.
  return weights + (size.layers / 2 - 1) * 2 * size.dim ** 2 - size.dim;
}

/**
 * A config with as many weights as a Transformer of this size with an FFN of 8/3 dim, to the
 * nearest FFN width. @throws RangeError if the split does not give whole layers.
 */
export function architectureConfig(name: ArchitectureName, size: ArchitectureSize): ModelConfig {
  if (!architectureNames.includes(name))
    throw new RangeError(`there is no architecture ${name}; give ${architectureNames.join('; ')}.`);
  const target = countWeights('Transformer', size, Math.round((8 / 3) * size.dim));
  const smallest = countWeights(name, size, 1);
  const perFfnUnit = countWeights(name, size, 2) - smallest;
  return configWithFfn(name, size, Math.round((target - smallest) / perFfnUnit) + 1);
}

/** The caller disposes it. @throws RangeError as `architectureConfig` does. */
export function createArchitecture(name: ArchitectureName, size: ArchitectureSize, seed: number) {
  const config = architectureConfig(name, size);
  if (name === 'interleaved') return new Interleaved(config as YocoConfig, { seed });
  return createModel(config, { seed });
}
