/**
 * The models that are compared, made equally large: same width, same depth, and an FFN as wide as the budget allows.
 *
 *   name                        lower half            upper half           remembers
 *   Transformer                 full attention        full attention       every token, in each layer
 *   YOCO, gated retention       gated retention       cross-attention      every token, once
 *   YOCO, window                window of C           cross-attention      every token, once
 *   YOCO, fixed retention       RetNet's decay        cross-attention      every token, once
 *   gated retention only        gated retention       gated retention      a state of fixed size per layer
 *   fixed retention only        RetNet's decay        RetNet's decay       a state of fixed size per layer
 *   window only                 window of C           window of C          C tokens per layer
 *   no self-decoder             –                     cross-attention      every token, but as a bare embedding
 *
 * and YOCO's splits: 3:1, 1:3 (layers below : above) and `interleaved`.
 */
import { parameterCount } from '../costs/memory';
import {
  type ModelConfig,
  type SelfDecoderKind,
  transformerConfig,
  type YocoConfig,
  yocoConfig,
} from '../models/config';
import { createModel } from '../models/create-model';
import type { TrainableModel } from '../training/trainer';
import { Interleaved } from '../variants/interleaved';

export const contestantNames = [
  'Transformer',
  'YOCO, gated retention',
  'YOCO, window',
  'YOCO, fixed retention',
  'gated retention only',
  'fixed retention only',
  'window only',
  'no self-decoder',
  'YOCO 3:1',
  'YOCO 1:3',
  'interleaved',
] as const;
export type ContestantName = (typeof contestantNames)[number];

export interface Size {
  vocabSize: number;
  dim: number;
  /** Of all kinds of head. */
  heads: number;
  /** All layers; even. */
  layers: number;
  /** Of the window kinds. */
  windowSize: number;
}

const lowerHalf: Partial<Record<ContestantName, SelfDecoderKind>> = {
  'YOCO, window': 'sliding-window',
  'window only': 'sliding-window',
  'YOCO, fixed retention': 'retention',
  'fixed retention only': 'retention',
};
/** Share of the layers that are below the global cache. */
const shareBelow: Partial<Record<ContestantName, number>> = {
  'gated retention only': 1,
  'fixed retention only': 1,
  'window only': 1,
  'no self-decoder': 0,
  'YOCO 3:1': 3 / 4,
  'YOCO 1:3': 1 / 4,
};

/** The config with a given FFN width; `interleaved` takes that of a YOCO, whose layers it shuffles. */
function configWith(
  name: ContestantName,
  { vocabSize, dim, heads, layers, windowSize }: Size,
  ffnDim: number,
): ModelConfig {
  const common = { vocabSize, dim, ffnDim, heads, kvHeads: heads };
  if (name === 'Transformer') return transformerConfig({ ...common, layers, headDim: dim / heads });
  const selfDecoder = lowerHalf[name] ?? 'gated-retention';
  const selfLayers = layers * (shareBelow[name] ?? 1 / 2);
  const window = selfDecoder === 'sliding-window' ? { windowSize } : {};
  return yocoConfig({
    ...common,
    ...window,
    selfDecoder,
    selfHeads: heads,
    selfLayers,
    crossLayers: layers - selfLayers,
  });
}

/** What `interleaved` has beyond its YOCO: keys and values in each attention layer instead of one pair behind a norm. */
const ownKeysAndValues = (name: ContestantName, { dim, layers }: Size): number =>
  name === 'interleaved' ? (layers / 2 - 1) * 2 * dim ** 2 - dim : 0;

/**
 * A config whose weights number what a Transformer of this size with an FFN of 8/3 dim has, to the nearest FFN width.
 * @throws RangeError if the split does not come out in whole layers.
 */
export function contestantConfig(name: ContestantName, size: Size): ModelConfig {
  if (!contestantNames.includes(name))
    throw new RangeError(
      `contestant: there is no ${JSON.stringify(name)}; there are ${contestantNames.map((n) => `"${n}"`).join(', ')}.`,
    );
  const weights = (of: ContestantName, ffnDim: number): number =>
    parameterCount(configWith(of, size, ffnDim)).total + ownKeysAndValues(of, size);
  const target = weights('Transformer', Math.round((8 / 3) * size.dim));
  const perUnit = weights(name, 2) - weights(name, 1);
  return configWith(name, size, Math.round((target - weights(name, 1)) / perUnit) + 1);
}

export type Contestant = TrainableModel & { config: ModelConfig; dispose(): void };
/** The caller disposes it. */
export function createContestant(name: ContestantName, size: Size, seed: number): Contestant {
  const config = contestantConfig(name, size);
  return name === 'interleaved'
    ? new Interleaved(config as YocoConfig, { seed })
    : createModel(config, { seed });
}
