/**
 * The paper's arithmetic: the numbers that follow from shapes, and the list of those that do not.
 */
import { describe, expect, it } from 'vitest';
import { cacheBytes, GB, GiB, parameterCount } from '../../src/costs/memory';
import {
  bytesPerToken,
  notReproduced,
  paper65B,
  profile3B,
  publishedProfile,
  publishedRatioBySize,
  tokensIn,
} from '../../src/costs/paper';
import { type ModelConfig, type YocoConfig, yocoConfig } from '../../src/models/config';
import { preset } from '../../src/models/presets';

const million = 2 ** 20;
const bf16 = { bytesPerValue: 2 };

describe('YOCO-3B', () => {
  it('2.83 B parameters without embeddings, 6.9 GB of weights with them', () => {
    const { embeddings, total } = parameterCount(preset('yoco-3B'));
    expect((total - embeddings) / 1e9).toBeCloseTo(2.829, 3);
    expect((2 * total) / GB).toBeCloseTo(6.89, 2);
  });
  it('the global cache takes 4 KiB a token, 4 GiB at a million, the Transformer 104 GiB', () => {
    const yoco = cacheBytes(preset('yoco-3B'), { tokens: million, ...bf16 });
    const transformer = cacheBytes(preset('transformer-3B'), { tokens: million, ...bf16 });
    expect(yoco.global / million).toBe(4096);
    expect(yoco.global / GiB).toBe(4);
    expect(transformer.total / GiB).toBe(104);
  });
  it('the states take 10.2 MB at any length; windows of 1024 would take 164 MB', () => {
    const stateBytes = (config: ModelConfig, tokens: number) => {
      const { total, global } = cacheBytes(config, { tokens, ...bf16 });
      return (total - global) / 1e6;
    };
    const yoco = preset('yoco-3B') as YocoConfig;
    const windowed = yocoConfig({ ...yoco, selfDecoder: 'sliding-window', windowSize: 1024 });
    expect(stateBytes(yoco, 10)).toBeCloseTo(10.2, 1);
    expect(stateBytes(yoco, million)).toBe(stateBytes(yoco, 10));
    expect(stateBytes(windowed, million)).toBeCloseTo(163.6, 1);
  });
  it('the ratio of caches tends to L = 26, not to L/2', () => {
    expect(profile3B(32 * 1024).cacheRatio).toBeLessThan(26);
    expect(profile3B(million).cacheRatio).toBeGreaterThan(25.9);
    const at = (name: string) => cacheBytes(preset(name), { tokens: 2 ** 30, ...bf16 }).total;
    expect(at('transformer-3B') / at('yoco-3B')).toBeCloseTo(26, 3);
  });
  it('at a million tokens 11.2 GB and 118 GB of weights and caches', () => {
    const { yoco, transformer } = profile3B(million);
    expect(yoco.total / GB).toBeCloseTo(11.2, 1);
    expect(transformer.total / GB).toBeCloseTo(118.1, 1);
  });
  it('total memory: within 30 % of the published ratios, within 15 % from 128K on', () => {
    for (const { tokens, memoryRatio } of publishedProfile)
      expect(Math.abs(profile3B(tokens).memoryRatio / memoryRatio - 1)).toBeLessThan(
        tokens < 2 ** 17 ? 0.3 : 0.15,
      );
  });
  it('total memory: the published ratios are those of our caches, plus a constant on each side', () => {
    // (a + cache) / (b + cache) = ratio at 32K and at 1M gives a and b; they must fit in between.
    const lengths = [2 ** 15, 2 ** 16, 2 ** 17, 2 ** 18, 2 ** 19, 2 ** 20];
    expect(publishedProfile.map(({ tokens }) => tokens)).toEqual(lengths);
    const points = publishedProfile.map(({ tokens, memoryRatio: ratio }) => {
      const { yoco, transformer } = profile3B(tokens);
      return { ratio, yoco: yoco.cache, transformer: transformer.cache };
    });
    const first = points[0];
    const last = points[points.length - 1];
    const missing = (p: typeof first) => p.ratio * p.yoco - p.transformer; // a − ratio · b
    const b = (missing(first) - missing(last)) / (last.ratio - first.ratio);
    const a = missing(first) + first.ratio * b;
    const { yoco, transformer } = profile3B(million);
    expect(b).toBeGreaterThan(yoco.weights);
    expect(a).toBeGreaterThan(transformer.weights);
    for (const p of points)
      expect(Math.abs((a + p.transformer) / (b + p.yoco) / p.ratio - 1)).toBeLessThan(0.03);
  });
  it('prefill: 180 s at 512K become less than 6, and the ratios grow by a straight line', () => {
    const ratios = publishedProfile.map(({ prefillRatio }) => prefillRatio);
    expect(180 / ratios[4]).toBeLessThan(6);
    expect(180 / ratios[4]).toBeGreaterThan(5.5);
    // A quadratic time over a linear one: each further token adds as much to the ratio.
    const slope = (ratios[4] - ratios[2]) / (16 - 4);
    for (const i of [0, 1, 2, 3])
      expect(Math.abs((ratios[4] - slope * (16 - 2 ** i)) / ratios[i] - 1)).toBeLessThan(0.08);
  });
  it('prefill: operations give the published ratio of times within 13 % up to 512K, not at 1M', () => {
    for (const { tokens, prefillRatio } of publishedProfile) {
      const off = Math.abs(profile3B(tokens).prefillRatio / prefillRatio - 1);
      if (tokens < million) expect(off).toBeLessThan(0.13);
      else expect(off).toBeGreaterThan(0.2);
    }
  });
});

