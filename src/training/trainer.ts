/**
 * The training loop: read a batch, compute its loss, move every weight against its gradient.
 *
 *   loss = mean of −ln p(next token)    clip: g ← g · min(1, c / ‖g‖)    AdamW, scheduled rate
 *
 * A step that needs too much memory is computed in parts, whose gradients are added up:
 *
 *   accumulate   several batches, one after the other: the same numbers as one large batch
 *   chunk        a window in chunks, the caches carried over: the same loss, but the gradient
 *                stops at the start of each chunk (truncated back-propagation through time)
 *
 * Everything depends on the weights, the seed and the number of the step alone, so a run that
 * stops and resumes gives the losses of one that never stopped.
 */
import * as tf from '@tensorflow/tfjs';
import type { LanguageModel } from '../models/language-model';
import { freeOnError } from '../tensor/all-or-nothing';
import { Interruption } from '../tensor/interruption';
import { checkCount } from '../tensor/shapes';
import { AdamW, type AdamWState } from './adamw';
import { type Batch, type DataLoader, TextDataLoader } from './batches';
import { addGradients, clipByGlobalNorm, type Gradients, lossAndGradients } from './gradients';
import { IGNORE_INDEX, type LossFunction, textLoss } from './loss';
import { checkSchedule, learningRate, type Schedule } from './schedule';

export interface TrainerOptions {
  /** Windows per batch, tokens per window, and the seed of the windows' order. */
  batch: number;
  context: number;
  seed: number;
  schedule: Schedule;
  /** AdamW's; YOCO's 3B run takes β = (0.9, 0.95) and 0.1. */
  beta1: number;
  beta2: number;
  weightDecay: number;
  /** Longest gradient, as one vector over all weights; a longer one is scaled down to this. */
  clipNorm: number;
  /** Batches per step (default 1), and tokens per chunk of a window (default: all). */
  accumulate?: number;
  chunk?: number;
  /** What is minimised (default: the loss of the text). */
  loss?: LossFunction;
}
export const trainerDefaults = { beta1: 0.9, beta2: 0.95, weightDecay: 0.1, clipNorm: 1 };

/** The loss of held-out text after so many steps. */
export interface Measurement {
  step: number;
  loss: number;
}
/** The losses so far: of each step's batch before its update, and of held-out text. */
export interface Curve {
  losses: number[];
  validation: Measurement[];
}
export interface StepReport {
  /** Steps done, this one included. */
  step: number;
  loss: number;
  learningRate: number;
  /** Length of the gradient before it was clipped. */
  gradientNorm: number;
}
export interface RunOptions {
  /** Measures held-out text every `validateEvery` steps and at the end. */
  validate?: () => Promise<number>;
  validateEvery?: number;
  /** Early stopping: end after so many measurements in a row without a new lowest one. */
  patience?: number;
  onStep?: (report: StepReport) => void;
  onValidation?: (measurement: Measurement) => void;
  /** Asks the run to stop after the current step. */
  signal?: AbortSignal;
}

/** What a trainer needs of a model; caches only for windows in chunks. */
export type TrainableModel = Pick<LanguageModel, 'parameters' | 'forward'> &
  Partial<Pick<LanguageModel, 'newCache'>>;

/** The lowest measurement so far; of equals the first. */
export function bestOf(validation: readonly Measurement[]): Measurement | undefined {
  let best: Measurement | undefined;
  for (const measurement of validation)
    if (!best || measurement.loss < best.loss) best = measurement;
  return best;
}

export class Trainer<M extends TrainableModel = LanguageModel> {
  readonly optimizer: AdamW;
  readonly curve: Curve = { losses: [], validation: [] };
  private readonly loader: DataLoader;
  /** The step and the run that go on, if any: two at once would mix their updates. */
  private isStepping = false;
  private running?: { interruption: Interruption; ended: Promise<boolean> };

