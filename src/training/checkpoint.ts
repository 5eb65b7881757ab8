/**
 * A trained model on disk: two files that belong together.
 *
 *   NAME.safetensors    the weights under their official names
 *   NAME.json           the card: enough to load the model, to judge it and to train it again
 *
 * An unfinished run has a file of its own (training-checkpoint.ts).
 */
import { existsSync, readFileSync } from 'node:fs';
import type { ModelConfig } from '../models/config';
import type { LanguageModel } from '../models/language-model';
import { createModel } from '../models/presets';
import { shown } from '../tensor/shapes';
import { atomicWrite } from '../weights/atomic-write';
import { loadSafetensors, saveSafetensors } from '../weights/safetensors';
import { loadStateDict, type StateDict, toStateDict } from '../weights/state-dict';
import { tokenizerFrom } from './fit-tokenizer';
import { type Recipe, recipeDefaults } from './recipe';
import type { Tokenizer, TokenizerJSON } from './tokenizer';
import type { Curve, Measurement } from './trainer';

const format = 'cache-once model 1';

/** Plain data, which goes through JSON unchanged. */
export interface ModelCard {
  format: typeof format;
  config: ModelConfig;
  tokenizer: TokenizerJSON;
  /** `path` if it is not the book; a run resumes only on the text with this `sha256`. */
  corpus: { name: string; path?: string; characters: number; sha256: string };
  recipe: Recipe;
  command: string;
  engine: string;
  parameters: number;
  /** Of training steps and measurements, over all sessions. */
  seconds: number;
  tokensSeen: number;
  curve: Curve;
  /** The measurement whose weights are kept, if it is not the last (early stopping). */
  kept?: Measurement;
  /** Loss of the whole held-out text after the run, and of the bigram baseline. */
  heldOut?: {
    tokens: number;
    bytes: number;
    context: number;
    loss: number;
    bitsPerByte: number;
    bigramLoss?: number;
    bigramBitsPerByte?: number;
  };
}

/** The files of a model called `name`, which may be a path, with or without an ending. */
export const filesOf = (name: string) => {
  const stem = name.replace(/(\.resume(\.previous)?)?\.(safetensors|json)$/, '');
  return {
    stem,
    weights: `${stem}.safetensors`,
    card: `${stem}.json`,
    run: `${stem}.resume.safetensors`,
    previousRun: `${stem}.resume.previous.safetensors`,
    refusedRun: `${stem}.resume.refused.safetensors`,
  };
};

/** Writes the model and its card. @throws Error if the folder cannot be written. */
export function saveModel(name: string, model: LanguageModel, card: ModelCard): void {
  const files = filesOf(name);
  saveSafetensors(files.weights, toStateDict(model.parameters));
  const json = JSON.stringify(card, null, 2);
  const listsOnOneLine = json.replace(/\[[\s\d.,eE+-]+\]/g, (list) => list.replace(/\s+/g, ' '));
  atomicWrite(files.card, `${listsOnOneLine}\n`);
}

export interface LoadedModel {
  model: LanguageModel;
  tokenizer: Tokenizer;
  card: ModelCard;
}
/**
 * A trained model from its two files. The caller disposes it.
 * @throws RangeError naming the file and what is wrong with it.
 */
export function loadModel(name: string): LoadedModel {
  const files = filesOf(name);
  for (const path of [files.card, files.weights])
    if (!existsSync(path))
      throw new RangeError(
        `loadModel: there is no ${path}; \`npm run train\` makes NAME.json and NAME.safetensors.`,
      );
  const card = readCard(files.card, readFileSync(files.card, 'utf8'));
  return buildModel(card, loadSafetensors(files.weights).tensors, files.weights);
}

/** @throws RangeError saying what is wrong with the card. */
export function readCard(where: string, json: string): ModelCard {
  let card: ModelCard;
  try {
    card = JSON.parse(json) as ModelCard;
  } catch (error) {
    const { message } = error as Error;
    throw new RangeError(`${where}: this is not JSON (${message}). Was the file cut short?`);
  }
  if (card?.format !== format)
    throw new RangeError(`${where}: format is ${shown(card?.format)}; allowed: "${format}".`);
  for (const field of ['config', 'tokenizer', 'recipe', 'curve'] as const)
    if (typeof card[field] !== 'object' || card[field] === null)
      throw new RangeError(`${where}: ${field} is missing; the card of a model needs it.`);
  return { ...card, recipe: { ...recipeDefaults, ...card.recipe } };
}

/** The model of a card with these weights. @throws RangeError naming `where` if they do not fit. */
export function buildModel(card: ModelCard, weights: StateDict, where: string): LoadedModel {
  const tokenizer = tokenizerFrom(card.tokenizer);
  const { vocabSize } = card.config;
  if (tokenizer.vocabSize !== vocabSize)
    throw new RangeError(
      `${where}: vocabSize is ${vocabSize}, but the tokenizer's is ${tokenizer.vocabSize}.`,
    );
  const model = createModel(card.config);
  try {
    loadStateDict(model.parameters, weights, { where });
  } catch (error) {
    model.dispose();
    throw error;
  }
  return { model, tokenizer, card };
}
