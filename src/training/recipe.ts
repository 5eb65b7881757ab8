/**
 * All that decides how a small model comes out, apart from the text: plain data, kept beside the
 * weights.
 *
 * The two notebook recipes differ in the model alone. Their FFN widths make them equally large:
 * YOCO's cross-decoder layers have no W_K and W_V, its retention layers have a W_G and a W_γ, and
 * the FFN makes up for the difference, as in the paper's scaling runs (3 d against 8/3 d).
 */
import { type ModelConfig, transformerConfig, type YocoConfig, yocoConfig } from '../models/config';
import type { Schedule } from './schedule';
import type { TokenizerKind } from './tokenizer';
import { type TrainerOptions, trainerDefaults } from './trainer';

export interface Recipe {
  model: 'yoco' | 'transformer';
  /** Of a YOCO. */
  selfDecoder: YocoConfig['selfDecoder'];
  tokenizer: TokenizerKind;
  /** Most tokens of a byte-pair tokenizer; the others have no choice. */
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
  /** Batches per step, whose gradients are added up. */
  accumulate: number;
  /** Tokens per chunk of a window, if it is read in chunks (trainer.ts). */
  chunk?: number;
  learningRate: number;
  warmUpSteps: number;
  floor: number;
  decay: Schedule['decay'];
  weightDecay: number;
  seed: number;
  /** Steps from one measurement of held-out text to the next. */
  validateEvery: number;
  /** Measurements without a new lowest one after which the run ends. */
  patience?: number;
}

/** For recipe files written by older versions, which lack these fields. */
export const recipeDefaults = {
  tokenizer: 'characters',
  vocabSize: 512,
  accumulate: 1,
  chunk: undefined,
  validateEvery: 100,
  patience: undefined,
} as const satisfies Partial<Recipe>;

const small: Recipe = {
  ...recipeDefaults,
  ...{ model: 'yoco', selfDecoder: 'gated-retention', dim: 96, ffnDim: 288, layers: 4 },
  ...{ heads: 4, kvHeads: 2, selfHeads: 2, windowSize: 64 },
  ...{ steps: 1500, batch: 4, context: 256, seed: 1 },
  ...{ learningRate: 3e-3, warmUpSteps: 50, floor: 0.05, decay: 'cosine', weightDecay: 0.1 },
};
/** Six minutes on two shared cores. */
const notebook: Recipe = { ...small, steps: 350, batch: 8 };

/** By name: what `npm run train -- --preset NAME` starts from. */
export const recipes: Readonly<Record<string, Recipe>> = {
  small,
  'notebook-yoco': notebook,
  'notebook-transformer': { ...notebook, model: 'transformer', ffnDim: 312 },
};

/** A copy. @throws RangeError listing the recipes. */
export function recipe(name: string): Recipe {
  if (recipes[name]) return { ...recipes[name] };
  throw new RangeError(
    `recipe: there is no ${JSON.stringify(name)}; there are ${Object.keys(recipes).join(', ')}.`,
  );
}

/** The recipe's model. @throws RangeError naming the field that is not allowed. */
export function configOf(recipe: Recipe, vocabSize: number): ModelConfig {
  const { model, selfDecoder, dim, ffnDim, layers, heads, kvHeads, selfHeads, windowSize } = recipe;
  const common = { vocabSize, dim, ffnDim, heads, kvHeads };
  if (model === 'transformer')
    return transformerConfig({ ...common, layers, headDim: dim / heads });
  if (model !== 'yoco')
    throw new RangeError(`recipe: model is ${JSON.stringify(model)}; allowed: yoco, transformer.`);
  if (layers % 2 !== 0)
    throw new RangeError(`recipe: layers is ${layers}; give an even number, half per decoder.`);
  const window = selfDecoder === 'sliding-window' ? { windowSize } : {};
  const halves = { selfLayers: layers / 2, crossLayers: layers / 2 };
  return yocoConfig({ ...common, ...window, ...halves, selfDecoder, selfHeads });
}

export function trainerOptionsOf(recipe: Recipe): TrainerOptions {
  const { batch, context, accumulate, chunk, seed, weightDecay } = recipe;
  const { learningRate: peak, steps, floor, decay } = recipe;
  const warmUpSteps = Math.min(recipe.warmUpSteps, steps);
  const schedule: Schedule = { peak, steps, warmUpSteps, floor, decay };
  return { ...trainerDefaults, weightDecay, batch, context, accumulate, chunk, seed, schedule };
}
