/** The early exit changes no number, and the work that it saves is counted. */
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { type YocoConfig, yocoConfig } from '../../src/models/config';
import type { LanguageModel } from '../../src/models/language-model';
import { createModel, preset } from '../../src/models/presets';
import { ledger } from '../../src/tensor/ledger';
import { shown } from '../../src/tensor/shapes';
import { WindowedTop } from '../../src/variants/windowed-top';
import { expectClose, useTestEngine } from '../helpers';
import { drawTokens, modelKinds as kinds, lastLogits, tolerance } from './model-inputs';

beforeAll(useTestEngine);
const columns = (tokens: number[][], from: number, to: number): number[][] =>
  tokens.map((row) => row.slice(from, to));

describe('prefill with the early exit gives the last logits of the full pass', () => {
  it.each(kinds)('%s: any batch, any chunks, any number of turns', (kind) => {
    const model = createModel(preset(kind), { seed: 3 });
    const cases = fc.record({
      B: fc.integer({ min: 1, max: 3 }),
      turns: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 4 }),
      prefillChunkSize: fc.integer({ min: 1, max: 9 }),
      seed: fc.nat(999),
    });
    const property = fc.property(cases, ({ B, turns, prefillChunkSize, seed }) => {
      const total = turns.reduce((a, b) => a + b);
      const tokens = drawTokens(seed, B, total);
      const cache = model.newCache(B);
      let at = 0;
      for (const turn of turns) {
        const prompt = columns(tokens, at, at + turn);
        const got = model.prefill(prompt, cache, { prefillChunkSize });
        at += turn;
        const want = lastLogits(model, columns(tokens, 0, at));
        expectClose(got, want, tolerance, `${kind} after ${at} tokens`);
        tf.dispose([got, want]);
      }
      expect(cache.length).toBe(at);
      cache.dispose();
    });
    fc.assert(property, { numRuns: 12 });
    model.dispose();
  });

  it.each(kinds)('%s: so does each decoding step, which leaves no tensor behind', (kind) => {
    const model = createModel(preset(kind), { seed: 5 });
    const tokens = drawTokens(7, 2, 20);
    const cache = model.newCache(2);
    model.prefill(columns(tokens, 0, 12), cache).dispose();
    let tensors = -1;
    for (let n = 12; n < 20; n++) {
      const got = model.step(
        tokens.map((row) => row[n]),
        cache,
      );
      const want = lastLogits(model, columns(tokens, 0, n + 1));
      expectClose(got, want, tolerance, `${kind} at ${n}`);
      tf.dispose([got, want]);
      if (tensors >= 0) expect(tf.memory().numTensors).toBe(tensors);
      tensors = tf.memory().numTensors;
    }
    cache.dispose();
    model.dispose();
  });

  it.each(kinds)('%s: the cache is that of the full pass too', (kind) => {
    const model = createModel(preset(kind), { seed: 6 });
    const tokens = drawTokens(9, 1, 15);
    const [early, full] = [model.newCache(), model.newCache()];
    model.prefill(tokens, early, { prefillChunkSize: 4 }).dispose();
    model.forward(tokens, full, { prefillChunkSize: 4 }).dispose();
    const [got, want] = [early.snapshot(), full.snapshot()];
    expect(Object.keys(got)).toEqual(Object.keys(want));
    for (const name in got) expectClose(got[name], want[name], tolerance, name);
    expect(full.layerTokens).toBe(15 * 4);
    tf.dispose([got, want]);
    early.dispose();
    full.dispose();
    model.dispose();
  });

  it('negative control: a cache that misses one token gives other logits', () => {
    const model = createModel(preset('tiny-yoco'), { seed: 3 });
    const tokens = drawTokens(1, 1, 10);
    const cache = model.newCache();
    model.prefill(columns(tokens, 0, 4), cache).dispose();
    const got = model.prefill(columns(tokens, 5, 10), cache); // without token 4
    const want = lastLogits(model, tokens);
    expect(() => expectClose(got, want, tolerance)).toThrow(/worst error/);
    tf.dispose([got, want]);
    cache.dispose();
    model.dispose();
  });
});

