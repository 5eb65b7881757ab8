/** The paper's arithmetic: every number that follows from shapes, and the list of those that do not. */
import { describe, expect, it } from 'vitest';
import { cacheBytes, GB, GiB, parameterCount } from '../../src/costs/memory';
import {
  bytesPerToken,
  layerTokens,
  notReproduced,
  paper65B,
  profile3B,
  publishedProfile,
  publishedRatioBySize,
  ratioLimit,
  tokensIn,
} from '../../src/costs/paper';
import { yocoConfig } from '../../src/models/config';
import { preset } from '../../src/models/presets';

const million = 2 ** 20;
const bf16 = { bytesPerValue: 2 };

describe('YOCO-3B', () => {
  it('2.83 B parameters without embeddings, 6.9 GB of weights with them', () => {
    const { parts, total } = parameterCount(preset('yoco-3B'));
    expect((total - parts.embedding - parts.head) / 1e9).toBeCloseTo(2.829, 3);
    expect((2 * total) / GB).toBeCloseTo(6.89, 2);
  });
  it('4 KiB a token, 4 GiB at a million, against 104 GiB', () => {
    const yoco = cacheBytes(preset('yoco-3B'), { tokens: million, ...bf16 });
    expect(yoco.parts.cross / million).toBe(4096);
    expect(yoco.parts.cross / GiB).toBe(4);
    expect(cacheBytes(preset('transformer-3B'), { tokens: million, ...bf16 }).total / GiB).toBe(
      104,
    );
  });
  it('states of 10.2 MB whatever N; a window of 1024 with full heads would need 164 MB', () => {
    const states = (name: string, tokens: number, windowSize?: number) => {
      const config = preset(name);
      const shape = windowSize
        ? yocoConfig({ ...config, selfDecoder: 'sliding-window', windowSize } as never)
        : config;
      const { total, parts } = cacheBytes(shape, { tokens, ...bf16 });
      return (total - parts.cross) / 1e6;
    };
    expect(states('yoco-3B', 10)).toBeCloseTo(10.2, 1);
    expect(states('yoco-3B', million)).toBe(states('yoco-3B', 10));
    expect(states('yoco-3B', million, 1024)).toBeCloseTo(163.6, 1);
  });
  it('the ratio of caches tends to L = 26, not to L/2', () => {
    expect(ratioLimit('yoco-3B')).toBe(26);
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
  it('total memory: within 30 % of the published ratios at every length, within 15 % from 128K on', () => {
    for (const { tokens, memoryRatio } of publishedProfile)
      expect(Math.abs(profile3B(tokens).memoryRatio / memoryRatio - 1)).toBeLessThan(
        tokens < 2 ** 17 ? 0.3 : 0.15,
      );
  });
  it('prefill: the ratio of operations is the published ratio of times within 13 %, up to 512K; at 1M it is not', () => {
    for (const { tokens, prefillRatio } of publishedProfile) {
      const off = Math.abs(profile3B(tokens).prefillRatio / prefillRatio - 1);
      if (tokens < million) expect(off).toBeLessThan(0.13);
      else expect(off).toBeGreaterThan(0.2);
    }
  });
  it('layer-tokens: N·L/2 + L/2 against N·L', () => {
    expect(layerTokens(26, 32_768)).toEqual({ full: 851_968, earlyExit: 425_997 });
    const { full, earlyExit } = layerTokens(26, million);
    expect(full / earlyExit).toBeCloseTo(2, 5);
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
  it('the two do not go together', () => {
    expect(bytesPerToken(figure8) / bytesPerToken(introduction)).toBe(4);
    expect((512 * 1024 * layers * bytesPerToken(figure8)) / GB).toBeCloseTo(343.6, 1);
  });
  it('gigabytes and gibibytes are not one: 4 GiB are 4.29 GB', () => {
    expect((4 * GiB) / GB).toBeCloseTo(4.295, 3);
  });
});

it('figure 8 by size: the ratio is the number of layers, whatever the heads', () => {
  for (const layers of Object.values(publishedRatioBySize)) {
    const perToken = bytesPerToken({ kvHeads: 8, headDim: 128, bytesPerValue: 2 });
    expect((layers * perToken) / perToken).toBe(layers);
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

it('what cannot be reproduced is listed with both numbers and a reason, and the numbers do differ', () => {
  const verdicts = notReproduced();
  expect(verdicts.length).toBeGreaterThanOrEqual(6);
  for (const { claim, published, ours, why } of verdicts) {
    expect(claim && why).toBeTruthy();
    expect(ours).not.toBe(published);
  }
  const at = (start: string) => verdicts.find(({ claim }) => claim.startsWith(start))!;
  expect(at('total memory at 32K').ours).toBe('1.42');
  expect(at('total memory at 1M').ours).toBe('10.55');
  expect(at('total memory at 1M').why).toContain('it is 9.53');
  expect(at('prefill at 1M').ours).toBe('53.2');
  expect(at('seconds of prefill').ours).toBe('3.9');
});
