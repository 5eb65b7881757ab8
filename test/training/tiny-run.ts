/** A model small enough to train in a test, on a text short enough to learn by heart. */
import { createModel } from '../../src/models/presets';
import type { ModelCard } from '../../src/training/checkpoint';
import { configOf, type Recipe, recipe, trainerOptionsOf } from '../../src/training/recipe';
import { CharacterTokenizer } from '../../src/training/tokenizer';
import { Trainer } from '../../src/training/trainer';

export const text = 'it was the whale. it was the sea. was it the whale, or was it the sea?\n';
export const tokenizer = CharacterTokenizer.fit(text);
export const tokens = tokenizer.encode(text);
export const tiny: Recipe = {
  ...recipe('small'),
  dim: 16,
  ffnDim: 32,
  layers: 2,
  heads: 2,
  kvHeads: 1,
  selfHeads: 2,
  windowSize: 4,
  context: 16,
  batch: 2,
  steps: 60,
  warmUpSteps: 5,
  learningRate: 0.02,
};

/** The caller disposes both. */
export const build = (changes: Partial<Recipe> = {}) => {
  const made = { ...tiny, ...changes };
  const model = createModel(configOf(made, tokenizer.vocabSize), { seed: made.seed });
  return { model, trainer: new Trainer(model, tokens, trainerOptionsOf(made)) };
};
export const cardOf = (trainer: Trainer): ModelCard => ({
  format: 'cache-once model 1',
  config: trainer.model.config,
  tokenizer: tokenizer.toJSON(),
  corpus: { name: 'test', characters: text.length, sha256: '' },
  recipe: tiny,
  command: 'test',
  engine: 'test',
  parameters: trainer.model.parameters.count,
  seconds: 0,
  tokensSeen: 0,
  curve: trainer.curve,
});
