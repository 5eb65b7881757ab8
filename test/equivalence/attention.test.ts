import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { softmaxAttention } from '../../src/attention/blocked-attention';
import {
  type AttentionRule,
  attentionByDefinition,
  visibleKeys,
} from '../../src/attention/definition';
import { peakOf } from '../../src/tensor/ledger';
import { drawInputs, inFloat64, rules, sizes, small, tiled } from '../attention/attention-inputs';
import { expectClose, leakedBy, type Tolerance, useTestEngine, viewsCount } from '../helpers';

beforeAll(useTestEngine);
/** float32: 4e-7 of the largest number is the worst of 500 draws, on wasm and cpu. */
const tolerance: Tolerance = { ofLargest: 4e-6, absolute: 1e-7 };

describe('the definition, by hand', () => {
  const one = [[1], [1], [1]];
  it('equal scores: the mean of what is seen', () => {
    expect(attentionByDefinition({ q: one, k: one, v: [[3], [6], [9]] })).toEqual([
      [3],
      [4.5],
      [6],
    ]);
  });
  it('a window of 1 sees the token itself, so attention gives back v', () => {
    expect(
      attentionByDefinition({ q: one, k: one, v: [[3], [6], [9]] }, { windowSize: 1 }),
    ).toEqual([[3], [6], [9]]);
  });
  it('the last query stands at the last key', () => {
    expect([0, 1].map((n) => visibleKeys(n, 2, 5))).toEqual([
      [0, 4],
      [0, 5],
    ]);
    expect([0, 1].map((n) => visibleKeys(n, 2, 5, { windowSize: 2 }))).toEqual([
      [2, 4],
      [3, 5],
    ]);
  });
});

describe('attention in bands of queries is the definition', () => {
  it('for any sizes, grouped heads, offset, mask and band, ragged or not', () => {
    fc.assert(
      fc.property(
        sizes(13),
        rules(13),
        fc.option(fc.integer({ min: 1, max: 15 }), { nil: undefined }),
        (drawn, rule, blockSize) =>
          tf.tidy(() => {
            const inputs = drawInputs(drawn);
            expectClose(
              softmaxAttention(inputs, { ...rule, blockSize }),
              inFloat64(inputs, rule),
              tolerance,
            );
          }),
      ),
      { numRuns: 60 },
    );
  });
  it('more queries than one band takes by itself', () => {
    tf.tidy(() => {
      const inputs = drawInputs({ ...small, B: 1, N: 300, past: 40 });
      for (const rule of [{}, { windowSize: 100 }])
        expectClose(softmaxAttention(inputs, rule), inFloat64(inputs, rule), tolerance);
    });
  });
  it('scores of thousands neither overflow nor lose the largest', () => {
    tf.tidy(() => {
      const drawn = drawInputs(small);
      const inputs = { ...drawn, q: drawn.q.mul<tf.Tensor4D>(1000) };
      // A score of 4000 carries a rounding error of 2e-4, and so does the softmax of it.
      expectClose(softmaxAttention(inputs, { blockSize: 3 }), inFloat64(inputs), {
        ofLargest: 1e-3,
        absolute: 0,
      });
    });
  });
  it.each([
    ['a window one too wide', { windowSize: 4 }, { windowSize: 5 }],
    [
      'a window that leaves the token itself out of the count',
      { windowSize: 4 },
      { windowSize: 3 },
    ],
    ['no causal mask', {}, { causal: false }],
    ['no scale', {}, { scale: 1 }],
    ['a scale of 1/D', {}, { scale: 1 / 4 }],
  ] as [string, AttentionRule, AttentionRule][])(
    'can it fail? %s is noticed',
    (_, rule, mistake) => {
      tf.tidy(() => {
        const inputs = drawInputs(small);
        const wrong = inFloat64(inputs, mistake);
        expect(() => expectClose(softmaxAttention(inputs, rule), wrong, tolerance)).toThrow(
          /worst error/,
        );
      });
    },
  );
  it('can it fail? tiled instead of grouped heads are noticed', () => {
    tf.tidy(() => {
      const inputs = drawInputs(small);
      expect(() =>
        expectClose(softmaxAttention(inputs), inFloat64(inputs, {}, tiled), tolerance),
      ).toThrow(/worst error/);
    });
  });
  it('can it fail? a mask aligned at the first key instead of the last is noticed', () => {
    tf.tidy(() => {
      const { q, k, v } = drawInputs(small);
      const topLeft = (x: tf.Tensor4D) => x.slice([0, 0, 0, 0], [-1, small.N, -1, -1]);
      const wrong = inFloat64({ q, k: topLeft(k), v: topLeft(v) });
      expect(() => expectClose(softmaxAttention({ q, k, v }), wrong, tolerance)).toThrow(
        /worst error/,
      );
    });
  });
});

