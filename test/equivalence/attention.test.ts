/** Plain attention equals the definition, and blocked attention equals the plain one: outputs. */
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { type AttentionInputs, attention } from '../../src/attention/attention';
import { blockedAttention } from '../../src/attention/blocked-attention';
import { attentionByDefinition, visibleKeys } from '../../src/attention/definition';
import {
  definitionOfAllHeads,
  drawInputs,
  drawnOptions,
  drawnSizes,
  type Form,
  fitPadding,
  numbersOf,
  realQueries,
  small,
  tokensOf,
} from '../attention/attention-inputs';
import { expectClose, type Tolerance, useTestEngine } from '../helpers';

beforeAll(useTestEngine);
/** float32: 4e-7 of the largest number is the worst of 500 draws, on wasm and cpu. */
const tolerance: Tolerance = { ofLargest: 4e-6, absolute: 1e-7 };

const definition: Form = (inputs, options) =>
  tf.tensor(definitionOfAllHeads(numbersOf(inputs), options)) as tf.Tensor4D;

/** At the queries that are tokens; at padded ones the numbers must only be finite. */
function compare(form: Form, reference: Form, sizes = small, drawn = {}): void {
  const options = fitPadding(drawn, sizes);
  tf.tidy(() => {
    const inputs = drawInputs(sizes);
    const real = realQueries(inputs, options.padLengths);
    const expected = reference(inputs, options).mul(real);
    expectClose(form(inputs, options).mul(real), expected, tolerance);
  });
}

describe('the definition, by hand', () => {
  const one = [[1], [1], [1]];
  const inputs = { q: one, k: one, v: [[3], [6], [9]] };
  it('with equal scores the output is the mean of the visible values', () =>
    expect(attentionByDefinition(inputs)).toEqual([[3], [4.5], [6]]));
  it('with a window of 1 a token sees itself only: the output is v', () =>
    expect(attentionByDefinition(inputs, { windowSize: 1 })).toEqual([[3], [6], [9]]));
  it('the last query stands at the last key', () => {
    expect(visibleKeys(0, 2, 5)).toEqual([0, 4]);
    expect(visibleKeys(1, 2, 5)).toEqual([0, 5]);
    expect(visibleKeys(0, 2, 5, { windowSize: 2 })).toEqual([2, 4]);
    expect(visibleKeys(1, 2, 5, { windowSize: 2 })).toEqual([3, 5]);
  });
});

describe('for any sizes, grouped heads, offset, mask, scale and padding', () => {
  const cases = [drawnSizes(13), drawnOptions(13)] as const;
  it('plain equals the definition', () => {
    const property = fc.property(...cases, (sizes, options) =>
      compare(attention, definition, sizes, options),
    );
    fc.assert(property, { numRuns: 60 });
  });
  it('blocked equals plain, for any block size', () => {
    const blockSizes = fc.option(fc.integer({ min: 1, max: 15 }), { nil: undefined });
    const property = fc.property(...cases, blockSizes, (sizes, options, queryBlockSize) => {
      const blocked: Form = (inputs, all) => blockedAttention(inputs, { ...all, queryBlockSize });
      compare(blocked, attention, sizes, options);
    });
    fc.assert(property, { numRuns: 100 });
  });
  it.each([[{}], [{ windowSize: 100 }], [{ windowSize: 7, padLengths: [310] }]])(
    'blocked equals plain and the definition with more queries than one block has: %j',
    (options) => {
      const long = { ...small, B: 1, N: 300, past: 40 };
      compare(blockedAttention, attention, long, options);
      compare(blockedAttention, definition, long, options);
    },
  );
});

describe('both comparisons notice', () => {
  const windowed = { windowSize: 4 };
  const last = (x: tf.Tensor4D, tokens: number) => tokensOf(x, 0, tokens);
  const tileHeads = ({ q, k, v }: AttentionInputs): AttentionInputs => {
    const heads = tf.range(0, q.shape[2], 1, 'int32').mod(tf.scalar(k.shape[2], 'int32'));
    return { q, k: k.gather(heads as tf.Tensor1D, 2), v: v.gather(heads as tf.Tensor1D, 2) };
  };
  it.each<[string, object, Form]>([
    ['no scale', {}, (x) => attention(x, { scale: 1 })],
    ['a scale of 1/Dk', {}, (x) => attention(x, { scale: 1 / small.Dk })],
    ['a window one key too wide', windowed, (x) => attention(x, { windowSize: 5 })],
    [
      'a window that does not count the token itself',
      windowed,
      (x) => attention(x, { windowSize: 3 }),
    ],
    ['no causal mask', {}, (x) => attention(x, { causal: false })],
    ['heads tiled, not grouped', {}, (x) => attention(tileHeads(x), {})],
    [
      'a mask aligned at the first key',
      {},
      ({ q, k, v }) => {
        const N = small.N;
        return attention({ q, k: last(k, N), v: last(v, N) });
      },
    ],
    ['padding that is seen', { padLengths: [3, 0] }, (x) => attention(x, {})],
    [
      'padding one column short',
      { padLengths: [3, 0] },
      (x) => attention(x, { padLengths: [2, 0] }),
    ],
  ])('%s', (_, options, mistaken) => {
    expect(() => compare(mistaken, definition, small, options)).toThrow(/worst error/);
    expect(() => compare(mistaken, blockedAttention, small, options)).toThrow(/worst error/);
  });
});

describe.each<[string, Form]>([
  ['plain', attention],
  ['blocked', blockedAttention],
])('%s attention with large numbers', (_, form) => {
  it('scores of thousands neither overflow nor lose the largest', () => {
    tf.tidy(() => {
      const drawn = drawInputs(small);
      const inputs = { ...drawn, q: drawn.q.mul<tf.Tensor4D>(1000) };
      // A score of 4000 has a rounding error of 2e-4, and so has its softmax.
      const rough = { ofLargest: 1e-3, absolute: 0 };
      expectClose(form(inputs, {}), definition(inputs, {}), rough);
    });
  });
  it('no key behind a query is seen, however large its score', () => {
    tf.tidy(() => {
      const { v } = drawInputs({ ...small, B: 1, N: 3, past: 0 });
      const q: tf.Tensor4D = tf.fill([1, 3, 2, 4], 1e18);
      // The first query's own score is about −1e36, those of later keys are about 1e36.
      const k: tf.Tensor4D = q.mul(tf.tensor4d([-1, 1, 1], [1, 3, 1, 1]));
      const first = tokensOf(form({ q, k, v }, {}), 0, 1);
      expectClose(first, tokensOf(v, 0, 1), { ofLargest: 1e-6, absolute: 0 });
    });
  });
  it('scores that overflow float32 give NaN, not a silent number', () => {
    tf.tidy(() => {
      const x: tf.Tensor4D = tf.fill([1, 3, 2, 4], 1e20);
      const output = form({ q: x, k: x, v: x }, {});
      expect(output.dataSync().every(Number.isNaN)).toBe(true);
    });
  });
  it('NaN in a query stays NaN: a broken weight shows', () => {
    tf.tidy(() => {
      const { q, k, v } = drawInputs(small);
      const output = form({ q: q.mul<tf.Tensor4D>(NaN), k, v }, {});
      expect(output.dataSync().every(Number.isNaN)).toBe(true);
    });
  });
});
