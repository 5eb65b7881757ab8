/** The formulas of work against the toll gate: equal to the operation. */
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { visibleKeys } from '../../src/attention/definition';
import { countOperations } from '../../src/costs/flop-counter';
import { decodeFlops, forwardFlops, prefillFlops, trainingFlops } from '../../src/costs/operations';
import type { ModelConfig } from '../../src/models/config';
import { createModel } from '../../src/models/create-model';
import { preset } from '../../src/models/presets';
import { useTestEngine } from '../helpers';
import { configs } from './configs';

beforeAll(useTestEngine);
const ids = (batch: number, tokens: number): number[][] =>
  Array.from({ length: batch }, () => new Array(tokens).fill(1));

/** Prefill and one step, counted. */
function counted(
  config: ModelConfig,
  batch: number,
  tokens: number,
  options: { pieceSize: number; earlyExit: boolean },
): { prefill: number; step: number } {
  const model = createModel(config);
  const cache = model.newCache(batch);
  const prefill = countOperations(() => model.prefill(ids(batch, tokens), cache, options));
  const step = countOperations(() => model.step(new Array(batch).fill(0), cache));
  tf.dispose([prefill.result, step.result]);
  cache.dispose();
  model.dispose();
  return { prefill: prefill.flops, step: step.flops };
}

describe('operations', () => {
  it('prefill and decode: what is computed is the formula, for any kind, split, piece and exit', () => {
    const cases = fc.record({
      config: configs,
      batch: fc.integer({ min: 1, max: 3 }),
      tokens: fc.integer({ min: 1, max: 24 }),
      pieceSize: fc.integer({ min: 1, max: 24 }),
      earlyExit: fc.boolean(),
    });
    fc.assert(
      fc.property(cases, ({ config, batch, tokens, ...options }) => {
        const { prefill, step } = counted(config, batch, tokens, options);
        expect(prefillFlops(config, tokens, { batch, ...options }).computed).toBe(prefill);
        expect(decodeFlops(config, tokens, { batch }).computed).toBe(step);
      }),
      { numRuns: 60 },
    );
  });

  it('bands: a prompt longer than one band computes less than the square, and more than the triangle', () => {
    const config = preset('tiny-transformer');
    const tokens = 600; // bands of 256
    expect(prefillFlops(config, tokens).computed).toBe(
      counted(config, 1, tokens, { pieceSize: 4096, earlyExit: true }).prefill,
    );
    const { needed, computed } = prefillFlops(config, tokens).parts.attention;
    const perPair = 4 * 4 * 8 * 4; // 2 + 2 per feature, 8 features, 4 heads, 4 layers
    expect(needed).toBe((perPair * tokens * (tokens + 1)) / 2);
    expect(computed).toBeGreaterThan(needed);
    expect(computed).toBeLessThan(perPair * tokens * tokens);
  });

  it('training: forward and backward, for any kind', () => {
    const cases = fc.record({
      config: configs,
      batch: fc.integer({ min: 1, max: 2 }),
      tokens: fc.integer({ min: 2, max: 20 }),
    });
    fc.assert(
      fc.property(cases, ({ config, batch, tokens }) => {
        const model = createModel(config);
        const { flops, result } = countOperations(() =>
          tf.variableGrads(() => model.logits(ids(batch, tokens)).sum()),
        );
        tf.dispose([result.value, result.grads]);
        model.dispose();
        expect(trainingFlops(config, tokens, { batch }).computed).toBe(flops);
        expect(trainingFlops(config, tokens, { batch }).needed).toBe(
          3 * forwardFlops(config, tokens, { batch }).needed,
        );
      }),
      { numRuns: 40 },
    );
  });

  it('needed attention is the number of visible keys, counted one by one', () => {
    const cases = fc.record({
      tokens: fc.integer({ min: 1, max: 30 }),
      before: fc.integer({ min: 0, max: 30 }),
      windowSize: fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(cases, ({ tokens, before, windowSize }) => {
        const config = { ...preset('tiny-transformer'), windowSize } as ModelConfig;
        const M = Math.min(before, (windowSize ?? Infinity) - 1) + tokens;
        const pairs = Array.from({ length: tokens }, (_, i) =>
          visibleKeys(i, tokens, M, { windowSize }),
        ).reduce((sum, [first, end]) => sum + end - first, 0);
        expect(prefillFlops(config, tokens, { before }).parts.attention.needed).toBe(
          4 * 4 * 8 * 4 * pairs,
        );
      }),
    );
  });

  it('by hand: a Transformer layer, its FFN and its head', () => {
    // dim 32, 4 heads of 8 over 2 key/value heads, FFN 64, 4 layers, vocabulary 64; 10 tokens.
    const { parts } = prefillFlops(preset('tiny-transformer'), 10);
    expect(parts.projections.needed).toBe(4 * 2 * 10 * (32 * 32 + 2 * 32 * 16 + 32 * 32));
    expect(parts.ffn.needed).toBe(4 * 2 * 10 * 3 * 32 * 64);
    expect(parts.attention.needed).toBe(4 * 4 * 4 * 8 * 55);
    expect(parts.head.needed).toBe(2 * 32 * 64);
  });

  it('the exit halves the layer work, and retention makes the rest linear', () => {
    const yoco = (tokens: number, earlyExit: boolean) =>
      prefillFlops(preset('tiny-yoco'), tokens, { earlyExit }).needed;
    expect(yoco(8192, true) / yoco(4096, true)).toBeCloseTo(2, 2);
    expect(yoco(8192, false) / yoco(4096, false)).toBeGreaterThan(3);
  });
});

describe('can it fail?', () => {
  it('a formula without the exit, without grouped heads, or with another chunk is off', () => {
    const config = preset('tiny-yoco');
    const { prefill } = counted(config, 1, 20, { pieceSize: 64, earlyExit: true });
    expect(prefillFlops(config, 20).computed).toBe(prefill);
    expect(prefillFlops(config, 20, { earlyExit: false }).computed).not.toBe(prefill);
    expect(prefillFlops({ ...config, kvHeads: config.heads }, 20).computed).not.toBe(prefill);
    expect(prefillFlops({ ...config, chunkSize: 7 } as ModelConfig, 20).computed).not.toBe(prefill);
  });
  it('the gate counts batches, flags and broadcasts, puts everything back, and lets nothing pass uncounted', () => {
    const before = tf.getKernel('BatchMatMul', tf.getBackend());
    const a = tf.ones([2, 3, 5, 4]);
    const b = tf.ones([7, 4]);
    const { flops, products } = countOperations(() =>
      tf.tidy(
        () =>
          void [tf.matMul(a, tf.ones([2, 3, 4, 6])), tf.matMul(a.reshape([30, 4]), b, false, true)],
      ),
    );
    expect([flops, products]).toEqual([2 * 2 * 3 * 5 * 4 * 6 + 2 * 30 * 4 * 7, 2]);
    expect(() =>
      countOperations(() => {
        throw new Error('halfway');
      }),
    ).toThrow('halfway');
    expect(tf.getKernel('BatchMatMul', tf.getBackend())).toEqual(before);
    if (tf.getKernel('Conv2D', tf.getBackend()))
      expect(() =>
        countOperations(() =>
          tf.conv2d(tf.ones([1, 2, 2, 1]) as tf.Tensor4D, tf.ones([1, 1, 1, 1]), 1, 'valid'),
        ),
      ).toThrow(/runs Conv2D, which is not counted/);
    tf.dispose([a, b]);
  });
});
