/**
 * Rows of different lengths in one batch: each is what it would be alone, through any turns and
 * steps.
 */
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { generate } from '../../src/inference/generate';
import { firstPositions, leftPad } from '../../src/layers/padding';
import { rotary, YOCO_ROTARY } from '../../src/layers/rotary';
import { transformerConfig } from '../../src/models/config';
import type { LanguageModel } from '../../src/models/language-model';
import { createModel, preset } from '../../src/models/presets';
import type { YocoCache } from '../../src/models/yoco-cache';
import { expectClose, SeededRandom, useTestEngine } from '../helpers';

beforeAll(useTestEngine);
/** float32 through four layers, as in early-exit.test.ts. */
const tolerance = { ofLargest: 1e-5, absolute: 1e-6 };
const tiny = preset('tiny-transformer');
const models: [string, () => LanguageModel][] = [
  ...[
    'tiny-yoco',
    'tiny-yoco-retention',
    'tiny-yoco-window',
    'tiny-yoco-delta',
    'tiny-transformer',
  ].map((kind): [string, () => LanguageModel] => [
    kind,
    () => createModel(preset(kind), { seed: 3 }),
  ]),
  [
    'a Transformer with a window',
    () => createModel(transformerConfig({ ...tiny, windowSize: 6 } as never), { seed: 3 }),
  ],
];
const draw = (seed: number, lengths: number[]): number[][] => {
  const random = new SeededRandom(seed + 500);
  return lengths.map((length) => Array.from({ length }, () => random.integer(64)));
};
const rowOf = (x: tf.Tensor2D, row: number): tf.Tensor2D => x.slice([row, 0], [1, -1]);

/** Turns of ragged rows, then two steps: the batch against each row on its own. */
function compare(
  model: LanguageModel,
  turns: number[][],
  { prefillChunkSize = 4096, seed = 0, spoil = (padLengths: number[]) => padLengths } = {},
): void {
  const rows = turns.map((lengths, turn) => draw(seed + 10 * turn, lengths));
  const B = turns[0].length;
  const together = model.newCache(B);
  const alone = Array.from({ length: B }, () => model.newCache());
  const agree = (got: tf.Tensor2D, want: tf.Tensor2D[], when: string) => {
    want.forEach((row, b) => {
      const mine = rowOf(got, b);
      expectClose(mine, row, tolerance, `row ${b}, ${when}`);
      mine.dispose();
    });
    tf.dispose([got, ...want]);
  };
  try {
    rows.forEach((prompt, turn) => {
      const { tokens, padLengths } = leftPad(prompt, 63);
      const got = model.prefill(tokens, together, {
        padLengths: spoil(padLengths),
        prefillChunkSize,
      });
      const want = prompt.map((row, b) => model.prefill([row], alone[b]));
      agree(got, want, `turn ${turn}`);
    });
    for (const token of [5, 9]) {
      const got = model.step(new Array(B).fill(token), together);
      const want = alone.map((cache) => model.step([token], cache));
      agree(got, want, `a step with ${token}`);
    }
    expect(together.lengths).toEqual(alone.map((cache) => cache.length));
    expect(together.length).toBe(Math.max(...together.lengths));
  } finally {
    together.dispose();
    for (const cache of alone) cache.dispose();
  }
}

