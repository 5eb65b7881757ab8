/**
 * What a training step sees: B windows of N + 1 tokens. The first N are read, the last N are to be
 * predicted.
 *
 *   window   c a l l _ m e
 *   inputs   c a l l _ m
 *   targets  a l l _ m e
 *
 * An epoch cuts the text into windows side by side and takes them in a shuffled order, so each
 * token is read once. The next epoch shifts all windows, so the cuts fall elsewhere.
 *
 * Batch number `step` depends on the seed and `step` alone: a run that resumes asks for the next
 * number.
 */
import { seededStream } from '../tensor/random';
import { checkCount } from '../tensor/shapes';

/** B rows of N tokens, and for each of them the token that comes next (−1: ignored by the loss). */
export interface Batch {
  inputs: number[][];
  targets: number[][];
}
/** What a trainer learns from: a text, or a task that generates its batches. */
export interface DataLoader {
  /** Batch number `step`, from 0; the same number gives the same batch. */
  at(step: number): Batch;
}

export class TextDataLoader implements DataLoader {
  private epoch?: { number: number; starts: Int32Array };
  private readonly windowsPerEpoch: number;

  /** @throws RangeError if the text is too short for one window. */
  constructor(
    private readonly tokens: Int32Array,
    private readonly options: { batch: number; context: number; seed: number },
  ) {
    const { batch, context } = options;
    checkCount('TextDataLoader', 'batch', batch, 'windows');
    checkCount('TextDataLoader', 'context', context, 'tokens');
    if (tokens.length < context + 1)
      throw new RangeError(
        `TextDataLoader: the text has ${tokens.length} tokens; give ${context + 1} or more for a ` +
          `context of ${context}.`,
      );
    // One window is given up to leave room for the shift of the epoch.
    this.windowsPerEpoch = Math.max(1, Math.floor((tokens.length - 1) / context) - 1);
  }

  at(step: number): Batch {
    const { batch, context } = this.options;
    const inputs: number[][] = [];
    const targets: number[][] = [];
    for (let row = 0; row < batch; row++) {
      const start = this.startOf(step * batch + row);
      inputs.push(Array.from(this.tokens.subarray(start, start + context)));
      targets.push(Array.from(this.tokens.subarray(start + 1, start + context + 1)));
    }
    return { inputs, targets };
  }

  /** Where window number `n` of the whole run begins. */
  private startOf(n: number): number {
    const number = Math.floor(n / this.windowsPerEpoch);
    if (this.epoch?.number !== number) this.epoch = { number, starts: this.startsIn(number) };
    return this.epoch.starts[n % this.windowsPerEpoch];
  }

  private startsIn(epoch: number): Int32Array {
    const { context, seed } = this.options;
    const random = seededStream(seed, epoch);
    const unused = this.tokens.length - 1 - this.windowsPerEpoch * context;
    const shift = random.integer(unused + 1);
    const starts = Int32Array.from({ length: this.windowsPerEpoch }, (_, i) => shift + i * context);
    return random.shuffle(starts);
  }
}

/** One source for `steps` batches, then the next, each from its batch 0; the last has no end. */
export function inStages(stages: readonly { source: DataLoader; steps: number }[]): DataLoader {
  if (stages.length === 0) throw new RangeError('inStages: there are no stages; give one or more.');
  return {
    at(step) {
      let stage = 0;
      let first = 0; // step of the run at which the stage begins
      while (stage + 1 < stages.length && step >= first + stages[stage].steps) {
        first += stages[stage].steps;
        stage++;
      }
      return stages[stage].source.at(step - first);
    },
  };
}
