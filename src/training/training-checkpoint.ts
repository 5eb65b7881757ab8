/**
 * A run on disk, as it stands, so that it can go on as if it had never stopped.
 *
 *   NAME.resume.safetensors             the run: weights, AdamW's averages, the best weights so far, and the card
 *   NAME.resume.previous.safetensors    the same, one saving earlier
 *
 * It is one file because its parts must not come from different moments, and it says its own checksum: a disk that went
 * full or a byte that tipped over is found before the run goes on from it. Then the previous file is used, which costs a
 * few minutes and changes nothing: the steps in between come out again as they did. A finished run needs neither.
 */
import { createHash } from 'node:crypto';
import { renameSync, rmSync } from 'node:fs';
import { exists, writeDurably } from '../weights/atomic-write';
import { loadSafetensors, writeSafetensors } from '../weights/safetensors';
import { type StateDict, toStateDict } from '../weights/state-dict';
import type { AdamWState } from './adamw';
import { filesOf, type LoadedModel, modelOf } from './checkpoint';
import { type ModelCard, readCard } from './model-card';
import type { Trainer } from './trainer';

const format = 'cache-once run 1';
const kinds = ['weight', 'best', 'm', 'v'] as const;

/** SHA-256 over the card and all numbers under their names. */
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
  const { run, previousRun } = filesOf(name);
  const tensors: StateDict = new Map();
  for (const [weight, tensor] of toStateDict(trainer.model.parameters))
    tensors.set(`weight/${weight}`, tensor);
  for (const [weight, tensor] of best ?? []) tensors.set(`best/${weight}`, tensor);
  const { moments } = trainer.optimizer.state();
  for (const weight in moments)
    for (const average of ['m', 'v'] as const) {
      const data = moments[weight][average];
      tensors.set(`${average}/${weight}`, { dtype: 'F32', shape: [data.length], data });
    }
  const text = JSON.stringify(card);
  writeDurably(
    run,
    writeSafetensors(tensors, { format, card: text, sha256: checksum(text, tensors) }),
    { keepOldAs: previousRun },
  );
}

export interface LoadedRun extends LoadedModel {
  /** For `Trainer.restore`. */
  optimizer: AdamWState;
  /** The weights of the best measurement so far, if the run keeps them. */
  best?: StateDict;
  /** What the reader should know, if the run had to be taken from the previous file. */
  note?: string;
}

function readRun(path: string): LoadedRun {
  const { tensors, metadata } = loadSafetensors(path);
  if (metadata.format !== format)
    throw new RangeError(
      `${path}: format is ${JSON.stringify(metadata.format)}; a run that can go on has "${format}". It is another file.`,
    );
  if (metadata.sha256 !== checksum(metadata.card ?? '', tensors))
    throw new RangeError(
      `${path}: its checksum is wrong; some of its bytes have changed since it was written.`,
    );
  const card = readCard(path, metadata.card ?? '');
  const parts: Record<(typeof kinds)[number], StateDict> = {
    weight: new Map(),
    best: new Map(),
    m: new Map(),
    v: new Map(),
  };
  for (const [name, tensor] of tensors) {
    const kind = kinds.find((kind) => name.startsWith(`${kind}/`));
    if (!kind)
      throw new RangeError(
        `${path}: ${name} is no part of a run; its tensors begin with ${kinds.join('/, ')}/.`,
      );
    parts[kind].set(name.slice(kind.length + 1), tensor);
  }
  const moments: AdamWState['moments'] = {};
  for (const [weight, { data }] of parts.m)
    moments[weight] = { m: data as Float32Array, v: parts.v.get(weight)?.data as Float32Array };
  const loaded = {
    ...modelOf(card, parts.weight, path),
    card,
    optimizer: { steps: card.curve.losses.length, moments },
  };
  return parts.best.size > 0 ? { ...loaded, best: parts.best } : loaded;
}

/**
 * A run as it was saved; if its file is damaged, as it was saved before. The caller disposes the model. A file that is
 * refused is moved aside, so that the next saving does not put it in the place of the good one.
 * @throws RangeError naming the files and what is wrong in them, if there is no run to go on with.
 */
export function loadRun(name: string): LoadedRun {
  const { run, previousRun, refusedRun } = filesOf(name);
  if (!exists(run) && !exists(previousRun))
    throw new RangeError(
      `There is no ${run} to resume. It is written while a run goes on and removed when it is done.`,
    );
  let problem = `${run}: the file is missing`;
  if (exists(run))
    try {
      return readRun(run);
    } catch (error) {
      problem = (error as Error).message;
    }
  if (!exists(previousRun))
    throw new RangeError(
      `${problem}\nThere is no earlier file of this run either; start a new one.`,
    );
  let loaded: LoadedRun;
  try {
    loaded = readRun(previousRun);
  } catch (error) {
    throw new RangeError(
      `${problem}\n${(error as Error).message}\nNeither file of this run can be used; start a new one.`,
    );
  }
  let note = `${problem}\nThe run goes on from ${previousRun}, after step ${loaded.optimizer.steps}.`;
  if (exists(run)) {
    renameSync(run, refusedRun);
    note += ` The refused file is now ${refusedRun}.`;
  }
  return { ...loaded, note };
}

/** Whether a run of this name was interrupted. */
export const isInterrupted = (name: string): boolean =>
  exists(filesOf(name).run) || exists(filesOf(name).previousRun);

/** The run is done: what is left is the model. */
export function removeRun(name: string): void {
  const { run, previousRun } = filesOf(name);
  for (const path of [run, previousRun, `${run}.writing`]) rmSync(path, { force: true });
}
