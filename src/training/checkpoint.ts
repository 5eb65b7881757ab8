/**
 * A model on disk, and a run that can go on.
 *
 *   NAME.safetensors + NAME.json     the model: weights under their official names, and its card
 *   NAME.resume.safetensors          the run: weights, AdamW's averages and the card, all in one file
 *
 * Every file is written beside its place and then renamed, so a power cut leaves the old one or the new one. The run is one
 * file for the same reason: its parts cannot come from different moments. A finished run needs none; it is removed.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { createModel } from '../models/create-model';
import type { LanguageModel } from '../models/language-model';
import { loadSafetensors, saveSafetensors } from '../models/safetensors';
import { loadStateDict, type StateDict } from '../models/state-dict';
import type { AdamWState } from './adamw';
import { cardText, type ModelCard, readCard } from './model-card';
import { type Tokenizer, tokenizerFrom } from './tokenizer';
import type { Trainer } from './trainer';

/** The files of a model called `name`, which may be a path; an ending is not part of it. */
export const filesOf = (name: string) => {
  const stem = name.replace(/(\.resume)?\.(safetensors|json)$/, '');
  return { stem, weights: `${stem}.safetensors`, card: `${stem}.json`, run: `${stem}.resume.safetensors` };
};

/** Writes the model and its card. @throws Error if the folder cannot be written. */
export function saveModel(name: string, model: LanguageModel, card: ModelCard): void {
  const { weights, card: cardPath } = filesOf(name);
  mkdirSync(dirname(weights), { recursive: true });
  saveSafetensors(weights, model.stateDict());
  writeFileSync(`${cardPath}.writing`, cardText(card));
  renameSync(`${cardPath}.writing`, cardPath);
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
    if (!statSync(path, { throwIfNoEntry: false }))
      throw new RangeError(`loadModel: there is no ${path}; a model has two files, NAME.json and NAME.safetensors. \`npm run train\` makes them.`);
  const card = readCard(cardPath, readFileSync(cardPath, 'utf8'));
  return { ...modelOf(card, loadSafetensors(weights).tensors, weights), card };
}

function modelOf(card: ModelCard, tensors: StateDict, where: string): { model: LanguageModel; tokenizer: Tokenizer } {
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

const averages = ['m', 'v'] as const;

/** Writes all that the next step depends on. @throws Error if the folder cannot be written. */
export function saveRun(name: string, trainer: Trainer, card: ModelCard): void {
  const { run } = filesOf(name);
  mkdirSync(dirname(run), { recursive: true });
  const tensors: StateDict = new Map([...trainer.model.stateDict()].map(([weight, tensor]) => [`weight/${weight}`, tensor]));
  const { steps, moments } = trainer.optimizer.state();
  for (const weight in moments)
    for (const average of averages) {
      const data = moments[weight]![average];
      tensors.set(`${average}/${weight}`, { dtype: 'F32', shape: [data.length], data });
    }
  saveSafetensors(run, tensors, { card: JSON.stringify(card), optimizerSteps: String(steps) });
}

export interface LoadedRun extends LoadedModel {
  /** For `AdamW.restore`. */
  optimizer: AdamWState;
}
/** A run as it was saved. The caller disposes the model. @throws RangeError naming the file and what is wrong in it. */
export function loadRun(name: string): LoadedRun {
  const { run } = filesOf(name);
  if (!statSync(run, { throwIfNoEntry: false }))
    throw new RangeError(`There is no ${run} to resume. It is written while a run goes on and removed when it is done.`);
  const { tensors, metadata } = loadSafetensors(run);
  const card = readCard(run, metadata.card ?? '');
  const weights: StateDict = new Map();
  const moments: AdamWState['moments'] = {};
  for (const [name, tensor] of tensors) {
    const [kind, weight] = [name.slice(0, name.indexOf('/')), name.slice(name.indexOf('/') + 1)];
    if (kind === 'weight') {
      weights.set(weight, tensor);
      continue;
    }
    const pair = moments[weight] ?? { m: new Float32Array(), v: new Float32Array() };
    moments[weight] = { ...pair, [kind]: tensor.data };
  }
  return { ...modelOf(card, weights, run), card, optimizer: { steps: Number(metadata.optimizerSteps), moments } };
}
/** The run is done: what is left is the model. */
export const removeRun = (name: string): void => rmSync(filesOf(name).run, { force: true });
