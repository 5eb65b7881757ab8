/** The formulas of memory against live models, to the byte. */
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type CacheBytes,
  cacheBytes,
  parameterCount,
  weightBytes,
  yocoMixerWeights,
} from '../../src/costs/memory';
import { ParameterScope, ParameterStore } from '../../src/layers/parameters';
import type { ModelConfig, YocoConfig } from '../../src/models/config';
import { createModel, preset } from '../../src/models/presets';
import { SelfDecoder } from '../../src/models/self-decoder';
import type { YocoCache } from '../../src/models/yoco-cache';
import { toStateDict } from '../../src/weights/state-dict';
import { SeededRandom, useTestEngine } from '../helpers';
import { configs } from './configs';

beforeAll(useTestEngine);

/** Compares a formula with the cache of a model that has read prompts of these lengths. */
function compare(
  config: ModelConfig,
  batch: number,
  promptLengths: number[],
  formula: (tokens: number) => CacheBytes,
): void {
  const model = createModel(config);
  const cache = model.newCache(batch) as YocoCache;
  try {
    let tokens = 0;
    expect(formula(0).total).toBe(cache.bytes);
    for (const length of promptLengths) {
      const prompt = Array.from({ length: batch }, () => new Array(length).fill(1));
      model.prefill(prompt, cache).dispose();
      tokens += length;
      const { total, layers, global } = formula(tokens);
      expect(total).toBe(cache.bytes);
      expect(layers).toEqual(cache.layers.map(({ bytes }) => bytes));
      expect(global).toBe(cache.global?.bytes ?? 0);
    }
  } finally {
    cache.dispose();
    model.dispose();
  }
}

/** Formulas for a batch of 2 with the mistakes that people make. */
const mistakes: Record<string, [string, (config: ModelConfig, tokens: number) => CacheBytes]> = {
  'values forgotten': [
    'tiny-transformer',
    (config, tokens) => {
      const { total, ...parts } = cacheBytes(config, { tokens, batch: 2 });
      return { total: total / 2, ...parts };
    },
  ],
  'batch forgotten': ['tiny-yoco', (config, tokens) => cacheBytes(config, { tokens })],
  'query heads instead of key/value heads': [
    'tiny-yoco',
    (config, tokens) => cacheBytes({ ...config, kvHeads: config.heads }, { tokens, batch: 2 }),
  ],
  'bits instead of bytes': [
    'tiny-yoco',
    (config, tokens) => cacheBytes(config, { tokens, batch: 2, bytesPerValue: 32 }),
  ],
  'window too narrow by one': [
    'tiny-yoco-window',
    (config, tokens) => cacheBytes({ ...config, windowSize: 7 }, { tokens, batch: 2 }),
  ],
  'one token too many': [
    'tiny-transformer',
    (config, tokens) => cacheBytes(config, { tokens: tokens + 1, batch: 2 }),
  ],
};

describe('the bytes of a cache', () => {
  it('equal the formula for all kinds, heads and batches, and windows that are not full', () => {
    const cases = fc.record({
      config: configs,
      batch: fc.integer({ min: 1, max: 3 }),
      promptLengths: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 3 }),
    });
    const property = fc.property(cases, ({ config, batch, promptLengths }) =>
      compare(config, batch, promptLengths, (tokens) => cacheBytes(config, { tokens, batch })),
    );
    fc.assert(property, { numRuns: 60 });
  });

  it.each(Object.entries(mistakes))('the comparison notices: %s', (_, [name, mistaken]) => {
    const config = preset(name);
    compare(config, 2, [20], (tokens) => cacheBytes(config, { tokens, batch: 2 }));
    expect(() => compare(config, 2, [20], (tokens) => mistaken(config, tokens))).toThrow(
      /expected/,
    );
  });

  it('refuses sizes that are not allowed', () => {
    const config = preset('tiny-yoco');
    expect(() => cacheBytes(config, { tokens: -1 })).toThrow(
      /tokens is -1; give a whole number, 0 or more/,
    );
    expect(() => cacheBytes(config, { tokens: 1, batch: 0 })).toThrow(/batch is 0/);
    expect(() => cacheBytes(config, { tokens: 1, bytesPerValue: 0 })).toThrow(
      /bytesPerValue is 0; give 4/,
    );
  });
});

it('a self-decoder that the formulas do not know is refused, not taken for retention', () => {
  const unknown = { ...preset('tiny-yoco'), selfDecoder: 'mamba' } as unknown as YocoConfig;
  const message =
    /selfDecoder is "mamba"; allowed: gated-retention, retention, sliding-window, gated-delta\.$/;
  expect(() => yocoMixerWeights(unknown)).toThrow(message);
  expect(() => cacheBytes(unknown, { tokens: 1 })).toThrow(message);
  const scope = new ParameterScope(new ParameterStore(), new SeededRandom(1));
  const before = tf.memory().numTensors;
  expect(() => new SelfDecoder(scope, unknown)).toThrow(message);
  expect(tf.memory().numTensors).toBe(before);
});

it('the number of weights equals that of the model', () => {
  const property = fc.property(configs, (config) => {
    const model = createModel(config);
    let expected = 0;
    for (const { data } of toStateDict(model.parameters).values()) expected += data.length;
    // The official file stores a tied embedding under two names.
    if (config.tiedEmbeddings) expected -= config.vocabSize * config.dim;
    model.dispose();
    expect(parameterCount(config).total).toBe(expected);
    expect(weightBytes(config, 2)).toBe(2 * expected);
  });
  fc.assert(property, { numRuns: 40 });
});
