/**
 * The loop that teaches: show a batch, measure the surprise, move every weight a little against its gradient.
 *
 *   loss = mean −ln p(next token)        clip: g ← g · min(1, c / ‖g‖)        AdamW with the schedule's rate
 *
 * A step may be too large for the memory at hand. Then it is taken in parts whose gradients are added up:
 *
 *   accumulate    several batches, one after the other             the same numbers as one large batch
 *   chunk         a long window in pieces, the caches carried on    the same loss; the gradient stops at each piece's start
 *
 * The second is truncated back-propagation through time: a piece reads what the pieces before it left in the caches, but
 * does not tell them how they could have served it better.
 *
 * Everything that happens is a function of the weights, the seed and the number of the step, so a run that stops and goes
 * on gives the losses of one that never stopped.
 */
import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs';
import type { LanguageModel } from '../models/language-model';
import { checkCount } from '../tensor/shapes';
import { AdamW, type AdamWState } from './adamw';
import { Batches, type BatchSource, type Windows } from './batches';
import { sinceBest } from './early-stop';
import { clipByGlobalNorm, type Gradients, lossAndGradients } from './gradients';
import { crossEntropy, NOT_ASKED } from './loss';
import { checkSchedule, learningRate, type Schedule } from './schedule';

export interface TrainerOptions {
  /** Windows per step, and tokens per window. */
  batch: number;
  context: number;
  /** Order of the windows. */
  seed: number;
  schedule: Schedule;
  /** AdamW's; YOCO's 3B run takes β = (0.9, 0.95) and 0.1. */
  beta1: number;
  beta2: number;
  weightDecay: number;
  /** Longest gradient, as one vector over all weights; a longer one is scaled down to this. */
  clipNorm: number;
  /** Batches per step (default 1). */
  accumulate?: number;
  /** Tokens per piece of a window (default: the whole window is one piece). */
  chunk?: number;
}
export const trainerDefaults = { beta1: 0.9, beta2: 0.95, weightDecay: 0.1, clipNorm: 1 };

/** What happened so far; plain data, part of the checkpoint. */
export interface Curve {
  /** Loss of each step's batch, before its update. */
  losses: number[];
  /** Loss of held-out text after so many steps. */
  validation: { step: number; loss: number }[];
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
  /** Measured every so many steps and at the end. */
  validate?: () => Promise<number>;
  validateEvery?: number;
  /** Stop when so many measurements in a row brought nothing new (early-stop.ts). Default: only when the schedule is done. */
  patience?: number;
  onStep?: (report: StepReport) => void;
  onValidation?: (point: { step: number; loss: number }) => void;
  /** Asks the run to stop after the step it is at. */
  signal?: AbortSignal;
}

/** What a trainer needs of a model; caches only if it is to work in pieces. */
export type TrainableModel = Pick<LanguageModel, 'parameters' | 'logits'> &
  Partial<Pick<LanguageModel, 'newCache' | 'prefill'>>;

const askedIn = ({ targets }: Windows): number =>
  sumOf(targets.map((row) => row.filter((target) => target !== NOT_ASKED).length));
const sumOf = (numbers: number[]): number => numbers.reduce((sum, n) => sum + n, 0);

export class Trainer<M extends TrainableModel = LanguageModel> {
  readonly optimizer: AdamW;
  readonly curve: Curve = { losses: [], validation: [] };
  private readonly batches: BatchSource;

  /**
   * The model stays the caller's. @param source a text as tokens, of which windows are made, or anything that gives batches.
   * @throws RangeError naming the option, or if the text is shorter than one window.
   */
  constructor(
    readonly model: M,
    source: Int32Array | BatchSource,
    readonly options: TrainerOptions,
  ) {
    checkSchedule(options.schedule);
    for (const name of ['accumulate', 'chunk'] as const) {
      const value = options[name];
      if (value !== undefined)
        checkCount('Trainer', name, value, name === 'chunk' ? 'tokens' : 'batches');
    }
    if (options.chunk !== undefined && !(model.newCache && model.prefill))
      throw new RangeError(
        `Trainer: chunk is ${options.chunk}, but this model keeps no cache to carry from piece to piece; leave chunk out.`,
      );
    if (!(options.clipNorm > 0))
      throw new RangeError(
        `Trainer: clipNorm is ${options.clipNorm}; give a length above 0, Infinity for no clipping.`,
      );
    this.batches = source instanceof Int32Array ? new Batches(source, options) : source;
    const { beta1, beta2, weightDecay } = options;
    this.optimizer = new AdamW(model.parameters, { beta1, beta2, weightDecay });
  }

  /** Steps done. The curve is the only counter. */
  get step(): number {
    return this.curve.losses.length;
  }

