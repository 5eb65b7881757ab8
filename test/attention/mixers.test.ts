/**
 * The mixers of attention: chunks, padding and tiers give the same numbers as all tokens at once.
 */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { CrossAttention, GlobalKeysValues } from '../../src/attention/cross-attention';
import { type KeysValues, newKvCache } from '../../src/attention/kv-cache';
import type { RollingKvCache } from '../../src/attention/rolling-kv-cache';
import { SelfAttention } from '../../src/attention/self-attention';
import { SlidingWindowAttention } from '../../src/attention/sliding-window';
import type { Implementation } from '../../src/layers/mixer';
import { ParameterScope, ParameterStore } from '../../src/layers/parameters';
import { expectClose, leakedBy, normal, SeededRandom, useTestEngine } from '../helpers';

beforeAll(useTestEngine);
const tolerance = { ofLargest: 1e-5, absolute: 1e-6 };
const dim = 8;
const tiers: Implementation[] = ['plain', 'fast'];
const scope = (): ParameterScope => new ParameterScope(new ParameterStore(), new SeededRandom(4));
const draw = (B: number, N: number): tf.Tensor3D => normal(new SeededRandom(6), [B, N, dim]);
const positions = (x: tf.Tensor3D, from: number, to: number): tf.Tensor3D =>
  x.slice([0, from, 0], [-1, to - from, -1]);
const row = (x: tf.Tensor3D, b: number, from = 0): tf.Tensor3D =>
  x.slice([b, from, 0], [1, -1, -1]);

const widths = { dim, heads: 4, kvHeads: 2, headDim: 6 };
const makers: [string, (implementation: Implementation) => SelfAttention][] = [
  ['self-attention', (implementation) => new SelfAttention(scope(), { ...widths, implementation })],
  [
    'self-attention with a window',
    (implementation) => new SelfAttention(scope(), { ...widths, windowSize: 3, implementation }),
  ],
  [
    'sliding-window attention',
    (implementation) =>
      new SlidingWindowAttention(scope(), { dim, heads: 2, windowSize: 3, implementation }),
  ],
];

/** All tokens in chunks of these sizes, through one cache. */
function inChunks(mixer: SelfAttention, x: tf.Tensor3D, sizes: number[]): tf.Tensor3D {
  const cache = mixer.newCache(x.shape[0]);
  const chunks = tf.split(x, sizes, 1) as tf.Tensor3D[];
  const outputs = chunks.map((chunk) => mixer.forward(chunk, cache));
  cache.dispose();
  return tf.concat(outputs, 1);
}

describe.each(makers)('%s', (_, make) => {
  it('plain equals fast, forward and backward', () => {
    tf.tidy(() => {
      const x = draw(2, 9);
      const [plain, fast] = tiers.map(make);
      expectClose(fast.forward(x), plain.forward(x), tolerance);
      const [ofPlain, ofFast] = [plain, fast].map((mixer) =>
        tf.grad((x) => mixer.forward(x as tf.Tensor3D).square())(x),
      );
      expectClose(ofFast, ofPlain, tolerance);
    });
  });
  it.each(tiers)('chunks through a cache equal all at once: %s', (tier) => {
    tf.tidy(() => {
      const mixer = make(tier);
      const x = draw(2, 9);
      for (const sizes of [[9], [4, 5], [1, 1, 6, 1], new Array(9).fill(1)])
        expectClose(inChunks(mixer, x, sizes), mixer.forward(x), tolerance, `${sizes}`);
    });
  });
  it.each(tiers)('a padded batch equals each row alone, with a cache and without: %s', (tier) => {
    tf.tidy(() => {
      const mixer = make(tier);
      const [first, second] = [draw(2, 7), draw(2, 5)];
      // Row 1 is shorter in the first chunk, row 0 in the second.
      const padding = [
        [0, 3],
        [2, 0],
      ];
      const cache = mixer.newCache(2);
      const together = [
        mixer.forward(first, cache, padding[0]),
        mixer.forward(second, cache, padding[1]),
      ];
      const uncached = mixer.forward(first, undefined, padding[0]);
      for (const b of [0, 1]) {
        const [p, q] = [padding[0][b], padding[1][b]];
        const all = tf.concat([row(first, b, p), row(second, b, q)], 1);
        const alone = mixer.forward(all);
        expectClose(row(together[0], b, p), positions(alone, 0, 7 - p), tolerance);
        expectClose(row(together[1], b, q), positions(alone, 7 - p, all.shape[1]), tolerance);
        expectClose(row(uncached, b, p), positions(alone, 0, 7 - p), tolerance);
      }
      cache.dispose();
    });
  });
  it.each(tiers)('can it fail? A cache that has seen another token is noticed: %s', (tier) => {
    tf.tidy(() => {
      const mixer = make(tier);
      const x = draw(1, 6);
      const other = tf.concat([x.slice([0, 0, 0], [1, 4, -1]), x.slice([0, 0, 0], [1, 1, -1])], 1);
      const cache = mixer.newCache(1);
      mixer.forward(other as tf.Tensor3D, cache);
      const step = mixer.forward(positions(x, 5, 6), cache);
      const expected = positions(mixer.forward(x), 5, 6);
      expect(() => expectClose(step, expected, tolerance)).toThrow(/worst error/);
      cache.dispose();
    });
  });
  it.each(tiers)('a step leaves only its output and the new cache: %s', (tier) => {
    const mixer = make(tier);
    const [prompt, token] = [draw(1, 5), draw(1, 1)];
    const cache = mixer.newCache(1);
    mixer.forward(prompt, cache).dispose();
    expect(leakedBy(() => mixer.forward(token, cache))).toBe(0);
    cache.dispose();
    tf.dispose([prompt, token]);
  });
});

