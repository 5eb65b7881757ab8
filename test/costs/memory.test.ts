/** The formulas of memory against live models: equal to the byte. */

import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Bytes, cacheBytes, parameterCount, weightBytes } from '../../src/costs/memory';
import type { ModelConfig } from '../../src/models/config';
import { createModel } from '../../src/models/create-model';
import { preset } from '../../src/models/presets';
import { toStateDict } from '../../src/weights/state-dict';
import { useTestEngine } from '../helpers';
import { configs } from './configs';

beforeAll(useTestEngine);

/** The formula under test against a model that has taken `turns` of tokens. */
function compare(
  config: ModelConfig,
  batch: number,
  turns: number[],
  formula: (tokens: number) => Bytes,
): void {
  const model = createModel(config);
  const cache = model.newCache(batch);
  try {
    let tokens = 0;
    expect(formula(0).total).toBe(cache.bytes);
    for (const turn of turns) {
      model
        .prefill(
          Array.from({ length: batch }, () => new Array(turn).fill(1)),
          cache,
        )
        .dispose();
      tokens += turn;
      expect(formula(tokens).total).toBe(cache.bytes);
      expect(formula(tokens).parts).toEqual(
        Object.fromEntries([...cache.parts].map(([name, memory]) => [name, memory.bytes])),
      );
    }
  } finally {
    cache.dispose();
    model.dispose();
  }
}

describe('bytes of a cache', () => {
  it('are the formula’s, to the byte: any kind, heads, batch, windows not yet full', () => {
    const cases = fc.record({
      config: configs,
      batch: fc.integer({ min: 1, max: 3 }),
      turns: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 3 }),
    });
    fc.assert(
      fc.property(cases, ({ config, batch, turns }) =>
        compare(config, batch, turns, (tokens) => cacheBytes(config, { tokens, batch })),
      ),
      { numRuns: 60 },
    );
  });

  it.each<[string, string, (config: ModelConfig, tokens: number) => Bytes]>([
    [
      'V forgotten',
      'tiny-transformer',
      (config, tokens) => halved(cacheBytes(config, { tokens, batch: 2 })),
    ],
    ['the batch forgotten', 'tiny-yoco', (config, tokens) => cacheBytes(config, { tokens })],
    [
      'query heads instead of key/value heads',
      'tiny-yoco',
      (config, tokens) => cacheBytes({ ...config, kvHeads: config.heads }, { tokens, batch: 2 }),
    ],
    [
      'bits for bytes',
      'tiny-yoco',
      (config, tokens) => cacheBytes(config, { tokens, batch: 2, bytesPerValue: 32 }),
    ],
    [
      'a window off by one',
      'tiny-yoco-window',
      (config, tokens) => cacheBytes({ ...config, windowSize: 7 }, { tokens, batch: 2 }),
    ],
    [
      'a token too many',
      'tiny-transformer',
      (config, tokens) => cacheBytes(config, { tokens: tokens + 1, batch: 2 }),
    ],
  ])('can it fail? %s', (_, name, formula) => {
    const config = preset(name);
    compare(config, 2, [20], (tokens) => cacheBytes(config, { tokens, batch: 2 }));
    expect(() => compare(config, 2, [20], (tokens) => formula(config, tokens))).toThrow(/expected/);
  });

  it('refuses sizes that are none', () => {
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
const halved = ({ total, parts }: Bytes): Bytes => ({ total: total / 2, parts });

describe('weights', () => {
  it('are counted as the model has them', () => {
    fc.assert(
      fc.property(configs, (config) => {
        const model = createModel(config);
        const held = [...toStateDict(model.parameters).values()].reduce(
          (sum, { data }) => sum + data.length,
          0,
        );
        const tiedTwice = config.tiedEmbeddings ? config.vocabSize * config.dim : 0; // the official file stores it under both names
        model.dispose();
        expect(parameterCount(config).total).toBe(held - tiedTwice);
        expect(weightBytes(config, 2)).toBe(2 * (held - tiedTwice));
      }),
      { numRuns: 40 },
    );
  });
});
