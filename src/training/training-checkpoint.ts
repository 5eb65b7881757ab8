/**
 * An unfinished run on disk, so that it resumes as if it had never stopped.
 *
 *   NAME.resume.safetensors             weights, AdamW's moments, the best weights so far, the card
 *   NAME.resume.previous.safetensors    the same, from one save before
 *
 * All is in one file, because its parts must not come from different steps. A checksum detects a
 * cut or corrupted file; then the previous one is used, which costs a few minutes and changes
 * nothing: the steps since then give the same numbers again. A finished run needs neither.
 */
import { createHash } from 'node:crypto';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { shown } from '../tensor/shapes';
import { loadSafetensors, saveSafetensors } from '../weights/safetensors';
import { type StateDict, toStateDict } from '../weights/state-dict';
import type { AdamWState } from './adamw';
import { buildModel, filesOf, type LoadedModel, type ModelCard, readCard } from './checkpoint';
import type { Trainer } from './trainer';

const format = 'cache-once run 1';

/** SHA-256 of the card and of all tensors under their names. */
function checksum(card: string, tensors: StateDict): string {
  const hash = createHash('sha256').update(card);
  for (const name of [...tensors.keys()].sort()) {
    const { data } = tensors.get(name)!;
    hash.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}

/** Writes all that the next step depends on. @throws Error if the folder cannot be written. */
export function saveRun(name: string, trainer: Trainer, card: ModelCard, best?: StateDict): void {
  const tensors: StateDict = new Map();
  for (const [weight, tensor] of toStateDict(trainer.model.parameters))
    tensors.set(`weight/${weight}`, tensor);
  for (const [weight, tensor] of best ?? []) tensors.set(`best/${weight}`, tensor);
  for (const [weight, { m, v }] of Object.entries(trainer.optimizer.state().moments)) {
    tensors.set(`m/${weight}`, { dtype: 'F32', shape: [m.length], data: m });
    tensors.set(`v/${weight}`, { dtype: 'F32', shape: [v.length], data: v });
  }
  const text = JSON.stringify(card);
  const metadata = { format, card: text, sha256: checksum(text, tensors) };
  const { run, previousRun } = filesOf(name);
  saveSafetensors(run, tensors, metadata, { keepOldAs: previousRun });
}

export interface LoadedRun extends LoadedModel {
  /** For `Trainer.restore`. */
  optimizer: AdamWState;
  /** The weights of the best measurement so far, if the run keeps them. */
  best?: StateDict;
  /** What the reader should know, if the previous file had to be used. */
  note?: string;
}

function readRun(path: string): LoadedRun {
  const { tensors, metadata } = loadSafetensors(path);
  if (metadata.format !== format)
    throw new RangeError(`${path}: format is ${shown(metadata.format)}; allowed: "${format}".`);
  if (metadata.sha256 !== checksum(metadata.card ?? '', tensors))
    throw new RangeError(`${path}: the checksum is wrong; bytes have changed since it was saved.`);
  const card = readCard(path, metadata.card);
  const parts: Record<string, StateDict> = {};
  for (const part of ['weight', 'best', 'm', 'v']) parts[part] = new Map();
  for (const [name, tensor] of tensors) {
    const slash = name.indexOf('/');
    const part = parts[name.slice(0, slash)];
    if (!part)
      throw new RangeError(
        `${path}: ${name} is not part of a run; names begin with ${Object.keys(parts)}, then /.`,
      );
    part.set(name.slice(slash + 1), tensor);
  }
  const moments: AdamWState['moments'] = {};
  for (const [weight, { data }] of parts.m)
    moments[weight] = { m: data as Float32Array, v: parts.v.get(weight)?.data as Float32Array };
  const optimizer = { steps: card.curve.losses.length, moments };
  const loaded = { ...buildModel(card, parts.weight, { config: path, weights: path }), optimizer };
  return parts.best.size > 0 ? { ...loaded, best: parts.best } : loaded;
}

/**
 * A run as it was saved; if its file is damaged, as it was saved before. The caller disposes the
 * model. A damaged file is moved aside, so that the next save does not replace the good one by it.
 * @throws RangeError naming the files and what is wrong with them, if none can be used.
 */
export function loadRun(name: string): LoadedRun {
  const { run, previousRun, refusedRun } = filesOf(name);
  if (!isInterrupted(name))
    throw new RangeError(`There is no ${run} to resume; a finished run has none.`);
  const problems: string[] = [];
  for (const path of [run, previousRun]) {
    let loaded: LoadedRun;
    try {
      loaded = readRun(path);
    } catch (error) {
      problems.push(existsSync(path) ? (error as Error).message : `${path}: the file is missing`);
      continue;
    }
    if (problems.length === 0) return loaded;
    let note = `${problems}\nThe run goes on from ${path}, after step ${loaded.optimizer.steps}.`;
    if (existsSync(run)) {
      renameSync(run, refusedRun);
      note += ` The damaged file is now ${refusedRun}.`;
    }
    return { ...loaded, note };
  }
  throw new RangeError(`${problems.join('\n')}\nNeither file can be used; start a new run.`);
}

/** Whether a run of this name was interrupted. */
export function isInterrupted(name: string): boolean {
  const { run, previousRun } = filesOf(name);
  return existsSync(run) || existsSync(previousRun);
}

/** Removes the files of a finished run. */
export function removeRun(name: string): void {
  const { run, previousRun } = filesOf(name);
  for (const path of [run, previousRun, `${run}.writing`]) rmSync(path, { force: true });
}
