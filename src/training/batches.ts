/**
 * What a training step sees: B windows of N + 1 tokens. The first N are read, the last N are to be predicted.
 *
 *   window   c a l l _ m e
 *   input    c a l l _ m
 *   target   a l l _ m e        every position is a question of its own
 *
 * An epoch cuts the text into windows side by side and takes them in a shuffled order, so each token is seen once. The
 * next epoch begins its first window elsewhere: no word is always cut in two.
 *
 * Batch number `step` depends on the seed and `step` alone. A run that resumes asks for the next number, and is in place.
 */

import { seededStream } from '../inference/seeded-stream';
import { checkCount } from '../tensor/shapes';

export interface Windows {
  inputs: number[][];
  /** The token that comes next; −1 where nothing is asked (loss.ts). */
  targets: number[][];
}
/** What a trainer learns from: a text cut into windows, or a task that makes its questions up. The same number, the same batch. */
export interface BatchSource {
  at(number: number): Windows;
}

export class Batches implements BatchSource {
  private epoch?: { index: number; starts: Int32Array };
  private readonly windowsPerEpoch: number;

  /** @throws RangeError if the text is too short for one window. */
  constructor(
    private readonly tokens: Int32Array,
    readonly options: { batch: number; context: number; seed: number },
  ) {
    const { batch, context } = options;
    checkCount('Batches', 'batch', batch, 'windows');
    checkCount('Batches', 'context', context, 'tokens');
    // One window is given up to leave room for the shift of the epoch.
    this.windowsPerEpoch = Math.max(1, Math.floor((tokens.length - 1) / context) - 1);
    if (tokens.length < context + 1)
      throw new RangeError(
        `Batches: the text has ${tokens.length} tokens, a window of context ${context} needs ${context + 1}. Give more text or less context.`,
      );
  }

  /** Batch number `step`, from 0. */
  at(step: number): Windows {
    const { batch, context } = this.options;
    const rows = Array.from({ length: batch }, (_, row) => {
      const start = this.startOf(step * batch + row);
      return Array.from(this.tokens.subarray(start, start + context + 1));
    });
    return {
      inputs: rows.map((row) => row.slice(0, -1)),
      targets: rows.map((row) => row.slice(1)),
    };
  }

  /** Where window number `n` of the whole run begins. */
  private startOf(n: number): number {
    const index = Math.floor(n / this.windowsPerEpoch);
    if (this.epoch?.index !== index) this.epoch = { index, starts: this.shuffled(index) };
    return this.epoch.starts[n % this.windowsPerEpoch];
  }
  private shuffled(epoch: number): Int32Array {
    const { context, seed } = this.options;
    const random = seededStream(seed, epoch);
    const room = this.tokens.length - 1 - this.windowsPerEpoch * context;
    const shift = random.integer(room + 1);
    const starts = Int32Array.from({ length: this.windowsPerEpoch }, (_, i) => shift + i * context);
    // Fisher and Yates: each of the orders is as likely as any other.
    for (let i = starts.length - 1; i > 0; i--) {
      const j = random.integer(i + 1);
      [starts[i], starts[j]] = [starts[j], starts[i]];
    }
    return starts;
  }
}

/** First so many steps of one source, then of the next; the last goes on without end. Each starts at its own batch 0. */
export function inStages(stages: readonly { source: BatchSource; steps: number }[]): BatchSource {
  if (stages.length === 0) throw new RangeError('inStages: there are no stages; give one or more.');
  return {
    at: (number) => {
      let first = 0;
      for (const { source, steps } of stages.slice(0, -1)) {
        if (number < first + steps) return source.at(number - first);
        first += steps;
      }
      return stages.at(-1)!.source.at(number - first);
    },
  };
}