describe('forward gives the logits of every position', () => {
  it.each(kinds)('%s: with a cache as without, in any chunks and turns', (kind) => {
    const model = createModel(preset(kind), { seed: 6 });
    const tokens = drawTokens(8, 2, 19);
    const whole = model.forward(tokens);
    for (const [turn, prefillChunkSize] of [
      [19, 19],
      [19, 4],
      [7, 3],
    ]) {
      const cache = model.newCache(2);
      const parts: tf.Tensor[] = [];
      for (let at = 0; at < 19; at += turn) {
        parts.push(model.forward(columns(tokens, at, at + turn), cache, { prefillChunkSize }));
      }
      const got = tf.concat(parts, 1);
      expectClose(
        got,
        whole,
        tolerance,
        `${kind}, ${turn} at a time, chunks of ${prefillChunkSize}`,
      );
      expect(cache.layerTokens).toBe(2 * 19 * 4); // N · L: every layer on every position
      tf.dispose([got, ...parts]);
      cache.dispose();
    }
    whole.dispose();
    model.dispose();
  });
});

describe('the counter-example: a window layer on top', () => {
  const C = 4;
  const tokens = drawTokens(12, 2, 24);
  const errors = (counts: number[]): number[] => {
    const model = new WindowedTop(preset('tiny-yoco') as YocoConfig, C, { seed: 1 });
    const worst = counts.map((count) =>
      tf.tidy(() => {
        const full = model.lastLogits(tokens, 24);
        const error = full.sub(model.lastLogits(tokens, count)).abs().max();
        return error.div(full.abs().max()).dataSync()[0];
      }),
    );
    model.dispose();
    return worst;
  };
  it('the exit is wrong by a tenth of the largest logit, far more than rounding', () => {
    const [exit, ...more] = errors([1, 2, 3]);
    expect(exit).toBeGreaterThan(0.1);
    for (const error of more) expect(error).toBeGreaterThan(1000 * tolerance.ofLargest);
  });
  it('it is exact again with C positions in the upper half', () => {
    for (const error of errors([C, C + 1, 23])) expect(error).toBeLessThan(tolerance.ofLargest);
  });
  it('refuses other counts of positions', () => {
    const model = new WindowedTop(preset('tiny-yoco') as YocoConfig, C);
    for (const count of [0, 25, 1.5])
      expect(() => model.lastLogits(tokens, count)).toThrow(
        /give 1 \(the early exit\) to 24 \(the full pass\) positions/,
      );
    model.dispose();
  });
  it('refuses a window without tokens before anything is allocated', () => {
    const before = ledger();
    for (const windowSize of [0, 1.5, NaN, '4' as unknown as number])
      expect(() => new WindowedTop(preset('tiny-yoco') as YocoConfig, windowSize)).toThrow(
        `windowSize is ${shown(windowSize)}; give a whole number of tokens, 1 or more.`,
      );
    expect(ledger()).toEqual(before);
  });
});

describe('work is counted in layer-tokens', () => {
  const count = (model: LanguageModel, B: number, N: number): number => {
    const cache = model.newCache(B);
    model.prefill(drawTokens(2, B, N), cache, { prefillChunkSize: 5 }).dispose();
    const { layerTokens } = cache;
    cache.dispose();
    model.dispose();
    return layerTokens;
  };
  it('YOCO: B · (N · selfLayers + crossLayers), whatever the chunks', () => {
    for (const kind of kinds.slice(0, 3))
      expect(count(createModel(preset(kind)), 2, 17)).toBe(2 * (17 * 2 + 2));
  });
  it('the Transformer: B · N · L', () => {
    expect(count(createModel(preset('tiny-transformer')), 2, 17)).toBe(2 * 17 * 4);
  });
  it.each([
    [3, 1],
    [1, 3],
    [0, 4],
    [4, 0],
  ])('a split of %i : %i layers runs, and is counted', (selfLayers, crossLayers) => {
    const config = yocoConfig({ ...(preset('tiny-yoco') as YocoConfig), selfLayers, crossLayers });
    expect(count(createModel(config), 1, 9)).toBe(9 * selfLayers + crossLayers);
    const model = createModel(config, { seed: 1 });
    const tokens = drawTokens(3, 1, 9);
    const cache = model.newCache();
    const got = model.prefill(tokens, cache);
    const want = lastLogits(model, tokens);
    expectClose(got, want, tolerance);
    expect(cache.length).toBe(9);
    tf.dispose([got, want]);
    cache.dispose();
    model.dispose();
  });
});
