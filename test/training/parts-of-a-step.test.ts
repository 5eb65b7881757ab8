/** A step taken in parts: several batches are one large one, and pieces of a window give its loss and a gradient that stops. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { createModel } from '../../src/models/create-model';
import type { LanguageModel } from '../../src/models/language-model';
import { SeededRandom } from '../../src/tensor/random';
import type { BatchSource, Windows } from '../../src/training/batches';
import { lossAndGradients } from '../../src/training/gradients';
import { crossEntropy, NOT_ASKED } from '../../src/training/loss';
import { configOf, type Recipe, trainerOptionsOf } from '../../src/training/recipe';
import { Trainer } from '../../src/training/trainer';
import { expectClose, type Tolerance, useTestEngine } from '../helpers';
import { tiny, tokenizer } from './tiny-run';

beforeAll(useTestEngine);
/** Sums of a few parts in another order: 2e-6 of the largest number is the worst yet seen. */
const reordered: Tolerance = { ofLargest: 1e-5, absolute: 1e-7 };

const kinds: [string, Partial<Recipe>][] = [
  ['YOCO, gated retention', { model: 'yoco', selfDecoder: 'gated-retention' }],
  ['YOCO, fixed retention', { model: 'yoco', selfDecoder: 'retention' }],
  ['YOCO, window of 4', { model: 'yoco', selfDecoder: 'sliding-window' }],
  ['Transformer', { model: 'transformer' }],
];
const [rows, length] = [2, 12];
/** Batches of made-up windows; of some positions nothing is asked, of more of them in later batches. */
const source = (unasked: boolean): BatchSource => ({
  at: (number) => {
    const random = new SeededRandom(100 + number);
    const draw = () => Math.floor(random.uniforms(1, 0, tokenizer.vocabSize)[0]);
    const windows = Array.from({ length: rows }, () => Array.from({ length: length + 1 }, draw));
    const targets = windows.map((row) =>
      row.slice(1).map((token, n) => (unasked && n % (number + 2) !== 0 ? NOT_ASKED : token)),
    );
    return { inputs: windows.map((row) => row.slice(0, -1)), targets };
  },
});
const together = (batches: Windows[]): Windows => ({
  inputs: batches.flatMap(({ inputs }) => inputs),
  targets: batches.flatMap(({ targets }) => targets),
});

type Numbers = Record<string, number[]>;
/** Loss and gradients of the trainer's next step, before anything moves. */
async function nextStep(
  kind: Partial<Recipe>,
  from: BatchSource,
  parts: { accumulate?: number; chunk?: number },
): Promise<{ loss: number; gradients: Numbers }> {
  const model = createModel(configOf({ ...tiny, ...kind }, tokenizer.vocabSize), { seed: 1 });
  const trainer = new Trainer(model, from, {
    ...trainerOptionsOf(tiny),
    clipNorm: Number.POSITIVE_INFINITY,
    ...parts,
  });
  let gradients: Numbers = {};
  trainer.optimizer.update = (given) => {
    gradients = Object.fromEntries(
      Object.entries(given).map(([name, g]) => [name, Array.from(g.dataSync())]),
    );
  };
  const { loss } = await trainer.takeStep();
  trainer.dispose();
  model.dispose();
  return { loss, gradients };
}
function withModel<T>(kind: Partial<Recipe>, use: (model: LanguageModel) => T): T {
  const model = createModel(configOf({ ...tiny, ...kind }, tokenizer.vocabSize), { seed: 1 });
  try {
    return use(model);
  } finally {
    model.dispose();
  }
}
/** The definition: one mean over every answer that is asked for. */
const inOne = (
  kind: Partial<Recipe>,
  { inputs, targets }: Windows,
): { loss: number; gradients: Numbers } =>
  withModel(kind, (model) =>
    tf.tidy(() => {
      const { loss, gradients } = lossAndGradients(model.parameters, () =>
        crossEntropy(model.logits(inputs), targets),
      );
      return {
        loss: loss.dataSync()[0],
        gradients: Object.fromEntries(
          Object.entries(gradients).map(([name, g]) => [name, Array.from(g.dataSync())]),
        ),
      };
    }),
  );
const flat = (gradients: Numbers): number[] =>
  Object.keys(gradients)
    .sort()
    .flatMap((name) => gradients[name]);
const expectSame = (
  got: { loss: number; gradients: Numbers },
  want: { loss: number; gradients: Numbers },
): void => {
  expectClose(got.loss, want.loss, reordered, 'loss');
  expectClose(flat(got.gradients), flat(want.gradients), reordered, 'gradient');
};

describe('several batches, one after the other', () => {
  it.each([false, true])(
    'are one batch of all their rows (with positions where nothing is asked: %s)',
    async (unasked) => {
      const batches = source(unasked);
      const [, kind] = kinds[0];
      expectSame(
        await nextStep(kind, batches, { accumulate: 3 }),
        inOne(kind, together([0, 1, 2].map((n) => batches.at(n)))),
      );
    },
  );
  it('can it fail? the mean of the batches’ means is another number where they ask for different many answers', async () => {
    const batches = source(true);
    const [, kind] = kinds[0];
    const mean = [0, 1, 2].reduce((sum, n) => sum + inOne(kind, batches.at(n)).loss / 3, 0);
    const { loss } = await nextStep(kind, batches, { accumulate: 3 });
    expect(() => expectClose(loss, mean, reordered)).toThrow(/worst error/);
  });
  it('take the batches in order: step s has numbers s·k to s·k + k − 1', async () => {
    const asked: number[] = [];
    const spy: BatchSource = { at: (number) => (asked.push(number), source(false).at(number)) };
    const model = createModel(configOf(tiny, tokenizer.vocabSize), { seed: 1 });
    const trainer = new Trainer(model, spy, { ...trainerOptionsOf(tiny), accumulate: 3 });
    for (let i = 0; i < 2; i++) await trainer.takeStep();
    expect(asked).toEqual([0, 1, 2, 3, 4, 5]);
    trainer.dispose();
    model.dispose();
  });
});

