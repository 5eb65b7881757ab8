/**
 * All that decides how a small model comes out, apart from the text: plain data, kept beside the weights.
 *
 * The two notebook recipes differ in the model alone: same text, same order of windows, same rate, same number of steps.
 * Their FFN widths make them equally large. YOCO's cross layers own no W_K, W_V and its retention layers own a W_G and a
 * W_γ; what that leaves over or lacks, the FFN takes up, as the paper does in its scaling runs (3 d against 8/3 d).
 */
import {
  type ModelConfig,
  type SelfDecoderKind,
  transformerConfig,
  yocoConfig,
} from '../models/config';
import type { Schedule } from './schedule';
import type { TokenizerKind } from './tokenizer-types';
import { type TrainerOptions, trainerDefaults } from './trainer';

export interface Recipe {
  model: 'yoco' | 'transformer';
  /** YOCO's lower half. */
  selfDecoder: SelfDecoderKind;
  tokenizer: TokenizerKind;
  /** Most tokens that byte pairs may make of the text; the other tokenizers have no choice. */
  vocabSize: number;
  dim: number;
  ffnDim: number;
  /** All layers; a YOCO has half of them in each decoder. */
  layers: number;
  heads: number;
  kvHeads: number;
  selfHeads: number;
  /** Of a sliding-window self-decoder. */
  windowSize: number;
  steps: number;
  batch: number;
  context: number;
  /** Batches per step, their gradients added up. */
  accumulate: number;
  /** Tokens per piece of a window, if it is taken in pieces (trainer.ts). */
  chunk?: number;
  learningRate: number;
  warmUpSteps: number;
  floor: number;
  decay: Schedule['decay'];
  weightDecay: number;
  seed: number;
  /** Steps between two measurements of held-out text. */
  validateEvery: number;
  /** Measurements without progress after which the run ends (early-stop.ts). */
  patience?: number;
}
/** What recipes did not say before they could say it. */
export const unsaid = {
  tokenizer: 'characters',
  vocabSize: 512,
  accumulate: 1,
  chunk: undefined,
  validateEvery: 100,
  patience: undefined,
} as const satisfies Partial<Recipe>;

const small: Recipe = {
  ...unsaid,
  model: 'yoco',
  selfDecoder: 'gated-retention',
  dim: 96,
  ffnDim: 288,
  layers: 4,
  heads: 4,
  kvHeads: 2,
  selfHeads: 2,
  windowSize: 64,
  steps: 1500,
  batch: 4,
  context: 256,
  learningRate: 3e-3,
  warmUpSteps: 50,
  floor: 0.05,
  decay: 'cosine',
  weightDecay: 0.1,
  seed: 1,
};
/** Six minutes on two shared cores. */
const notebook: Recipe = { ...small, steps: 350, batch: 8 };
/** By name: what `npm run train -- --preset NAME` starts from. */
export const recipes: Readonly<Record<string, Recipe>> = {
  small,
  'notebook-yoco': notebook,
  'notebook-transformer': { ...notebook, model: 'transformer', ffnDim: 312 },
};

/** @throws RangeError listing the recipes. */
export function recipe(name: string): Recipe {
  const found = recipes[name];
  if (!found)
    throw new RangeError(
      `recipe: there is no ${JSON.stringify(name)}; there are ${Object.keys(recipes).join(', ')}.`,
    );
  return { ...found };
}

/** The config of the model that the recipe asks for. @throws RangeError naming the field that is not allowed. */
export function configOf(recipe: Recipe, vocabSize: number): ModelConfig {
  const { model, selfDecoder, dim, ffnDim, layers, heads, kvHeads, selfHeads, windowSize } = recipe;
  const common = { vocabSize, dim, ffnDim, heads, kvHeads };
  if (model === 'transformer')
    return transformerConfig({ ...common, layers, headDim: dim / heads });
  if (model !== 'yoco')
    throw new RangeError(`recipe: model is ${JSON.stringify(model)}; allowed: yoco, transformer.`);
  if (layers % 2 !== 0)
    throw new RangeError(
      `recipe: layers is ${layers}; a YOCO has half of its layers in each decoder, so give an even number.`,
    );
  const window = selfDecoder === 'sliding-window' ? { windowSize } : {};
  return yocoConfig({
    ...common,
    ...window,
    selfDecoder,
    selfHeads,
    selfLayers: layers / 2,
    crossLayers: layers / 2,
  });
}

export function trainerOptionsOf(recipe: Recipe): TrainerOptions {
  const {
    batch,
    context,
    accumulate,
    chunk,
    seed,
    steps,
    warmUpSteps,
    floor,
    decay,
    learningRate: peak,
    weightDecay,
  } = recipe;
  return {
    ...trainerDefaults,
    weightDecay,
    batch,
    context,
    accumulate,
    chunk,
    seed,
    schedule: { peak, steps, warmUpSteps: Math.min(warmUpSteps, steps), floor, decay },
  };
}
