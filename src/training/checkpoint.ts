/**
 * A trained model on disk: two files that belong together.
 *
 *   NAME.safetensors    the weights under their official names
 *   NAME.json           the card: enough to load the model, to judge it and to train it again
 *
 * Large weights may lie in shards instead, beside NAME.safetensors.index.json (sharded.ts).
 * An unfinished run has a file of its own (training-checkpoint.ts).
 */
import { existsSync, readFileSync } from 'node:fs';
import { checkConfig, type ModelConfig } from '../models/config';
import type { LanguageModel } from '../models/language-model';
import { createModel } from '../models/presets';
import { shown } from '../tensor/shapes';
import { atomicWrite } from '../weights/atomic-write';
import { checkConfigFits } from '../weights/expected-weights';
import { saveSafetensors, type WriteOptions } from '../weights/safetensors';
import { loadWeights } from '../weights/sharded';
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
  const stem = name.replace(/(\.resume(\.previous)?)?\.(safetensors(\.index\.json)?|json)$/, '');
  return {
    stem,
    weights: `${stem}.safetensors`,
    weightsIndex: `${stem}.safetensors.index.json`,
    card: `${stem}.json`,
    run: `${stem}.resume.safetensors`,
    previousRun: `${stem}.resume.previous.safetensors`,
    refusedRun: `${stem}.resume.refused.safetensors`,
  };
};

/** Writes the model and its card. @throws Error if the folder cannot be written. */
export function saveModel(
  name: string,
  model: LanguageModel,
  card: ModelCard,
  options: WriteOptions = {},
): void {
  const files = filesOf(name);
  saveSafetensors(files.weights, toStateDict(model.parameters), {}, options);
  const json = JSON.stringify(card, null, 2);
  const listsOnOneLine = json.replace(/\[[\s\d.,eE+-]+\]/g, (list) => list.replace(/\s+/g, ' '));
  atomicWrite(files.card, `${listsOnOneLine}\n`);
}

export interface LoadedModel {
  model: LanguageModel;
  tokenizer: Tokenizer;
  card: ModelCard;
  /** What the reader should know about the file, if anything. */
  note?: string;
}
/**
 * A trained model from its two files. The caller disposes it.
 * @throws RangeError naming the file and what is wrong with it.
 */
export function loadModel(name: string): LoadedModel {
  const files = filesOf(name);
  const isSharded = !existsSync(files.weights) && existsSync(files.weightsIndex);
  const weights = isSharded ? files.weightsIndex : files.weights;
  for (const path of [files.card, weights])
    if (!existsSync(path))
      throw new RangeError(
        `loadModel: there is no ${path}; \`npm run train\` makes NAME.json and NAME.safetensors.`,
      );
  const card = readCard(files.card, readFileSync(files.card, 'utf8'));
  const { tensors, note } = loadWeights(weights);
  const loaded = buildModel(card, tensors, { config: files.card, weights });
  if (note) console.info(note);
  return { ...loaded, note };
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
  for (const field of ['losses', 'validation'] as const)
    if (!Array.isArray(card.curve[field]))
      throw new RangeError(`${where}: curve.${field} is missing; give a list, which may be empty.`);
  return { ...card, recipe: { ...recipeDefaults, ...card.recipe } };
}

/**
 * The model of a card with these weights. The card is compared with the weights first; nothing is
 * allocated before they agree.
 * @param where the file of the card and the file of the weights.
 * @throws RangeError naming the file and the field of the card or the weight that does not fit.
 */
export function buildModel(
  card: ModelCard,
  weights: StateDict,
  where: { config: string; weights: string },
): LoadedModel {
  const tokenizer = checkedCard(card, where.config);
  checkConfigFits(card.config, weights, where);
  const model = createModel(card.config);
  try {
    loadStateDict(model.parameters, weights, { where: where.weights });
  } catch (error) {
    model.dispose();
    throw error;
  }
  return { model, tokenizer, card };
}

/** The tokenizer of a card whose config is allowed and has the same vocabulary. */
function checkedCard({ config, tokenizer: json }: ModelCard, where: string): Tokenizer {
  try {
    checkConfig(config);
    const tokenizer = tokenizerFrom(json);
    if (tokenizer.vocabSize === config.vocabSize) return tokenizer;
    const { vocabSize } = tokenizer;
    throw new RangeError(`vocabSize is ${config.vocabSize}, but the tokenizer's is ${vocabSize}.`);
  } catch (error) {
    throw new RangeError(`${where}: ${(error as Error).message}`);
  }
}
