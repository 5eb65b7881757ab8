/**
 * A step in parts: several batches equal one large one; a window in chunks has its loss, and a
 * gradient that stops at the start of each chunk.
 */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { LanguageModel } from '../../src/models/language-model';
import { createModel } from '../../src/models/presets';
import { SeededRandom } from '../../src/tensor/random';
import type { Batch, DataLoader } from '../../src/training/batches';
import { type Gradients, lossAndGradients } from '../../src/training/gradients';
import { crossEntropy, IGNORE_INDEX } from '../../src/training/loss';
import { configOf, type Recipe, trainerOptionsOf } from '../../src/training/recipe';
import { Trainer } from '../../src/training/trainer';
import { expectClose, type Tolerance, useTestEngine } from '../helpers';
import { tiny, tokenizer } from './tiny-run';

beforeAll(useTestEngine);
/** Sums in another order: the worst error measured was 2e-6 of the largest number. */
const reordered: Tolerance = { ofLargest: 1e-5, absolute: 1e-7 };

const kinds: [string, Partial<Recipe>][] = [
  ['YOCO, gated retention', { model: 'yoco', selfDecoder: 'gated-retention' }],
  ['YOCO, fixed retention', { model: 'yoco', selfDecoder: 'retention' }],
  ['YOCO, window of 4', { model: 'yoco', selfDecoder: 'sliding-window' }],
  ['Transformer', { model: 'transformer' }],
];
const [rows, length] = [2, 12];
type Parts = { accumulate?: number; chunk?: number };
/** Batches of random windows; with `ignoring`, later batches have fewer targets. */
const loaderOf = (ignoring: boolean): DataLoader => ({
  at(step) {
    const random = new SeededRandom(100 + step);
    const inputs: number[][] = [];
    const targets: number[][] = [];
    for (let row = 0; row < rows; row++) {
      const window = Array.from({ length: length + 1 }, () => random.integer(tokenizer.vocabSize));
      const ignored = (n: number) => ignoring && n % (step + 2) !== 0;
      inputs.push(window.slice(0, -1));
      targets.push(window.slice(1).map((token, n) => (ignored(n) ? IGNORE_INDEX : token)));
    }
    return { inputs, targets };
  },
});
const together = (batches: Batch[]): Batch => ({
  inputs: batches.flatMap(({ inputs }) => inputs),
  targets: batches.flatMap(({ targets }) => targets),
});

interface Result {
  loss: number;
  gradients: Record<string, number[]>;
}
const numbersOf = (gradients: Gradients): Result['gradients'] => {
  const numbers: Result['gradients'] = {};
  for (const [name, gradient] of Object.entries(gradients))
    numbers[name] = Array.from(gradient.dataSync());
  return numbers;
};
const flat = ({ gradients }: Result): number[] =>
  Object.keys(gradients)
    .sort()
    .flatMap((name) => gradients[name]);
function expectSame(result: Result, expected: Result): void {
  expectClose(result.loss, expected.loss, reordered, 'loss');
  expectClose(flat(result), flat(expected), reordered, 'gradient');
}

const modelOf = (kind: Partial<Recipe>): LanguageModel =>
  createModel(configOf({ ...tiny, ...kind }, tokenizer.vocabSize), { seed: 1 });
const trainerOf = (model: LanguageModel, loader: DataLoader, parts: Parts): Trainer =>
  new Trainer(model, loader, { ...trainerOptionsOf(tiny), clipNorm: Infinity, ...parts });

/** Loss and gradients of the trainer's next step, before any weight changes. */
async function nextStep(
  kind: Partial<Recipe>,
  loader: DataLoader,
  parts: Parts = {},
): Promise<Result> {
  const model = modelOf(kind);
  const trainer = trainerOf(model, loader, parts);
  let gradients: Result['gradients'] = {};
  trainer.optimizer.update = (given) => {
    gradients = numbersOf(given);
  };
  const { loss } = await trainer.takeStep();
  trainer.dispose();
  model.dispose();
  return { loss, gradients };
}
function withModel<T>(kind: Partial<Recipe>, use: (model: LanguageModel) => T): T {
  const model = modelOf(kind);
  try {
    return use(model);
  } finally {
    model.dispose();
  }
}
/** The definition: one mean over all targets. */
const wholeBatch = (kind: Partial<Recipe>, { inputs, targets }: Batch): Result =>
  withModel(kind, (model) =>
    tf.tidy(() => {
      const lossOf = () => crossEntropy(model.forward(inputs), targets);
      const { loss, gradients } = lossAndGradients(model.parameters, lossOf);
      return { loss: loss.dataSync()[0], gradients: numbersOf(gradients) };
    }),
  );

describe('several batches, one after the other', () => {
  const [, kind] = kinds[0];
  it.each([false, true])('equal one batch of all rows (with ignored targets: %s)', async (some) => {
    const loader = loaderOf(some);
    const all = together([0, 1, 2].map((step) => loader.at(step)));
    expectSame(await nextStep(kind, loader, { accumulate: 3 }), wholeBatch(kind, all));
  });
  it('the comparison notices a mean of the batches’ means', async () => {
    const loader = loaderOf(true);
    let mean = 0;
    for (const step of [0, 1, 2]) mean += wholeBatch(kind, loader.at(step)).loss / 3;
    const { loss } = await nextStep(kind, loader, { accumulate: 3 });
    expect(() => expectClose(loss, mean, reordered)).toThrow(/worst error/);
  });
  it('are taken in order: step s has the batches s·k to s·k + k − 1', async () => {
    const asked: number[] = [];
    const loader: DataLoader = {
      at(step) {
        asked.push(step);
        return loaderOf(false).at(step);
      },
    };
    const model = modelOf(kind);
    const trainer = trainerOf(model, loader, { accumulate: 3 });
    for (let i = 0; i < 2; i++) await trainer.takeStep();
    expect(asked).toEqual([0, 1, 2, 3, 4, 5]);
    trainer.dispose();
    model.dispose();
  });
});

