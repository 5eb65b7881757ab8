/** The two-rate model: what a step reads, what fits, and how both rates enter. */
import { describe, expect, it } from 'vitest';
import { cacheBytes, parameterCount, weightBytes } from '../../src/costs/memory';
import { decodeFlops, prefillFlops } from '../../src/costs/operations';
import {
  batchThatFits,
  type Serving,
  sequenceCost,
  stepBytes,
  throughput,
} from '../../src/costs/throughput';
import { yocoConfig } from '../../src/models/config';
import { preset } from '../../src/models/presets';

const transformer = preset('tiny-transformer');
const yoco = preset('tiny-yoco');
const serving: Serving = { tokens: 300, generated: 20, memoryBytes: 2 ** 22 };

describe('bytes of a step', () => {
  /** Each key and value that attention multiplies is read once for all heads that share it. */
  const readByAttention = (name: string, tokens: number): number => {
    const config = preset(name);
    const D = config.kind === 'transformer' ? config.headDim : config.dim / config.heads;
    const pairs = decodeFlops(config, tokens - 1).parts.attention.needed / (4 * config.heads * D);
    return pairs * 2 * config.kvHeads * D * 4;
  };
  const weightsRead = (name: string): number => {
    const config = preset(name);
    return weightBytes(config) - 4 * config.vocabSize * config.dim;
  };
  it('keys and values are read as often as the counted operations use them', () => {
    for (const tokens of [1, 17, 300]) {
      for (const name of ['tiny-transformer', 'transformer-3B', 'tiny-yoco', 'yoco-3B']) {
        const { total, global, layers } = cacheBytes(preset(name), { tokens });
        const states = name.includes('yoco') ? total - global : 0;
        const expected = weightsRead(name) + states + readByAttention(name, tokens);
        expect(stepBytes(preset(name), { tokens }), name).toBe(expected);
        expect(layers.length).toBeGreaterThan(0);
      }
    }
  });
  it('a tied table is read as the head; a separate one is not read', () => {
    const tied = yocoConfig({ ...yoco, tiedEmbeddings: true } as never);
    expect(stepBytes(tied, { tokens: 5 })).toBe(stepBytes(yoco, { tokens: 5 }));
    expect(parameterCount(tied).total).toBeLessThan(parameterCount(yoco).total);
  });
  it('a batch reads the weights once and every cache', () => {
    const one = stepBytes(yoco, { tokens: 50 });
    const three = stepBytes(yoco, { tokens: 50, batch: 3 });
    expect(three - one).toBe(2 * (one - weightsRead('tiny-yoco')));
  });
});

it('the batch fits, and one sequence more does not', () => {
  for (const config of [transformer, yoco]) {
    const batch = batchThatFits(config, serving);
    const needed = (n: number) =>
      weightBytes(config) + cacheBytes(config, { tokens: 320, batch: n }).total;
    expect(batch).toBeGreaterThan(1);
    expect(needed(batch)).toBeLessThanOrEqual(serving.memoryBytes);
    expect(needed(batch + 1)).toBeGreaterThan(serving.memoryBytes);
  }
});
it('where nothing fits there is no throughput', () => {
  const small = { ...serving, memoryBytes: 1000 };
  const rates = { flopsPerSecond: 1e9, bytesPerSecond: 1e9 };
  expect(throughput(transformer, small, rates)).toMatchObject({ batch: 0, tokensPerSecond: 0 });
});
it('each rate divides its own part, and both parts add up', () => {
  const rates = { flopsPerSecond: 7e6, bytesPerSecond: 3e6 };
  const { batch, prefillSeconds, decodeSeconds, tokensPerSecond } = throughput(
    yoco,
    serving,
    rates,
  );
  expect(prefillSeconds).toBeCloseTo(prefillFlops(yoco, 300).needed / 7e6, 12);
  const read = stepBytes(yoco, { tokens: 310, batch });
  expect(decodeSeconds).toBeCloseTo((20 * read) / batch / 3e6, 12);
  expect(tokensPerSecond).toBeCloseTo(20 / (prefillSeconds + decodeSeconds), 12);
});
it('answers of 0 tokens are refused', () => {
  expect(() => sequenceCost(yoco, { ...serving, generated: 0 }, 1)).toThrow(/generated/);
});