  /**
   * The model stays the caller's. `source` is a text as tokens, or anything that gives batches.
   * @throws RangeError naming the option, or if the text is shorter than one window.
   */
  constructor(
    readonly model: M,
    source: Int32Array | DataLoader,
    readonly options: TrainerOptions,
  ) {
    const { schedule, accumulate = 1, chunk, clipNorm, loss } = options;
    checkSchedule(schedule);
    checkCount('Trainer', 'accumulate', accumulate, 'batches');
    if (chunk !== undefined) {
      checkCount('Trainer', 'chunk', chunk, 'tokens');
      const needs = loss ? 'a given loss needs whole windows' : 'this model has no cache';
      if (loss || !model.newCache)
        throw new RangeError(`Trainer: chunk is ${chunk}, but ${needs}; leave chunk out.`);
    }
    if (!(clipNorm > 0))
      throw new RangeError(`Trainer: clipNorm is ${clipNorm}; give a length above 0, or Infinity.`);
    this.loader = source instanceof Int32Array ? new TextDataLoader(source, options) : source;
    const { beta1, beta2, weightDecay } = options;
    this.optimizer = new AdamW(model.parameters, { beta1, beta2, weightDecay });
  }

  /** Steps done. */
  get step(): number {
    return this.curve.losses.length;
  }

  /**
   * One update. @throws Error if the loss is not finite or another step goes on, Interrupted if the
   * reader stops it (■) before it begins; the weights are then as before.
   */
  takeStep(): Promise<StepReport> {
    return this.takeOneStep(new Interruption());
  }

  private async takeOneStep(interruption: Interruption): Promise<StepReport> {
    if (this.isStepping)
      throw new Error(
        `Trainer: step ${this.step + 1} is being computed; await it before the next one.`,
      );
    this.isStepping = true;
    try {
      // ■ can cut a cell anywhere before its first pause; a step must not be cut.
      await interruption.check(
        () => `Trainer: stopped after ${this.step} steps; run() or takeStep() goes on from there.`,
      );
      return await this.computeStep();
    } finally {
      this.isStepping = false;
    }
  }

  private async computeStep(): Promise<StepReport> {
    const rate = learningRate(this.step, this.options.schedule);
    const gradients: Gradients = {};
    try {
      const loss = await this.lossOfStep(gradients);
      const gradientNorm = tf.tidy(() => {
        const { gradients: clipped, norm } = clipByGlobalNorm(gradients, this.options.clipNorm);
        if (!Number.isFinite(loss + norm))
          throw new Error(
            `Trainer: at step ${this.step + 1} the loss is ${loss} and the norm of the gradient ` +
              `${norm}; a lower learning rate may help.`,
          );
        this.optimizer.update(clipped, rate);
        return norm;
      });
      this.curve.losses.push(loss);
      return { step: this.step, loss, learningRate: rate, gradientNorm };
    } finally {
      tf.dispose(gradients);
    }
  }

  /** The loss of all parts of the step, each weighted by its targets; fills in the gradients. */
  private async lossOfStep(gradients: Gradients): Promise<number> {
    const { accumulate = 1, loss: lossFunction = textLoss } = this.options;
    const batches: Batch[] = [];
    for (let i = 0; i < accumulate; i++) batches.push(this.loader.at(this.step * accumulate + i));
    const totalCount = batches.reduce((sum, batch) => sum + targetCount(batch), 0);
    if (totalCount === 0)
      throw new RangeError(`Trainer: step ${this.step + 1} has no targets; give one or more.`);
    let loss = 0;
    for (const batch of batches)
      for (const { part, forward } of this.partsOf(batch)) {
        const weight = targetCount(part) / totalCount;
        if (weight === 0) {
          freeOnError(forward).dispose(); // for the caches alone
          continue;
        }
        const result = tf.tidy(() => {
          const lossOf = lossFunction(part);
          return lossAndGradients(this.model.parameters, () => lossOf(forward()).mul(weight));
        });
        try {
          addGradients(gradients, result.gradients);
          loss += (await result.loss.data())[0];
        } finally {
          result.loss.dispose();
        }
      }
    return loss;
  }