describe('the 65B model', () => {
  const { layers, introduction, figure8 } = paper65B;
  it('introduction: 86 GB at 512K tokens', () => {
    expect((512 * 1024 * layers * bytesPerToken(introduction)) / GB).toBeCloseTo(85.9, 1);
  });
  it('figure 8: 128K tokens in 1 GiB for one layer’s cache, 1.6K for eighty', () => {
    expect(tokensIn(GiB, 1, figure8)).toBe(128 * 1024);
    expect(tokensIn(GiB, layers, figure8) / 1024).toBeCloseTo(1.6, 5);
  });
  it('no single cache setting gives both', () => {
    expect(bytesPerToken(figure8) / bytesPerToken(introduction)).toBe(4);
    expect((512 * 1024 * layers * bytesPerToken(figure8)) / GB).toBeCloseTo(343.6, 1);
  });
  it('4 GiB are 4.29 GB', () => {
    expect((4 * GiB) / GB).toBeCloseTo(4.295, 3);
  });
});

it('figure 8: a width that is a multiple of 1024 gives each size from its number of layers', () => {
  for (const [size, layers] of Object.entries(publishedRatioBySize)) {
    const parameters = Number.parseFloat(size) * 1e9;
    const width = 1024 * Math.round(Math.sqrt(parameters / (12 * layers)) / 1024);
    expect(Math.abs((12 * layers * width ** 2) / parameters - 1)).toBeLessThan(0.04);
  }
});
it('figure 8: for every size the ratio of caches is the number of layers', () => {
  for (const layers of Object.values(publishedRatioBySize)) {
    const shape = { vocabSize: 8, dim: 64, ffnDim: 8, heads: 8, kvHeads: 8 };
    const tokens = 2 ** 24;
    const yoco = cacheBytes(
      yocoConfig({ ...shape, selfHeads: 8, selfLayers: layers / 2, crossLayers: layers / 2 }),
      { tokens },
    );
    const transformer = cacheBytes(
      { ...preset('tiny-transformer'), ...shape, layers, headDim: 8 } as never,
      { tokens },
    );
    expect(transformer.total / yoco.total).toBeCloseTo(layers, 2);
  }
});

it('the table of what is not reproduced has both numbers, which differ, and a reason', () => {
  const verdicts = notReproduced();
  expect(verdicts.length).toBeGreaterThanOrEqual(6);
  for (const { claim, published, ours, why } of verdicts) {
    expect(claim && why).toBeTruthy();
    expect(ours).not.toBe(published);
  }
  const at = (start: string) => verdicts.find(({ claim }) => claim.startsWith(start))!;
  expect(at('total memory at 32K').published).toBe(String(publishedProfile[0].memoryRatio));
  expect(at('total memory at 1M').published).toBe(String(publishedProfile[5].memoryRatio));
  expect(at('prefill at 1M').published).toBe(String(publishedProfile[5].prefillRatio));
  expect(at('total memory at 32K').ours).toBe('1.42');
  expect(at('total memory at 1M').ours).toBe('10.55');
  expect(at('total memory at 1M').why).toContain('it is 9.53');
  expect(at('prefill at 1M').ours).toBe('53.2');
  expect(at('seconds of prefill').ours).toBe('3.9');
});
