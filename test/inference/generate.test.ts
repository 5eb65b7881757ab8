import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { generate, generateStream } from '../../src/inference/generate';
import { greedy } from '../../src/inference/sampling';
import { createModel } from '../../src/models/create-model';
import type { LanguageModel, ModelCache } from '../../src/models/language-model';
import { preset } from '../../src/models/presets';
import { expectClose, useTestEngine } from '../helpers';
import { FadingModel } from './fading-model';

beforeAll(useTestEngine);
const prompts = [
  [1, 2, 3],
  [4, 4, 0],
];

/** The definition of greedy text: run the whole text so far, take the last position's argmax, append, again. No cache at all. */
function withoutCache(
  model: LanguageModel,
  prompt: readonly number[],
  newTokens: number,
): { tokens: number[]; logits: Float32Array[] } {
  const text = [...prompt];
  const logits: Float32Array[] = [];
  for (let i = 0; i < newTokens; i++) {
    const all = tf.tidy(() => model.logits([text]).dataSync() as Float32Array);
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
      ['tiny-yoco', 'tiny-yoco-window', 'tiny-transformer'].map((name) => [
        name,
        () => createModel(preset(name)),
      ]),
    ),
  };
  it.each(Object.entries(kinds))(
    '%s: greedy with a cache is greedy without, same logits at each step, same tokens, in every row',
    async (_, make) => {
      const model = make();
      const want = prompts.map((prompt) => withoutCache(model, prompt, 9));
      const got: Float32Array[][] = [[], []];
      const run = await generate(model, prompts, {
        maxNewTokens: 9,
        onToken: ({ logits }) => got.map((rows, r) => rows.push(logits[r])),
      });
      expect(run.tokens).toEqual(want.map((w) => w.tokens));
      // Chunked and step-by-step sums round differently: 4e-6 of the largest logit for one layer, four layers are allowed four times that.
      for (const [r, w] of want.entries()) expectClose(got[r], w.logits);
      model.dispose();
      expect(run).toMatchObject({ prefilled: 3, steps: 8 });
    },
  );
  it('can it fail? a model that feeds every token twice', async () => {
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
    const options = { maxNewTokens: 12, temperature: 3, seed: 4 }; // warm enough that a model with a favourite token still varies
    const both = await generate(model, prompts, options);
    const alone = await generate(model, [prompts[0]], options);
    const otherNeighbour = await generate(model, [prompts[0], [5, 5, 5]], options);
    expect(both.tokens[0]).toEqual(alone.tokens[0]);
    expect(both.tokens[0]).toEqual(otherNeighbour.tokens[0]);
    // Two rows of the same prompt are two tries, not one twice.
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
    // The last token is handed out without being fed back.
    expect(seen).toEqual([0, 1, 2, 3].map((i) => [i, 3 + i]));
    cache.dispose();
  });
  it('ends a row at its stop token, the run when all rows have ended', async () => {
    const model = new FadingModel();
    const whole = (await generate(model, prompts, { maxNewTokens: 20, temperature: 1, seed: 3 }))
      .tokens;
    const stop = whole[0][3];
    const ends = whole.map((row) =>
      row.includes(stop) ? row.slice(0, row.indexOf(stop) + 1) : row,
    );
    const run = await generate(model, prompts, {
      maxNewTokens: 20,
      temperature: 1,
      seed: 3,
      stopTokens: [stop],
    });
    expect(run.tokens).toEqual(ends);
    expect(run.steps).toBe(Math.max(...ends.map((row) => row.length)) - 1);
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
    expect([run.prefilled, cache.length]).toEqual([1, 8]);
    cache.dispose();
  });
  it('holds nothing afterwards: at the end, on leaving early, on an error half-way', async () => {
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
  it('refuses what it cannot do, before it computes', async () => {
    const model = new FadingModel();
    const before = tf.memory().numTensors;
    const refused = (rows: number[][], options: object) =>
      expect(generate(model, rows, { maxNewTokens: 1, ...options })).rejects;
    await refused([[1, 2], []], {}).toThrow(
      /prompt 1 is empty; every row needs at least one token/,
    );
    await refused([], {}).toThrow(/there is no prompt/);
    await refused([[]], {}).toThrow(/prompt 0 is empty/);
    await refused(prompts, { maxNewTokens: 0 }).toThrow(
      /maxNewTokens is 0; give a whole number of tokens/,
    );
    await refused(prompts, { topP: 2 }).toThrow(/generate: topP is 2/);
    await refused(prompts, { seed: 0.5 }).toThrow(/seed is 0.5/);
    expect([tf.memory().numTensors, model.prefills]).toEqual([before, []]);
  });
});
