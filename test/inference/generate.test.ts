import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { generate, generateStream } from '../../src/inference/generate';
import { greedy } from '../../src/inference/sampling';
import type { LanguageModel } from '../../src/models/language-model';
import type { ModelCache } from '../../src/models/model-cache';
import { createModel, preset } from '../../src/models/presets';
import { expectClose, useTestEngine } from '../helpers';
import { FadingModel } from './fading-model';

beforeAll(useTestEngine);
const prompts = [
  [1, 2, 3],
  [4, 4, 0],
];

/** Greedy text by definition: forward of the whole text, argmax of the last position, again. */
function withoutCache(
  model: LanguageModel,
  prompt: readonly number[],
  newTokens: number,
): { tokens: number[]; logits: Float32Array[] } {
  const text = [...prompt];
  const logits: Float32Array[] = [];
  for (let i = 0; i < newTokens; i++) {
    const all = tf.tidy(() => model.forward([text]).dataSync() as Float32Array);
    const last = all.slice(-all.length / text.length);
    logits.push(last);
    text.push(greedy(last));
  }
  return { tokens: text.slice(prompt.length), logits };
}

describe('generate', () => {
  const kinds = {
    fading: () => new FadingModel(),
    ...Object.fromEntries(
      ['tiny-yoco', 'tiny-yoco-window', 'tiny-yoco-delta', 'tiny-transformer'].map((name) => [
        name,
        () => createModel(preset(name)),
      ]),
    ),
  };
  it.each(Object.entries(kinds))(
    '%s: greedy with a cache gives the logits and tokens of greedy without, in every row',
    async (_, make) => {
      const model = make();
      const want = prompts.map((prompt) => withoutCache(model, prompt, 9));
      const got: Float32Array[][] = [[], []];
      const run = await generate(model, prompts, {
        maxNewTokens: 9,
        onToken: ({ logits }) => got.map((rows, r) => rows.push(logits[r])),
      });
      expect(run.tokens).toEqual(want.map((w) => w.tokens));
      for (const [r, w] of want.entries()) expectClose(got[r], w.logits);
      model.dispose();
    },
  );
  it('negative control: a model that computes every token twice gives other logits', async () => {
    const model = new FadingModel();
    const want = withoutCache(model, prompts[0], 9);
    const step = model.step.bind(model);
    model.step = (token, cache: ModelCache) => {
      step(token, cache).dispose();
      return step(token, cache);
    };
    const got: Float32Array[] = [];
    await generate(model, [prompts[0]], {
      maxNewTokens: 9,
      onToken: ({ logits }) => got.push(logits[0]),
    });
    expect(() => expectClose(got, want.logits)).toThrow(/worst error/);
  });
  it('a row does not depend on its neighbours', async () => {
    const model = new FadingModel();
    const options = { maxNewTokens: 12, temperature: 3, seed: 4 };
    const both = await generate(model, prompts, options);
    const alone = await generate(model, [prompts[0]], options);
    const otherNeighbour = await generate(model, [prompts[0], [5, 5, 5]], options);
    expect(both.tokens[0]).toEqual(alone.tokens[0]);
    expect(both.tokens[0]).toEqual(otherNeighbour.tokens[0]);
    // Two rows of the same prompt draw different numbers.
    const twice = await generate(model, [prompts[0], prompts[0]], options);
    expect(twice.tokens[0]).not.toEqual(twice.tokens[1]);
  });
  it('repeats with its seed, and another seed gives another text', async () => {
    const model = new FadingModel();
    const text = async (seed: number) =>
      (await generate(model, prompts, { maxNewTokens: 12, temperature: 1, seed })).tokens;
    expect(await text(1)).toEqual(await text(1));
    expect(await text(1)).not.toEqual(await text(2));
  });
  it('streams each token before the next is computed', async () => {
    const model = new FadingModel();
    const cache = model.newCache(2);
    const seen: [number, number][] = [];
    for await (const { index } of generateStream(model, prompts, { maxNewTokens: 4, cache }))
      seen.push([index, cache.length]);
    // The last token is returned without being fed back.
    expect(seen).toEqual([0, 1, 2, 3].map((i) => [i, 3 + i]));
    cache.dispose();
  });
  it('ends a row at its stop token, the run when all rows have ended', async () => {
    const model = new FadingModel();
    const options = { maxNewTokens: 20, temperature: 1, seed: 3 };
    const whole = (await generate(model, prompts, options)).tokens;
    const stop = whole[0][3];
    const ends = whole.map((row) =>
      row.includes(stop) ? row.slice(0, row.indexOf(stop) + 1) : row,
    );
    let last = -1;
    const run = await generate(model, prompts, {
      ...options,
      stopTokens: [stop],
      onToken: ({ index }) => {
        last = index;
      },
    });
    expect(run.tokens).toEqual(ends);
    expect(last).toBe(Math.max(...ends.map((row) => row.length)) - 1);
    expect(ends[0].length).not.toBe(ends[1].length); // else the case would show nothing
  });
  it('continues in a given cache, which stays the caller’s', async () => {
    const model = new FadingModel();
    const cache = model.newCache(2);
    model.prefill(prompts, cache).dispose();
    const run = await generate(model, [[5], [6]], { maxNewTokens: 5, cache });
    const fresh = await generate(
      model,
      prompts.map((p, r) => [...p, 5 + r]),
      { maxNewTokens: 5 },
    );
    expect(run.tokens).toEqual(fresh.tokens);
    expect([model.prefills, cache.length]).toEqual([[3, 1, 4], 8]);
    cache.dispose();
  });
  it('leaves no tensor behind: at the end, when left early, after an error half-way', async () => {
    const model = new FadingModel();
    const before = tf.memory().numTensors;
    const during: number[] = [];
    await generate(model, prompts, {
      maxNewTokens: 6,
      onToken: () => during.push(tf.memory().numTensors),
    });
    expect(new Set(during).size, 'tensors while decoding').toBe(1);
    for await (const { index } of generateStream(model, prompts, { maxNewTokens: 6 }))
      if (index === 2) break;
    model.step = () => {
      throw new Error('out of memory');
    };
    await expect(generate(model, prompts, { maxNewTokens: 6 })).rejects.toThrow('out of memory');
    expect(tf.memory().numTensors).toBe(before);
  });
  it('refuses options that are not allowed, before it computes', async () => {
    const model = new FadingModel();
    const otherBatch = model.newCache(1);
    const otherModel = new FadingModel().newCache(2);
    const disposed = model.newCache(2);
    disposed.dispose();
    const heldBefore = tf.memory().numTensors;
    const two = prompts;
    const cases: [rows: unknown, options: object, message: string][] = [
      [[[1, 2], []], {}, 'generate, prompt 1: there are no tokens'],
      [[], {}, 'generate: prompts are []; give rows of token ids such as [[1, 2, 3]]'],
      ['whale', {}, 'generate: prompts are "whale"; give rows of token ids such as [[1, 2, 3]]'],
      [['whale'], {}, "a tokenizer's encode(text) makes a row of a text"],
      [[1, 2], {}, 'generate, prompt 0: tokens are'],
      [
        [[1, 2, 3], [7]],
        {},
        'generate, prompt 1: token 0 of sequence 0 is 7; ids are whole numbers',
      ],
      [two, { maxNewTokens: 0 }, 'maxNewTokens is 0; give a whole number of tokens'],
      [two, { maxNewTokens: '3' }, 'maxNewTokens is "3"; give a whole number of tokens'],
      [two, { stopTokens: 5 }, 'stopTokens is 5; give an array of ids'],
      [two, { stopTokens: [Number.NaN] }, 'stopTokens is NaN; give an array of ids'],
      [two, { stopTokens: [7] }, 'stopTokens is 7; give an array of ids, 0 to 6'],
      [two, { topP: 2 }, 'generate: topP is 2'],
      [two, { topP: '0.5' }, 'generate: topP is "0.5"; give a number'],
      [two, { seed: 0.5 }, 'seed is 0.5'],
      [two, { prefillChunkSize: 0 }, 'prefillChunkSize is 0; give a whole number of tokens'],
      [two, { cache: otherBatch }, 'generate: tokens hold 2 sequences, the cache 1'],
      [two, { cache: otherModel }, 'generate: this cache was made by another model'],
      [two, { cache: disposed }, 'generate: the cache was disposed; make a new one'],
    ];
    for (const [rows, options, message] of cases) {
      const run = generate(model, rows as number[][], { maxNewTokens: 1, ...options });
      await expect(run, message).rejects.toThrow(message);
    }
    expect([tf.memory().numTensors, model.prefills]).toEqual([heldBefore, []]);
    for (const cache of [otherBatch, otherModel]) cache.dispose();
  });
  it('refuses a model that was disposed', async () => {
    const model = createModel(preset('tiny-yoco'));
    model.dispose();
    await expect(generate(model, prompts, { maxNewTokens: 1 })).rejects.toThrow(
      'the model was disposed; make or load it again',
    );
  });
  it('two runs cannot share a cache; it is free again however a run ends', async () => {
    const model = new FadingModel();
    const cache = model.newCache(2);
    const run = () => generate(model, prompts, { maxNewTokens: 3, cache });
    const both = await Promise.allSettled([run(), run()]);
    expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(String((both[1] as PromiseRejectedResult).reason)).toContain(
      'generate: generate is still using this cache; let it finish first, or give it a fork()',
    );
    expect(cache.length).toBe(3 + 2);

    for await (const _ of generateStream(model, prompts, { maxNewTokens: 3, cache })) {
      expect(() => model.step([1, 1], cache)).toThrow('generate is still using this cache');
      expect(() => cache.dispose()).toThrow('generate is still using this cache');
      break;
    }
    expect(cache.length).toBe(5 + 3);
    const throwing = generate(model, prompts, {
      maxNewTokens: 3,
      cache,
      onToken: () => {
        throw new Error('the reader failed');
      },
    });
    await expect(throwing).rejects.toThrow('the reader failed');
    expect(cache.length).toBe(8 + 3);
    await run();
    cache.dispose();
  });
});