  /** One update. @throws Error if the loss is no number any more; the weights are then those of before this step. */
  async takeStep(): Promise<StepReport> {
    const rate = learningRate(this.step, this.options.schedule);
    const { value, gradients } = await this.lossOfStep();
    try {
      const { gradients: clipped, norm } = clipByGlobalNorm(gradients, this.options.clipNorm);
      try {
        if (!Number.isFinite(value + norm))
          throw new Error(
            `Trainer: at step ${this.step + 1} the loss is ${value} and the gradient's length ${norm}; a lower learning rate may help.`,
          );
        this.optimizer.update(clipped, rate);
      } finally {
        tf.dispose(clipped);
      }
      this.curve.losses.push(value);
      return { step: this.step, loss: value, learningRate: rate, gradientNorm: norm };
    } finally {
      tf.dispose(gradients);
    }
  }

  /** Loss and gradients of all parts of the step, each part weighing as much as the share of answers that it asks for. */
  private async lossOfStep(): Promise<{ value: number; gradients: Gradients }> {
    const { accumulate = 1 } = this.options;
    const batches = Array.from({ length: accumulate }, (_, i) =>
      this.batches.at(this.step * accumulate + i),
    );
    const all = sumOf(batches.map(askedIn));
    let value = 0;
    let total: Gradients = {};
    for (const batch of batches)
      for (const { asked, lossOf } of this.parts(batch)) {
        const { loss, gradients } = lossAndGradients(this.model.parameters, () =>
          lossOf().mul<tf.Scalar>(asked / all),
        );
        const before = total;
        total = Object.fromEntries(
          Object.entries(gradients).map(([name, g]) => [name, before[name]?.add(g) ?? g]),
        );
        // What was added is no longer needed; the first part's gradients are the total itself.
        tf.dispose(before);
        if (Object.keys(before).length > 0) tf.dispose(gradients);
        value += (await loss.data())[0];
        loss.dispose();
      }
    return { value, gradients: total };
  }

  /** A batch as one loss, or as one per piece, in order: each piece finds the caches as the one before left them. */
  private *parts({
    inputs,
    targets,
  }: Windows): Generator<{ asked: number; lossOf: () => tf.Scalar }> {
    const { model } = this;
    const { chunk } = this.options;
    if (chunk === undefined || chunk >= inputs[0].length) {
      yield {
        asked: askedIn({ inputs, targets }),
        lossOf: () => crossEntropy(model.logits(inputs), targets),
      };
      return;
    }
    const cache = model.newCache!(inputs.length);
    try {
      for (let start = 0; start < inputs[0].length; start += chunk) {
        const piece = (rows: number[][]) => rows.map((row) => row.slice(start, start + chunk));
        const [x, y] = [piece(inputs), piece(targets)];
        const asked = askedIn({ inputs: x, targets: y });
        if (asked > 0)
          yield {
            asked,
            lossOf: () =>
              crossEntropy(model.prefill!(x, cache, { logits: 'all', earlyExit: false }), y),
          };
        else model.prefill!(x, cache).dispose();
      }
    } finally {
      cache.dispose();
    }
  }

  /** Steps until the schedule is done, the patience at its end or `signal` says stop. Returns whether it is done. */
  async run({
    validate,
    validateEvery = 100,
    patience,
    onStep,
    onValidation,
    signal,
  }: RunOptions = {}): Promise<boolean> {
    checkCount('Trainer.run', 'validateEvery', validateEvery, 'steps');
    if (patience !== undefined) checkCount('Trainer.run', 'patience', patience, 'measurements');
    if (patience !== undefined && !validate)
      throw new RangeError(
        `Trainer.run: patience is ${patience}, but nothing is measured; give validate, or leave patience out.`,
      );
    const { steps } = this.options.schedule;
    const isDone = () =>
      this.step >= steps ||
      (patience !== undefined && sinceBest(this.curve.validation) >= patience);
    while (!isDone() && !signal?.aborted) {
      const report = await this.takeStep(); // on a line of its own: inside onStep?.(…) it would only run if somebody listens
      onStep?.(report);
      if (validate && (this.step % validateEvery === 0 || this.step === steps)) {
        const point = { step: this.step, loss: await validate() };
        this.curve.validation.push(point);
        onValidation?.(point);
      }
      // wasm computes without letting go: give signals and timers their turn, or Ctrl-C is never heard.
      await setImmediate();
    }
    return isDone();
  }

  /** Goes on from where a run was saved; the model must already hold that run's weights. @throws RangeError if it is another model's. */
  restore(optimizer: AdamWState, curve: Curve): void {
    if (optimizer.steps !== curve.losses.length)
      throw new RangeError(
        `Trainer.restore: the optimiser has made ${optimizer.steps} steps, the curve ${curve.losses.length}; they are of different moments.`,
      );
    this.optimizer.restore(optimizer);
    this.curve.losses = [...curve.losses];
    this.curve.validation = [...curve.validation];
  }

  dispose(): void {
    this.optimizer.dispose();
  }
}
