/** What attention refuses: both tiers in the same words, before any tensor is allocated. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { type AttentionInputs, attention } from '../../src/attention/attention';
import { attentionFor, blockedAttention } from '../../src/attention/blocked-attention';
import { expectClose, useTestEngine } from '../helpers';
import { definitionOfAllHeads, drawInputs, numbersOf, small } from './attention-inputs';

beforeAll(useTestEngine);

/** Inputs of these shapes; no numbers are needed. */
function zeros(q: number[], k: number[], v: number[]): AttentionInputs {
  return { q: tf.zeros(q), k: tf.zeros(k), v: tf.zeros(v) } as unknown as AttentionInputs;
}
const good = [
  [2, 3, 4, 6],
  [2, 5, 2, 6],
  [2, 5, 2, 3],
];
const NONE = {};

describe.each([
  ['attention', attention],
  ['blockedAttention', blockedAttention],
] as const)('%s refuses', (name, form) => {
  it.each<[string, number[][], object, RegExp]>([
    ['3-D q', [[2, 3, 4], good[1], good[2]], NONE, /q has shape \[2,3,4\], but needs 4 axes/],
    ['another Dk', [good[0], [2, 5, 2, 5], good[2]], NONE, /Dk is 6 in q, but 5 in k \[2,5,2,5\]/],
    ['another M', [good[0], good[1], [2, 4, 2, 3]], NONE, /M is 5 in k, but 4 in v/],
    ['another B', [[1, 3, 4, 6], good[1], good[2]], NONE, /B is 1 in q, but 2 in k/],
    [
      'heads that do not divide',
      [[2, 3, 3, 6], good[1], good[2]],
      NONE,
      /q has 3 heads, k has 2; give k and v a number of heads that divides 3/,
    ],
    ['no query', [[2, 0, 4, 6], good[1], good[2]], NONE, /q holds 0 queries; give 1 or more/],
    ['no key', [good[0], [2, 0, 2, 6], [2, 0, 2, 3]], NONE, /k holds 0 keys; give 1 or more/],
    [
      'a query that would see nothing',
      [[2, 6, 4, 6], good[1], good[2]],
      NONE,
      /there are 6 queries, but only 5 keys; .* the first would see nothing/,
    ],
    ['a window of 0', good, { windowSize: 0 }, /windowSize is 0; give a whole number of tokens/],
    ['half a key', good, { windowSize: 1.5 }, /windowSize is 1.5; give a whole number/],
    [
      'a window that is not causal',
      good,
      { windowSize: 3, causal: false },
      /windowSize is 3 without causal/,
    ],
    ['a scale of NaN', good, { scale: Number.NaN }, /scale is NaN; give a number/],
    [
      'padding for one of two sequences',
      good,
      { padLengths: [1] },
      /padLengths is \[1\]; give one whole number from 0 to 5 for each of the 2 sequences/,
    ],
    ['more padding than keys', good, { padLengths: [0, 6] }, /padLengths is \[0,6\]/],
    ['negative padding', good, { padLengths: [0, -1] }, /padLengths is \[0,-1\]/],
  ])('%s', (_, [q, k, v], options, message) => {
    const inputs = zeros(q, k, v);
    const before = tf.memory().numTensors;
    expect(() => form(inputs, options)).toThrow(message);
    expect(() => form(inputs, options)).toThrow(new RegExp(`^${name}: `));
    expect(tf.memory().numTensors).toBe(before);
    tf.dispose([inputs.q, inputs.k, inputs.v]);
  });
  it('nothing that is right', () => {
    const [q, k, v] = good;
    tf.tidy(() => {
      expect(form(zeros(q, k, v)).shape).toEqual([2, 3, 4, 3]);
    });
  });
  it('no more queries than keys, if it is not causal', () => {
    tf.tidy(() => {
      const { q, k, v } = drawInputs({ ...small, past: 0 });
      const few = (x: tf.Tensor4D) => x.slice([0, 0, 0, 0], [-1, 5, -1, -1]);
      const inputs = { q, k: few(k), v: few(v) };
      const rule = { causal: false };
      expectClose(form(inputs, rule), definitionOfAllHeads(numbersOf(inputs), rule));
    });
  });
});

it.each([0, 1.5, Number.NaN])(
  'blockedAttention refuses a block of %d queries',
  (queryBlockSize) => {
    tf.tidy(() => {
      const [q, k, v] = good;
      expect(() => blockedAttention(zeros(q, k, v), { queryBlockSize })).toThrow(
        /queryBlockSize is .*; give a whole number of queries, 1 or more/,
      );
    });
  },
);

it('attentionFor gives each tier its form', () => {
  expect(attentionFor('plain')).toBe(attention);
  expect(attentionFor('fast')).toBe(blockedAttention);
});
