/** The formulas of work against the counter of matrix products: equal to the operation. */
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { visibleKeys } from '../../src/attention/definition';
import { countFlops } from '../../src/costs/flop-counter';
import { decodeFlops, forwardFlops, prefillFlops, trainingFlops } from '../../src/costs/operations';
import type { ModelConfig } from '../../src/models/config';
import type { LanguageModel, Tokens } from '../../src/models/language-model';
import { createModel, preset } from '../../src/models/presets';
import { useTestEngine } from '../helpers';
import { configs } from './configs';

beforeAll(useTestEngine);

const ones = (batch: number, tokens: number): number[][] =>
  Array.from({ length: batch }, () => new Array(tokens).fill(1));

/** Counts the work of `forward` or `prefill` on an empty cache, and of one step after it. */
function count(
  verb: 'forward' | 'prefill',
  config: ModelConfig,
  tokens: Tokens,
  options: { prefillChunkSize?: number } = {},
): { prompt: number; step: number } {
  const model: LanguageModel = createModel(config);
  const batch = (tokens as number[][]).length;
  const cache = model.newCache(batch);
  const prompt = countFlops(() => model[verb](tokens, cache, options));
  const step = countFlops(() => model.step(new Array(batch).fill(0), cache));
  tf.dispose([prompt.result, step.result]);
  cache.dispose();
  model.dispose();
  return { prompt: prompt.flops, step: step.flops };
}

const sizes = {
  config: configs,
  batch: fc.integer({ min: 1, max: 3 }),
  tokens: fc.integer({ min: 1, max: 24 }),
};

describe('what is computed equals the formula, for all kinds of models', () => {
  const cases = fc.record({ ...sizes, prefillChunkSize: fc.integer({ min: 1, max: 24 }) });
  it.each([
    ['forward' as const, forwardFlops],
    ['prefill' as const, prefillFlops],
  ])('in %s and in a step after it', (verb, formula) => {
    const property = fc.property(cases, ({ config, batch, tokens, prefillChunkSize }) => {
      const { prompt, step } = count(verb, config, ones(batch, tokens), { prefillChunkSize });
      expect(formula(config, tokens, { batch, prefillChunkSize }).computed).toBe(prompt);
      expect(decodeFlops(config, tokens, { batch }).computed).toBe(step);
    });
    fc.assert(property, { numRuns: 40 });
  });

  it('in a training step, forward and backward', () => {
    const cases = fc.record({ ...sizes, tokens: fc.integer({ min: 2, max: 20 }) });
    const property = fc.property(cases, ({ config, batch, tokens }) => {
      const model = createModel(config);
      const { flops, result } = countFlops(() =>
        tf.variableGrads(() => model.forward(ones(batch, tokens)).sum()),
      );
      tf.dispose([result.value, result.grads]);
      model.dispose();
      const { computed, needed } = trainingFlops(config, tokens, { batch });
      expect(computed).toBe(flops);
      expect(needed).toBe(3 * forwardFlops(config, tokens, { batch }).needed);
    });
    fc.assert(property, { numRuns: 40 });
  });

  it('in a prompt of several query blocks, which is less than the square of all pairs', () => {
    const config = preset('tiny-transformer');
    const tokens = 600; // blocks of 256
    const { computed, parts } = prefillFlops(config, tokens);
    expect(computed).toBe(count('prefill', config, ones(1, tokens)).prompt);
    const perPair = 4 * 4 * 8 * 4; // 2 + 2 per feature, 8 features, 4 heads, 4 layers
    expect(parts.attention.needed).toBe((perPair * tokens * (tokens + 1)) / 2);
    expect(parts.attention.computed).toBeGreaterThan(parts.attention.needed);
    expect(parts.attention.computed).toBeLessThan(perPair * tokens * tokens);
  });

  it('the comparison notices: all layers at all positions, query heads, another chunk size', () => {
    const config = preset('tiny-yoco');
    const { prompt } = count('prefill', config, ones(1, 20));
    expect(prefillFlops(config, 20).computed).toBe(prompt);
    expect(forwardFlops(config, 20).computed).not.toBe(prompt);
    expect(prefillFlops({ ...config, kvHeads: config.heads }, 20).computed).not.toBe(prompt);
    const otherChunks = { ...config, chunkSize: 7 } as ModelConfig;
    expect(prefillFlops(otherChunks, 20).computed).not.toBe(prompt);
  });
});

describe('what is needed', () => {
  it('is one product pair per visible key in attention', () => {
    const cases = fc.record({
      tokens: fc.integer({ min: 1, max: 30 }),
      before: fc.integer({ min: 0, max: 30 }),
      windowSize: fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined }),
    });
    const property = fc.property(cases, ({ tokens, before, windowSize }) => {
      const config = { ...preset('tiny-transformer'), windowSize } as ModelConfig;
      const M = Math.min(before, (windowSize ?? Infinity) - 1) + tokens;
      let pairs = 0;
      for (let i = 0; i < tokens; i++) {
        const [first, end] = visibleKeys(i, tokens, M, { windowSize });
        pairs += end - first;
      }
      const { attention } = prefillFlops(config, tokens, { before }).parts;
      expect(attention.needed).toBe(4 * 4 * 8 * 4 * pairs);
    });
    fc.assert(property);
  });

  it('equals what is computed by hand for a small Transformer', () => {
    // dim 32, 4 heads of 8 over 2 key/value heads, FFN 64, 4 layers, vocabulary 64; 10 tokens.
    const { parts } = prefillFlops(preset('tiny-transformer'), 10);
    expect(parts.projections.needed).toBe(4 * 2 * 10 * (32 * 32 + 2 * 32 * 16 + 32 * 32));
    expect(parts.ffn.needed).toBe(4 * 2 * 10 * 3 * 32 * 64);
    expect(parts.attention.needed).toBe(4 * 4 * 4 * 8 * 55);
    expect(parts.head.needed).toBe(2 * 32 * 64);
  });

  it('grows linearly with the early exit, and faster without it', () => {
    const config = preset('tiny-yoco');
    const growth = (formula: typeof prefillFlops) =>
      formula(config, 8192).needed / formula(config, 4096).needed;
    expect(growth(prefillFlops)).toBeCloseTo(2, 2);
    expect(growth(forwardFlops)).toBeGreaterThan(3);
  });
});

describe('the counter', () => {
  it('counts batches, transposed and broadcast products', () => {
    const { flops, result } = countFlops(() =>
      tf.tidy(() => {
        const a = tf.ones<tf.Rank.R4>([2, 3, 5, 4]);
        const batched = tf.matMul(a, tf.ones([2, 3, 4, 6]));
        const transposed = tf.matMul(a.reshape([30, 4]), tf.ones([7, 4]), false, true);
        return [batched, transposed];
      }),
    );
    expect(flops).toBe(2 * 2 * 3 * 5 * 4 * 6 + 2 * 30 * 4 * 7);
    tf.dispose(result);
  });

  it('restores the kernels, also after an error', () => {
    const before = tf.getKernel('BatchMatMul', tf.getBackend());
    const failing = () => {
      throw new Error('halfway');
    };
    expect(() => countFlops(failing)).toThrow('halfway');
    expect(tf.getKernel('BatchMatMul', tf.getBackend())).toEqual(before);
  });

  it('refuses products that it does not count', () => {
    const convolution = () => {
      const image = tf.ones<tf.Rank.R4>([1, 2, 2, 1]);
      return tf.conv2d(image, tf.ones<tf.Rank.R4>([1, 1, 1, 1]), 1, 'valid');
    };
    expect(() => countFlops(convolution)).toThrow(/Conv2D is not counted; write it/);
  });
});