describe('left padding changes no row', () => {
  it.each(models)('%s: one ragged prompt, in any chunks', (_, make) => {
    const model = make();
    for (const prefillChunkSize of [64, 5, 1]) compare(model, [[3, 11, 1]], { prefillChunkSize });
    model.dispose();
  });

  it.each(models)('%s: ragged turns of any lengths', (_, make) => {
    const model = make();
    const lengths = fc.array(fc.integer({ min: 1, max: 14 }), { minLength: 2, maxLength: 2 });
    const cases = fc.record({
      turns: fc.array(lengths, { minLength: 1, maxLength: 3 }),
      prefillChunkSize: fc.integer({ min: 1, max: 15 }),
      seed: fc.nat(99),
    });
    fc.assert(
      fc.property(cases, ({ turns, ...how }) => compare(model, turns, how)),
      { numRuns: 12 },
    );
    model.dispose();
  });

  it('turns longer than the tail of the paged cache, so that it is rebuilt', () => {
    const model = createModel(preset('tiny-transformer'), { seed: 3 });
    const before = tf.memory().numTensors;
    compare(model, [
      [100, 70],
      [3, 90],
      [80, 1],
    ]);
    expect(tf.memory().numTensors).toBe(before);
    model.dispose();
  });

  it('bytes count the longest row, and a fork continues on its own', () => {
    const model = createModel(preset('tiny-yoco'), { seed: 3 });
    const cache = model.newCache(2);
    const { tokens, padLengths } = leftPad(draw(1, [9, 4]));
    model.prefill(tokens, cache, { padLengths }).dispose();
    const fork = cache.fork();
    expect([cache.length, cache.lengths, fork.lengths]).toEqual([9, [9, 4], [9, 4]]);
    expect((cache as YocoCache).global.bytes).toBe(2 * 2 * 9 * 2 * 8 * 4);
    const a = model.step([1, 2], cache);
    const b = model.step([1, 2], fork);
    expectClose(a, b, { ofLargest: 0, absolute: 0 }, 'fork');
    tf.dispose([a, b]);
    cache.dispose();
    fork.dispose();
    model.dispose();
  });

  it('generate: prompts of different lengths in one batch give the texts of each alone', async () => {
    const model = createModel(preset('tiny-yoco-window'), { seed: 3 });
    const prompts = draw(4, [2, 9, 5]);
    const together = await generate(model, prompts, { maxNewTokens: 8, temperature: 0 });
    for (const [row, prompt] of prompts.entries())
      expect(together.tokens[row]).toEqual(
        (await generate(model, [prompt], { maxNewTokens: 8, temperature: 0 })).tokens[0],
      );
    model.dispose();
  });
});

describe('negative controls', () => {
  it.each(models)('%s: padding that is not declared changes the row', (_, make) => {
    const model = make();
    expect(() => compare(model, [[3, 8]], { spoil: () => [0, 0] })).toThrow(/worst error/);
    expect(() => compare(model, [[3, 8]], { spoil: ([a, b]) => [a - 1, b] })).toThrow(
      /worst error/,
    );
    model.dispose();
  });

  it('positions count the tokens of their own row', () => {
    const random = new SeededRandom(2);
    const x = tf.tensor4d(random.normals(2 * 3 * 2 * 8), [2, 3, 2, 8]);
    const rows = rotary(x, [4, -1], YOCO_ROTARY);
    const alone = rotary(x.slice([0, 0, 0, 0], [1, -1, -1, -1]), 4, YOCO_ROTARY);
    expectClose(rows.slice([0, 0, 0, 0], [1, -1, -1, -1]), alone, { ofLargest: 0, absolute: 0 });
    expect(firstPositions([7, 7], [3, 3])).toBe(4);
    expect(firstPositions([7, 2], [3, 0])).toEqual([4, 2]);
    expect(() => rotary(x, [1], YOCO_ROTARY)).toThrow(
      /start is \[1\]; give one whole number for each of the 2 rows/,
    );
  });
});

it('impossible padding is refused, and the cache is unchanged', () => {
  const model = createModel(preset('tiny-yoco'));
  const cache = model.newCache(2);
  const ask = (padLengths: number[]) => () =>
    model.prefill(
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
      cache,
      { padLengths },
    );
  expect(ask([0])).toThrow(
    /padLengths is 1 numbers for 2 sequences; give an array with one number each/,
  );
  expect(ask([0, 3])).toThrow(
    /padLengths of sequence 1 is 3; give a whole number from 0 to 2: each row needs a token/,
  );
  expect(ask([0, -1])).toThrow(/padLengths of sequence 1 is -1/);
  expect(ask([1, 2])).toThrow(/every sequence is padded, by at least 1; cut these columns off/);
  expect(cache.length).toBe(0);
  expect(() => model.prefill([[1, 2], [3]], cache)).toThrow(/leftPad\(rows\) makes them/);
  cache.dispose();
  model.dispose();
});