describe('attention keeps to its means', () => {
  it('no N × M matrix is ever held: twice the tokens need twice the memory, not four times', () => {
    const needed = (N: number): number => {
      const inputs = drawInputs({ ...small, B: 1, N, past: 0 });
      const { result, needed } = peakOf(() => softmaxAttention(inputs, { blockSize: 32 }));
      tf.dispose([result, inputs.q, inputs.k, inputs.v]);
      return needed.bytes;
    };
    const [once, twice] = [needed(256), needed(512)];
    expect(twice / once).toBeLessThan(2.2);
    // 4 heads of 512 × 512 numbers would be 4.2 MB.
    expect(twice).toBeLessThan(1e6 * viewsCount());
  });
  it('leaves nothing behind but its result', () => {
    const inputs = drawInputs(small);
    expect(leakedBy(() => softmaxAttention(inputs, { blockSize: 3 }))).toBe(0);
    expect(leakedBy(() => softmaxAttention(inputs, { windowSize: 2 }))).toBe(0);
    tf.dispose([inputs.q, inputs.k, inputs.v]);
  });
  it('refuses what cannot be, before anything is allocated', () => {
    const { q, k, v } = drawInputs(small);
    const held = tf.memory().numTensors;
    const three = tf.zeros<tf.Rank.R4>([2, 11, 3, 4]);
    const wide = tf.zeros<tf.Rank.R4>([2, 11, 2, 5]);
    const flat = tf.zeros<tf.Rank.R3>([2, 7, 4]) as unknown as tf.Tensor4D;
    const made = tf.memory().numTensors;
    expect(() => softmaxAttention({ q, k: three, v: three })).toThrow(
      /q has 4 heads, k has 3; .* must divide/,
    );
    expect(() => softmaxAttention({ q, k: wide, v })).toThrow(
      /D is 4 in q, but 5 in k \[2,11,2,5\]/,
    );
    expect(() => softmaxAttention({ q: flat, k, v })).toThrow(
      /q has shape \[2,7,4\], but needs 4 axes/,
    );
    expect(() => softmaxAttention({ q, k, v }, { windowSize: 0 })).toThrow(
      /windowSize is 0; give a whole number of tokens, the token itself included/,
    );
    expect(() => softmaxAttention({ q, k, v }, { windowSize: 3, causal: false })).toThrow(
      /windowSize is 3 without causal/,
    );
    expect(() => softmaxAttention({ q, k, v }, { blockSize: 1.5 })).toThrow(
      /blockSize is 1.5; give a whole number of queries/,
    );
    expect(tf.memory().numTensors).toBe(made);
    tf.dispose([three, wide, flat]);
    expect(tf.memory().numTensors).toBe(held);
    tf.dispose([q, k, v]);
  });
  it('a query that would see nothing is refused, not answered with NaN', () => {
    tf.tidy(() => {
      const { q, k, v } = drawInputs({ ...small, G: 1, past: 0 });
      const fewer = (x: tf.Tensor4D) => x.slice([0, 0, 0, 0], [-1, 5, -1, -1]);
      expect(() => softmaxAttention({ q, k: fewer(k), v: fewer(v) })).toThrow(
        /7 queries, but only 5 keys; .* the first would see nothing/,
      );
      // Without a mask every query sees every key, however many they are.
      const inputs = { q, k: fewer(k), v: fewer(v) };
      expectClose(
        softmaxAttention(inputs, { causal: false }),
        inFloat64(inputs, { causal: false }),
        tolerance,
      );
    });
  });
});
