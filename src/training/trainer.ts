/**
 * The loop that teaches: show a batch, measure the surprise, move every weight a little against its gradient.
 *
 *   loss = mean −ln p(next token)        clip: g ← g · min(1, c / ‖g‖)        AdamW with the schedule's rate
 *
 * Everything that happens is a function of the weights, the seed and the number of the step, so a run that stops and goes
 * on gives the losses of one that never stopped.
 */
import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs';
import { checkCount } from '../engine/shapes';
import type { LanguageModel } from '../models/language-model';
import { AdamW, type AdamWState } from './adamw';
import { Batches } from './batches';
import { clipByGlobalNorm, lossAndGradients } from './gradients';
import { crossEntropy } from './loss';
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
  onStep?: (report: StepReport) => void;
  onValidation?: (point: { step: number; loss: number }) => void;
  /** Asks the run to stop after the step it is at. */
  signal?: AbortSignal;
}

export class Trainer {
  readonly optimizer: AdamW;
  readonly curve: Curve = { losses: [], validation: [] };
  private readonly batches: Batches;

  /** The model stays the caller's. @throws RangeError naming the option, or if the text is shorter than one window. */
  constructor(
    readonly model: LanguageModel,
    tokens: Int32Array,
    readonly options: TrainerOptions,
  ) {
    checkSchedule(options.schedule);
    if (!(options.clipNorm > 0)) throw new RangeError(`Trainer: clipNorm is ${options.clipNorm}; give a length above 0, Infinity for no clipping.`);
    this.batches = new Batches(tokens, options);
    const { beta1, beta2, weightDecay } = options;
    this.optimizer = new AdamW(model.parameters, { beta1, beta2, weightDecay });
  }

  /** Steps done. The curve is the only counter. */
  get step(): number {
    return this.curve.losses.length;
  }

  /** One update. @throws Error if the loss is no number any more; the weights are then those of before this step. */
  async takeStep(): Promise<StepReport> {
    const { inputs, targets } = this.batches.at(this.step);
    const rate = learningRate(this.step, this.options.schedule);
    const lossOf = () => crossEntropy(this.model.logits(inputs), tf.tensor2d(targets, undefined, 'int32'));
    const { loss, gradients } = lossAndGradients(this.model.parameters, lossOf);
    try {
      const value = (await loss.data())[0]!;
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
      tf.dispose([loss, gradients]);
    }
  }

  /** Steps until the schedule is done or `signal` says stop. Returns whether it is done. */
  async run({ validate, validateEvery = 100, onStep, onValidation, signal }: RunOptions = {}): Promise<boolean> {
    checkCount('Trainer.run', 'validateEvery', validateEvery, 'steps');
    const { steps } = this.options.schedule;
    while (this.step < steps && !signal?.aborted) {
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
    return this.step >= steps;
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