describe('what a cache of a window holds', () => {
  it('C tokens in YOCO, C − 1 in the baseline, as in the official code', () => {
    const windowSize = 5;
    const yoco = new SlidingWindowAttention(scope(), { dim, heads: 2, windowSize });
    const baseline = new SelfAttention(scope(), { ...widths, windowSize });
    expect((yoco.newCache(1) as RollingKvCache).capacity).toBe(5);
    expect((baseline.newCache(1) as RollingKvCache).capacity).toBe(4);
  });
  it.each([0, 2.5, -1])('a window of %d is refused', (windowSize) =>
    expect(() => new SlidingWindowAttention(scope(), { dim, heads: 2, windowSize })).toThrow(
      /windowSize is .*; give a whole number of tokens/,
    ),
  );
});

describe('cross-attention', () => {
  const options = { dim, heads: 4, kvHeads: 2, normEps: 1e-5 };
  const make = (implementation: Implementation) => ({
    global: new GlobalKeysValues(scope(), { ...options, implementation }),
    mixer: new CrossAttention(scope(), { ...options, implementation }),
  });
  it('plain equals fast, on keys and values and on a cache', () => {
    tf.tidy(() => {
      const x = draw(2, 9);
      const outputs = tiers.flatMap((tier) => {
        const { global, mixer } = make(tier);
        const cache = newKvCache(tier, 2);
        const keysValues = global.forward(x, 0);
        cache.append(keysValues);
        const both = [mixer.forward(x, keysValues), mixer.forward(x, cache)];
        cache.dispose();
        return both;
      });
      for (const output of outputs) expectClose(output, outputs[0], tolerance);
    });
  });
  it('the last positions alone give what they give among all: the early exit', () => {
    tf.tidy(() => {
      const { global, mixer } = make('fast');
      const x = draw(2, 9);
      const keysValues = global.forward(x, 0);
      const whole = mixer.forward(x, keysValues);
      for (const N of [1, 4])
        expectClose(
          mixer.forward(positions(x, 9 - N, 9), keysValues),
          positions(whole, 9 - N, 9),
          tolerance,
        );
    });
  });
  it('a shorter row of a padded batch equals the row alone', () => {
    tf.tidy(() => {
      for (const tier of tiers) {
        const { global, mixer } = make(tier);
        const x = draw(2, 6);
        const cache = newKvCache(tier, 2);
        cache.append(global.forward(x, [0, -2]), [0, 2]);
        const output = mixer.forward(positions(x, 4, 6), cache);
        const alone = row(x, 1, 2);
        const expected = mixer.forward(positions(alone, 2, 4), global.forward(alone, 0));
        expectClose(row(output, 1), expected, tolerance);
        cache.dispose();
      }
    });
  });
  it('the observer sees the normed stream', () => {
    tf.tidy(() => {
      const seen: string[] = [];
      make('fast').global.forward(draw(1, 2), 0, (name, x) => seen.push(`${name} ${x.shape}`));
      expect(seen).toEqual(['kv_norm 1,2,8']);
    });
  });
  it('refuses a global cache that is shorter than x', () => {
    tf.tidy(() => {
      const { global, mixer } = make('fast');
      const x = draw(1, 3);
      const short: KeysValues = global.forward(positions(x, 0, 2), 0);
      const message = /x holds 3 positions, the global cache 2; append their keys and values first/;
      expect(() => mixer.forward(x, short)).toThrow(message);
      const cache = newKvCache('fast', 1);
      cache.append(short);
      expect(() => mixer.forward(x, cache)).toThrow(message);
      cache.dispose();
    });
  });
});