describe.each(kinds)('a window in chunks: %s', (_, kind) => {
  it('a chunk as long as the window is the window', async () => {
    const whole = await nextStep(kind, loaderOf(true));
    for (const chunk of [length, length + 1, 100])
      expect(await nextStep(kind, loaderOf(true), { chunk })).toEqual(whole);
  });
  it.each([1, 5, 6])('of %d tokens: the same loss, another gradient', async (chunk) => {
    const whole = wholeBatch(kind, loaderOf(true).at(0));
    const chunked = await nextStep(kind, loaderOf(true), { chunk });
    expectClose(chunked.loss, whole.loss, reordered, 'loss');
    expect(() => expectClose(flat(chunked), flat(whole), { ofLargest: 1e-2, absolute: 0 })).toThrow(
      /worst error/,
    );
  });
  it('the gradient is that of the loss with constant caches of earlier chunks', async () => {
    const chunk = 5;
    const { inputs, targets } = loaderOf(false).at(0);
    const chunked = await nextStep(kind, loaderOf(false), { chunk });
    const whole = wholeBatch(kind, loaderOf(false).at(0));
    withModel(kind, (model) => {
      const parameters = model.parameters.all();
      const columns = (all: number[][], start: number, end: number) =>
        all.map((row) => row.slice(start, end));
      // One cache per chunk, filled before any weight changes.
      const starts = [0, 5, 10];
      const caches = starts.map((start) => {
        const cache = model.newCache(rows);
        if (start > 0) model.forward(columns(inputs, 0, start), cache).dispose();
        return cache;
      });
      const lossWithConstantCaches = (): number => {
        let sum = 0;
        for (const [i, start] of starts.entries()) {
          const cache = caches[i].fork();
          const x = columns(inputs, start, start + chunk);
          const y = columns(targets, start, start + chunk);
          const loss = tf.tidy(() => crossEntropy(model.forward(x, cache), y).dataSync()[0]);
          sum += (loss * x[0].length) / length;
          cache.dispose();
        }
        return sum;
      };
      // Central differences along one random direction of all weights.
      const random = new SeededRandom(3);
      const before = parameters.map(({ variable }) => variable.clone());
      const direction = parameters.map(({ variable }) => random.normals(variable.size));
      const lossAt = (step: number): number => {
        tf.tidy(() => {
          for (const [i, { variable }] of parameters.entries()) {
            const moved = tf.tensor(direction[i], variable.shape).mul(step);
            variable.assign(before[i].add(moved));
          }
        });
        return lossWithConstantCaches();
      };
      const h = 1e-3;
      const slope = (lossAt(h) - lossAt(-h)) / (2 * h);
      const slopeOf = ({ gradients }: Result): number => {
        let sum = 0;
        for (const [i, { name }] of parameters.entries())
          for (const [j, g] of gradients[name].entries()) sum += g * direction[i][j];
        return sum;
      };
      // float32 losses near 3, divided by 2e-3: the worst error measured was 2e-3 of 0.4.
      const tolerance = { ofLargest: 5e-3, absolute: 2e-3 };
      expectClose(slopeOf(chunked), slope, tolerance, 'slope');
      expect(() => expectClose(slopeOf(whole), slope, tolerance), 'the whole gradient').toThrow(
        /worst error/,
      );
      tf.dispose(before);
      for (const cache of caches) cache.dispose();
    });
  });
  it('holds the same tensors after every step, with several batches of chunks', async () => {
    const model = modelOf(kind);
    const trainer = trainerOf(model, loaderOf(true), { accumulate: 2, chunk: 5 });
    await trainer.takeStep();
    const held = tf.memory().numTensors;
    for (let i = 0; i < 3; i++) {
      await trainer.takeStep();
      expect(tf.memory().numTensors).toBe(held);
    }
    trainer.dispose();
    model.dispose();
  });
});

describe('what cannot be computed is refused', () => {
  it.each([
    [{ accumulate: 0 }, /accumulate is 0; give a whole number of batches, 1 or more/],
    [{ chunk: 2.5 }, /chunk is 2.5; give a whole number of tokens/],
  ])('%j', (parts, message) => {
    withModel({}, (model) =>
      expect(() => trainerOf(model, loaderOf(false), parts)).toThrow(message),
    );
  });
  it('chunks for a model without a cache', () => {
    withModel({}, ({ parameters, forward }) => {
      const options = { ...trainerOptionsOf(tiny), chunk: 4 };
      expect(() => new Trainer({ parameters, forward }, loaderOf(false), options)).toThrow(
        /chunk is 4, but this model has no cache; leave chunk out/,
      );
    });
  });
  it('a step without a target; no tensor is left and no weight changes', async () => {
    const model = modelOf({});
    const { inputs, targets } = loaderOf(false).at(0);
    const ignored = targets.map((row) => row.map(() => IGNORE_INDEX));
    const loader = { at: () => ({ inputs, targets: ignored }) };
    const trainer = trainerOf(model, loader, { chunk: 5 });
    const held = tf.memory().numTensors;
    await expect(trainer.takeStep()).rejects.toThrow(/step 1 has no targets; give one or more/);
    expect([tf.memory().numTensors, trainer.step]).toEqual([held, 0]);
    trainer.dispose();
    model.dispose();
  });
});