describe.each(kinds)('a window in pieces: %s', (_, kind) => {
  it('a piece as long as the window is the window', async () => {
    const whole = await nextStep(kind, source(true), {});
    for (const chunk of [length, length + 1, 100])
      expect(await nextStep(kind, source(true), { chunk })).toEqual(whole);
  });
  it.each([1, 5, 6])('of %d tokens have its loss, but another gradient', async (chunk) => {
    const whole = inOne(kind, source(true).at(0));
    const pieces = await nextStep(kind, source(true), { chunk });
    expectClose(pieces.loss, whole.loss, reordered, 'loss');
    expect(() =>
      expectClose(flat(pieces.gradients), flat(whole.gradients), { ofLargest: 1e-2, absolute: 0 }),
    ).toThrow(/worst error/);
  });
  it('have the slope of the loss with the earlier pieces’ states held constant, found by moving the weights', async () => {
    const chunk = 5;
    const { inputs, targets } = source(false).at(0);
    const pieces = await nextStep(kind, source(false), { chunk });
    withModel(kind, (model) => {
      const parameters = model.parameters.all();
      const from = (row: number[], start: number, end?: number) => row.slice(start, end);
      // One cache per piece, filled with the weights as they are.
      const starts = Array.from({ length: Math.ceil(length / chunk) }, (_, i) => i * chunk);
      const caches = starts.map((start) => {
        const cache = model.newCache(rows);
        if (start > 0)
          model
            .prefill(
              inputs.map((row) => from(row, 0, start)),
              cache,
            )
            .dispose();
        return cache;
      });
      const lossWithStatesHeld = (): number =>
        starts.reduce((sum, start, i) => {
          const cache = caches[i].fork();
          const [x, y] = [inputs, targets].map((all) =>
            all.map((row) => from(row, start, start + chunk)),
          ) as [number[][], number[][]];
          const loss = tf.tidy(
            () =>
              crossEntropy(
                model.prefill(x, cache, { logits: 'all', earlyExit: false }),
                y,
              ).dataSync()[0],
          );
          cache.dispose();
          return sum + (loss * x[0].length) / length;
        }, 0);
      const random = new SeededRandom(3);
      const before = parameters.map(({ variable }) => variable.clone());
      // Along a random direction of all weights: one number says whether the whole gradient is right.
      const direction = parameters.map(({ variable }) => random.normals(variable.size));
      const at = (step: number): number => {
        tf.tidy(() => {
          for (const [i, { variable }] of parameters.entries())
            variable.assign(before[i].add(tf.tensor(direction[i], variable.shape).mul(step)));
        });
        return lossWithStatesHeld();
      };
      const h = 1e-3;
      const found = (at(h) - at(-h)) / (2 * h);
      const slope = (gradients: Numbers): number =>
        parameters.reduce(
          (sum, { name }, i) =>
            sum + gradients[name].reduce((s, g, j) => s + g * direction[i][j], 0),
          0,
        );
      // float32 losses near 3, divided by 2e-3: noise. The worst yet seen is 2e-3 of a slope of 0.4; the whole gradient's is far off.
      const tolerance = { ofLargest: 5e-3, absolute: 2e-3 };
      expectClose(slope(pieces.gradients), found, tolerance, 'slope');
      const whole = inOne(kind, source(false).at(0));
      expect(
        () => expectClose(slope(whole.gradients), found, tolerance),
        'can it fail? the whole gradient',
      ).toThrow(/worst error/);
      tf.dispose(before);
      for (const cache of caches) cache.dispose();
    });
  });
  it('hold the same tensors after every step, several batches of pieces at a time', async () => {
    const model = createModel(configOf({ ...tiny, ...kind }, tokenizer.vocabSize), { seed: 1 });
    const trainer = new Trainer(model, source(true), {
      ...trainerOptionsOf(tiny),
      accumulate: 2,
      chunk: 5,
    });
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

describe('parts that cannot be', () => {
  it.each([
    [{ accumulate: 0 }, /accumulate is 0; give a whole number of batches, 1 or more/],
    [{ chunk: 2.5 }, /chunk is 2.5; give a whole number of tokens/],
  ])('%j is refused', (parts, word) => {
    withModel({}, (model) =>
      expect(
        () => new Trainer(model, source(false), { ...trainerOptionsOf(tiny), ...parts }),
      ).toThrow(word),
    );
  });
  it('pieces of a model without a cache are refused', () => {
    withModel({}, ({ parameters, logits }) =>
      expect(
        () =>
          new Trainer({ parameters, logits }, source(false), {
            ...trainerOptionsOf(tiny),
            chunk: 4,
          }),
      ).toThrow(
        /chunk is 4, but this model keeps no cache to carry from piece to piece; leave chunk out/,
      ),
    );
  });
});
