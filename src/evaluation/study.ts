/**
 * A study: every kind of model, the same budget, several seeds; each run is one line of a file.
 *
 *   { study, command, settings, runs: [{ kind, seed, parameters, …measured, seconds, engine }] }
 *
 * The file is replaced after each run: a study that is stopped loses one run at most, and can be
 * resumed. A file that was made with other settings is refused, so that its runs can be compared.
 */
import { existsSync, readFileSync } from 'node:fs';
import { mean } from 'simple-statistics';
import type { DataLoader } from '../training/batches';
import { readCorpus, splitText } from '../training/corpus';
import { CharacterTokenizer } from '../training/tokenizer';
import {
  type StepReport,
  type TrainableModel,
  Trainer,
  type TrainerOptions,
  trainerDefaults,
} from '../training/trainer';
import { atomicWrite } from '../weights/atomic-write';
import { type ArchitectureName, type ArchitectureSize, createArchitecture } from './architectures';

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
  /** The command that makes the runs of the file. */
  command: string;
  /** All that decides the results, apart from kind and seed. */
  settings: Record<string, unknown>;
  runs: Run[];
}
type Measured = Pick<StudyRun, 'parameters'>;
type OnStep = (report: StepReport) => void;

export interface Study<Settings extends { steps: number }> {
  name: string;
  about: string;
  kinds: readonly string[];
  settings: Settings;
  /** Trains one model and measures it. */
  run(kind: string, seed: number, settings: Settings, onStep?: OnStep): Promise<Measured>;
}
/** What the file of a study keeps of one run. */
export type RunOf<S extends Pick<Study<never>, 'run'>> = StudyRun & Awaited<ReturnType<S['run']>>;

/** @throws RangeError if the file is not a study. */
export function readStudy<Run extends StudyRun>(path: string): StudyFile<Run> {
  try {
    const file: StudyFile<Run> = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof file.study === 'string' && Array.isArray(file.runs)) return file;
    throw new RangeError('it needs "study" and "runs"');
  } catch (error) {
    const advice = 'npm run study -- --help says how to make one.';
    throw new RangeError(`${path} is not a study: ${(error as Error).message}. ${advice}`);
  }
}

/** The file at `path`, or a new one. @throws RangeError if it was made with other settings. */
export function openStudy(path: string, empty: Omit<StudyFile, 'runs'>): StudyFile {
  if (!existsSync(path)) return { ...empty, runs: [] };
  const found = readStudy(path);
  const different: string[] = found.study === empty.study ? [] : ['study'];
  for (const name in { ...found.settings, ...empty.settings }) {
    const [a, b] = [found.settings[name], empty.settings[name]].map((x) => JSON.stringify(x));
    if (a !== b) different.push(name);
  }
  if (different.length > 0)
    throw new RangeError(
      `${path} has other settings (${different.join(', ')}); give another --out, or delete it.`,
    );
  return found;
}

/** The command that makes these runs: their seeds, and their kinds if the study has others. */
export function commandOf(
  { name, kinds }: Pick<Study<never>, 'name' | 'kinds'>,
  runs: readonly Pick<StudyRun, 'kind' | 'seed'>[],
): string {
  const seeds = [...new Set(runs.map(({ seed }) => seed))].sort((a, b) => a - b);
  const trained = kinds.filter((kind) => runs.some((run) => run.kind === kind));
  const quoted = trained.map((kind) => `'${kind}'`).join(' ');
  const chosen = trained.length === kinds.length ? '' : ` --kinds ${quoted}`;
  return `npm run study -- ${name} --seeds ${seeds.join(' ')}${chosen}`;
}

/** Each run on a line of its own, so that two versions of a file can be compared. */
export function saveStudy(path: string, { runs, ...head }: StudyFile): void {
  const headLines = JSON.stringify(head, null, 2).replace(/\n}$/, ',');
  const runLines = runs.map((run) => `    ${JSON.stringify(run)}`).join(',\n');
  atomicWrite(path, `${headLines}\n  "runs": [\n${runLines}\n  ]\n}\n`);
}

/** The book in characters: the text to learn from, and a part of the held-out text. */
export function bookInCharacters(settings: { rareCharacters: number; heldOutTokens: number }) {
  const { train, validation } = splitText(readCorpus().text);
  const tokenizer = CharacterTokenizer.fit(train, settings.rareCharacters);
  const heldOut = tokenizer.encode(validation).subarray(0, settings.heldOutTokens + 1);
  return { vocabSize: tokenizer.vocabSize, train: tokenizer.encode(train), heldOut };
}

/** After the warm-up, a cosine leads from the learning rate down to 5 % of it. */
export interface Budget extends Partial<Pick<TrainerOptions, 'context' | 'weightDecay'>> {
  steps: number;
  warmUpSteps: number;
  learningRate: number;
  batch: number;
}
export function trainerOptions(budget: Budget, seed: number): TrainerOptions {
  const { steps, learningRate: peak, batch, context = 1 } = budget;
  const { weightDecay = trainerDefaults.weightDecay } = budget;
  const warmUpSteps = Math.min(budget.warmUpSteps, steps);
  const schedule = { peak, steps, warmUpSteps, floor: 0.05, decay: 'cosine' as const };
  return { ...trainerDefaults, weightDecay, batch, context, seed, schedule };
}

/** A trainer for a new model of this kind. `trainAndMeasure` disposes both. */
export function newTrainer(
  kind: string,
  source: Int32Array | DataLoader,
  settings: ArchitectureSize & Budget,
  seed: number,
) {
  const model = createArchitecture(kind as ArchitectureName, settings, seed);
  return new Trainer(model, source, trainerOptions(settings, seed));
}

interface TrainingPlan {
  /** The stored training losses are means over so many steps. */
  stepsPerLoss: number;
  onStep?: OnStep;
  /** Called before the first step, with 0, and after each step. */
  afterStep?(step: number): Promise<void>;
}

/** One run: trains until the schedule ends, measures, and disposes the trainer and its model. */
export async function trainAndMeasure<Result extends object>(
  trainer: Trainer<TrainableModel & { dispose(): void }>,
  { stepsPerLoss, onStep, afterStep }: TrainingPlan,
  measure: () => Promise<Result>,
) {
  try {
    await afterStep?.(0);
    while (trainer.step < trainer.options.schedule.steps) {
      const report = await trainer.takeStep();
      onStep?.(report);
      await afterStep?.(report.step);
    }
    const measured = await measure();
    const all = trainer.curve.losses;
    const losses: number[] = []; // means to four digits, the last one of fewer steps
    for (let start = 0; start < all.length; start += stepsPerLoss) {
      losses.push(Number(mean(all.slice(start, start + stepsPerLoss)).toPrecision(4)));
    }
    return { parameters: trainer.model.parameters.count, ...measured, losses };
  } finally {
    trainer.dispose();
    trainer.model.dispose();
  }
}

/**
 * With three seeds, the extremes say more than a standard deviation. @throws RangeError for none.
 */
export function spread(values: readonly number[]) {
  const count = values.length;
  if (count === 0) throw new RangeError('spread: there are no values; give one or more.');
  return { mean: mean([...values]), least: Math.min(...values), most: Math.max(...values), count };
}

/** The spread of `measure` over the seeds of each kind, in the order of the file. */
export function byKind<Run extends StudyRun>(runs: readonly Run[], measure: (run: Run) => number) {
  const values = new Map<string, number[]>();
  for (const run of runs) values.set(run.kind, [...(values.get(run.kind) ?? []), measure(run)]);
  return new Map([...values].map(([kind, list]) => [kind, spread(list)]));
}
