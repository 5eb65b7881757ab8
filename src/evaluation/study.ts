/**
 * A study: the same budget for every kind of model and every seed, each run a line in a file.
 *
 *   { study, settings, runs: [{ kind, seed, parameters, seconds, engine, … what was measured }] }
 *
 * The file grows run by run and is written anew, beside its place and then renamed, after each: a study that is stopped has
 * lost one run at most, and goes on where it stood. Runs made with other settings are never mixed in: they are refused.
 */
import { existsSync, readFileSync } from 'node:fs';
import { writeDurably } from '../weights/atomic-write';

export interface StudyRun {
  kind: string;
  seed: number;
  /** Weights of the model. */
  parameters: number;
  seconds: number;
  engine: string;
}
export interface StudyFile<Run extends StudyRun = StudyRun> {
  study: string;
  /** What was typed to make it. */
  command: string;
  /** All that decides the result, apart from kind and seed. */
  settings: Record<string, unknown>;
  runs: Run[];
}

/** What a study does for one kind and one seed. */
export interface StudyDefinition<Settings extends Record<string, unknown>, Run extends StudyRun> {
  name: string;
  about: string;
  kinds: readonly string[];
  settings: Settings;
  run(
    kind: string,
    seed: number,
    settings: Settings,
    onStep?: (report: { step: number; loss: number }) => void,
  ): Promise<Omit<Run, 'kind' | 'seed' | 'seconds' | 'engine'>>;
}

/** @throws RangeError if the file is no study. */
export function readStudy<Run extends StudyRun>(path: string): StudyFile<Run> {
  let file: StudyFile<Run>;
  try {
    file = JSON.parse(readFileSync(path, 'utf8')) as StudyFile<Run>;
  } catch (error) {
    throw new RangeError(
      `${path}: this is no study (${(error as Error).message}). npm run study -- --help says how to make one.`,
    );
  }
  if (typeof file?.study !== 'string' || !Array.isArray(file.runs))
    throw new RangeError(
      `${path}: this is no study; it needs "study" and "runs". npm run study -- --help says how to make one.`,
    );
  return file;
}

/** The file at `path` to go on with, or a new one. @throws RangeError if it was made with other settings. */
export function openStudy<Run extends StudyRun>(
  path: string,
  fresh: Omit<StudyFile<Run>, 'runs'>,
): StudyFile<Run> {
  if (!existsSync(path)) return { ...fresh, runs: [] };
  const found = readStudy<Run>(path);
  const different = [
    ...new Set([...Object.keys(found.settings), ...Object.keys(fresh.settings)]),
  ].filter((name) => JSON.stringify(found.settings[name]) !== JSON.stringify(fresh.settings[name]));
  if (found.study !== fresh.study || different.length > 0)
    throw new RangeError(
      `${path} was made with other settings (${different.join(', ') || found.study}); runs of two kinds must not mix. Name another file with --out, or delete this one.`,
    );
  return found;
}

/** Each run on a line of its own, so that two versions of the file can be compared by eye. */
export function saveStudy(path: string, { runs, ...head }: StudyFile): void {
  const text = `${JSON.stringify(head, null, 2).replace(/\n}$/, ',')}\n  "runs": [\n${runs.map((run) => `    ${JSON.stringify(run)}`).join(',\n')}\n  ]\n}\n`;
  writeDurably(path, text);
}

export interface Spread {
  mean: number;
  /** The smallest and the largest: with three seeds, that is the whole story, and a standard deviation would be a guess. */
  least: number;
  most: number;
  count: number;
}
/** @throws RangeError if there is nothing to summarise. */
export function spread(values: readonly number[]): Spread {
  if (values.length === 0) throw new RangeError('spread: there are no values; give one or more.');
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  return { mean, least: Math.min(...values), most: Math.max(...values), count: values.length };
}

/** What `measure` gives for each kind, over its seeds, in the order in which the kinds first come. */
export function byKind<Run extends StudyRun>(
  runs: readonly Run[],
  measure: (run: Run) => number,
): Map<string, Spread> {
  const kinds = [...new Set(runs.map(({ kind }) => kind))];
  return new Map(
    kinds.map((kind) => [kind, spread(runs.filter((run) => run.kind === kind).map(measure))]),
  );
}