  /** The batch whole, or in chunks, in order: each continues from the caches of the one before. */
  private *partsOf(batch: Batch): Generator<{ part: Batch; forward: () => tf.Tensor3D }> {
    const { model } = this;
    const context = batch.inputs[0].length;
    const { chunk = context } = this.options;
    if (chunk >= context || !model.newCache) {
      yield { part: batch, forward: () => model.forward(batch.inputs) };
      return;
    }
    const cache = model.newCache(batch.inputs.length);
    try {
      for (let start = 0; start < context; start += chunk) {
        const columns = (rows: number[][]) => rows.map((row) => row.slice(start, start + chunk));
        const part = { inputs: columns(batch.inputs), targets: columns(batch.targets) };
        yield { part, forward: () => model.forward(part.inputs, cache) };
      }
    } finally {
      cache.dispose();
    }
  }

  /**
   * Steps until the run is done (returns true) or `signal` asks to stop (returns false).
   * @throws Interrupted after the current step if the reader stops it (■): another `run` goes on
   * from there. @throws Error if this trainer runs already.
   */
  async run(options: RunOptions = {}): Promise<boolean> {
    const { validateEvery = 100, patience, validate } = options;
    checkCount('Trainer.run', 'validateEvery', validateEvery, 'steps');
    if (patience !== undefined) checkCount('Trainer.run', 'patience', patience, 'measurements');
    if (patience !== undefined && !validate)
      throw new RangeError(`Trainer.run: patience is ${patience}; give validate, too.`);
    while (this.running) {
      const { interruption, ended } = this.running;
      if (!interruption.isRequested)
        throw new Error(
          `Trainer.run: this trainer runs already, at step ${this.step}; await that run, or stop ` +
            'it with ■ or its signal.',
        );
      await ended.catch(() => undefined); // it finishes its step
    }
    const interruption = new Interruption();
    const ended = this.runSteps(options, validateEvery, interruption);
    this.running = { interruption, ended };
    try {
      return await ended;
    } finally {
      this.running = undefined;
    }
  }

  private async runSteps(
    { validate, patience, onStep, onValidation, signal }: RunOptions,
    validateEvery: number,
    interruption: Interruption,
  ): Promise<boolean> {
    const { steps } = this.options.schedule;
    while (!this.isDone(patience) && !signal?.aborted) {
      const report = await this.takeOneStep(interruption);
      onStep?.(report);
      if (validate && (this.step % validateEvery === 0 || this.step === steps)) {
        const measurement = { step: this.step, loss: await validate() };
        this.curve.validation.push(measurement);
        onValidation?.(measurement);
      }
    }
    return this.isDone(patience);
  }

  /** A function of the curve, which a checkpoint holds: a resumed run stops at the same step. */
  private isDone(patience = Number.POSITIVE_INFINITY): boolean {
    if (this.step >= this.options.schedule.steps) return true;
    const { validation } = this.curve;
    const best = bestOf(validation);
    return best !== undefined && validation.length - 1 - validation.indexOf(best) >= patience;
  }

  /** Continues a saved run, whose weights the model holds. @throws RangeError if they differ. */
  restore(optimizer: AdamWState, curve: Curve): void {
    if (optimizer.steps !== curve.losses.length)
      throw new RangeError(
        `Trainer.restore: the optimiser made ${optimizer.steps} steps, the curve has ` +
          `${curve.losses.length}; give two that were saved together.`,
      );
    this.optimizer.restore(optimizer);
    Object.assign(this.curve, structuredClone(curve));
  }

  dispose(): void {
    this.optimizer.dispose();
  }
}

/** Targets that are not ignored. */
function targetCount({ targets }: Batch): number {
  return targets.flat().filter((target) => target !== IGNORE_INDEX).length;
}
