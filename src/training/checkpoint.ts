/**
 * A model on disk: two files that belong together.
 *
 *   NAME.safetensors    the weights under their official names
 *   NAME.json           its card: config, tokenizer, and the story of how it came to be
 *
 * A run that is not over has a file of its own (run-file.ts).
 */
import { readFileSync } from 'node:fs';
import { createModel } from '../models/create-model';
import type { LanguageModel } from '../models/language-model';
import { exists, writeDurably } from '../weights/atomic-write';
import { loadSafetensors, writeSafetensors } from '../weights/safetensors';
import { loadStateDict, type StateDict, toStateDict } from '../weights/state-dict';
import { cardText, type ModelCard, readCard } from './model-card';
import { type Tokenizer, tokenizerFrom } from './tokenizer';

/** The files of a model called `name`, which may be a path; an ending is not part of it. */
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
  const { weights, card: cardPath } = filesOf(name);
  writeDurably(weights, writeSafetensors(toStateDict(model.parameters)));
  writeDurably(cardPath, cardText(card));
}

export interface LoadedModel {
  model: LanguageModel;
  tokenizer: Tokenizer;
  card: ModelCard;
}
/** A trained model from its two files. The caller disposes it. @throws RangeError naming the file and what is wrong in it. */
export function loadModel(name: string): LoadedModel {
  const { weights, card: cardPath } = filesOf(name);
  for (const path of [cardPath, weights])
    if (!exists(path))
      throw new RangeError(
        `loadModel: there is no ${path}; a model has two files, NAME.json and NAME.safetensors. \`npm run train\` makes them.`,
      );
  const card = readCard(cardPath, readFileSync(cardPath, 'utf8'));
  return { ...modelOf(card, loadSafetensors(weights).tensors, weights), card };
}

/** The model that a card describes, with these weights. @throws RangeError naming `where` if they do not fit. */
export function modelOf(
  card: ModelCard,
  tensors: StateDict,
  where: string,
): { model: LanguageModel; tokenizer: Tokenizer } {
  const tokenizer = tokenizerFrom(card.tokenizer);
  if (tokenizer.vocabSize !== card.config.vocabSize)
    throw new RangeError(
      `${where}: the tokenizer has ${tokenizer.vocabSize} tokens, the model ${card.config.vocabSize}; they do not belong together.`,
    );
  const model = createModel(card.config);
  try {
    loadStateDict(model.parameters, tensors, { where });
  } catch (error) {
    model.dispose();
    throw error;
  }
  return { model, tokenizer };
}
