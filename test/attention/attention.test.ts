/** Softmax attention against its definition, and the caches that feed it. */
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { softmaxAttention } from '../../src/attention/blocked-attention';
import { type AttentionRule, attentionByDefinition } from '../../src/attention/definition';
import { GrowingCache } from '../../src/attention/paged-kv-cache';
import { RingCache } from '../../src/attention/rolling-kv-cache';
import { expectClose, normal, SeededRandom, useTestEngine } from '../helpers';

beforeAll(useTestEngine);
/** float32 at these sizes: 7e-7 of the largest number is the worst yet seen, on wasm and cpu. */
const tolerance = { ofLargest: 5e-6, absolute: 2e-7 };

const draw = (
  seed: number,
  B: number,
  N: number,
  M: number,
  H: number,
  Hkv: number,
  D: number,
  Dv: number,
) => {
  const random = new SeededRandom(seed + 100);
  return {
    q: normal<tf.Tensor4D>(random, [B, N, H, D]),
    k: normal<tf.Tensor4D>(random, [B, M, Hkv, D]),
    v: normal<tf.Tensor4D>(random, [B, M, Hkv, Dv]),
  };
};
type Inputs = ReturnType<typeof draw>;
const headOf = (x: tf.Tensor4D, b: number, h: number): number[][] =>
  (x.arraySync() as number[][][][])[b].map((token) => token[h]);
/** Every head by the definition, [B][N][H][Dv]; `kvOf` may be the mistake of tiling. */
function byDefinition(
  { q, k, v }: Inputs,
  rule: AttentionRule,
  kvOf = (h: number, G: number) => Math.floor(h / G),
): number[][][][] {
  const [B, N, H] = q.shape;
  const G = H / k.shape[2];
  return Array.from({ length: B }, (_, b) => {
    const heads = Array.from({ length: H }, (_, h) => {
      const kv = k.shape[2] === H ? h : kvOf(h, G);
      return attentionByDefinition(
        { q: headOf(q, b, h), k: headOf(k, b, kv), v: headOf(v, b, kv) },
        rule,
      );
    });
    return Array.from({ length: N }, (_, n) => heads.map((head) => head[n]));
  });
}

const cases = fc.record({
  B: fc.integer({ min: 1, max: 2 }),
  N: fc.integer({ min: 1, max: 9 }),
  before: fc.integer({ min: 0, max: 6 }),
  Hkv: fc.integer({ min: 1, max: 2 }),
  G: fc.integer({ min: 1, max: 3 }),
  D: fc.integer({ min: 1, max: 5 }),
  Dv: fc.integer({ min: 1, max: 5 }),
  windowSize: fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined }),
  blockSize: fc.integer({ min: 1, max: 12 }),
  seed: fc.nat(9999),
});

describe('softmax attention in bands', () => {
  it('is the definition, for any heads, offset, window and band', () => {
    fc.assert(
      fc.property(cases, ({ B, N, before, Hkv, G, D, Dv, windowSize, blockSize, seed }) => {
        tf.tidy(() => {
          const inputs = draw(seed, B, N, N + before, G * Hkv, Hkv, D, Dv);
          expectClose(
            softmaxAttention(inputs, { windowSize, blockSize }),
            byDefinition(inputs, { windowSize }),
            tolerance,
          );
        });
      }),
      { numRuns: 60 },
    );
  });

  it('its gradient is the slope of the definition, in every band size', () => {
    tf.tidy(() => {
      const inputs = draw(3, 1, 5, 7, 4, 2, 3, 2);
      const weight = normal<tf.Tensor4D>(new SeededRandom(8), [1, 5, 4, 2]);
      const w = weight.arraySync().flat(3);
      const lossAt = (given: Inputs) =>
        byDefinition(given, { windowSize: 4 })
          .flat(3)
          .reduce((sum, x, i) => sum + x * w[i], 0);
      for (const blockSize of [2, 100]) {
        const attend = (...x: tf.Tensor[]) =>
          softmaxAttention(
            { q: x[0] as tf.Tensor4D, k: x[1] as tf.Tensor4D, v: x[2] as tf.Tensor4D },
            { windowSize: 4, blockSize },
          )
            .mul(weight)
            .sum();
        const got = tf.grads(attend)([inputs.q, inputs.k, inputs.v]);
        (['q', 'k', 'v'] as const).forEach((name, which) => {
          const x = inputs[name];
          const data = Float64Array.from(x.dataSync());
          const slope = Array.from(data, (_, i) => {
            const at = (step: number) =>
              lossAt({
                ...inputs,
                [name]: {
                  shape: x.shape,
                  arraySync: () =>
                    nested(
                      data.map((y, j) => (j === i ? y + step : y)),
                      x.shape,
                    ),
                } as unknown as tf.Tensor4D,
              });
            return (at(1e-5) - at(-1e-5)) / 2e-5;
          });
          // Central differences in float64 are good to 1e-9; what is left is float32.
          expectClose(
            got[which].dataSync(),
            slope,
            { ofLargest: 5e-6, absolute: 1e-6 },
            `d${name}, bands of ${blockSize}`,
          );
        });
      }
    });
  });

  it.each<[string, (inputs: Inputs) => number[][][][]]>([
    [
      'the mask aligned at the first key',
      ({ q, k, v }) =>
        byDefinition(
          {
            q,
            k: k.slice([0, 0, 0, 0], [-1, 5, -1, -1]),
            v: v.slice([0, 0, 0, 0], [-1, 5, -1, -1]),
          },
          {},
        ),
    ],
    ['no mask', (inputs) => byDefinition(inputs, { causal: false })],
    ['no scale', (inputs) => byDefinition(inputs, { scale: 1 })],
    ['tiled instead of grouped heads', (inputs) => byDefinition(inputs, {}, (h) => h % 2)],
  ])('can it fail? %s', (_, mistake) => {
    tf.tidy(() => {
      const inputs = draw(5, 1, 5, 7, 4, 2, 4, 4);
      expect(() => expectClose(softmaxAttention(inputs), mistake(inputs), tolerance)).toThrow(
        /worst error/,
      );
    });
  });
  it('can it fail? a window off by one', () => {
    tf.tidy(() => {
      const inputs = draw(6, 1, 6, 6, 1, 1, 4, 4);
      for (const wrong of [2, 4])
        expect(() =>
          expectClose(
            softmaxAttention(inputs, { windowSize: 3 }),
            byDefinition(inputs, { windowSize: wrong }),
            tolerance,
          ),
        ).toThrow(/worst error/);
    });
  });

  it('refuses in words, before anything is allocated', () => {
    const inputs = draw(1, 1, 4, 3, 3, 2, 2, 2);
    const held = tf.memory().numTensors;
    expect(() => softmaxAttention(inputs)).toThrow(/q has 3 heads, k has 2/);
    const q = inputs.q.slice([0, 0, 0, 0], [-1, -1, 2, -1]);
    expect(() => softmaxAttention({ ...inputs, q })).toThrow(
      /there are 4 queries, but only 3 keys/,
    );
    expect(() => softmaxAttention({ ...inputs, q }, { windowSize: 0 })).toThrow(
      /there are 4 queries|windowSize is 0/,
    );
    q.dispose();
    expect(tf.memory().numTensors).toBe(held);
    tf.dispose(inputs);
  });
});

function nested(data: Float64Array, shape: number[]): unknown {
  if (shape.length === 1) return Array.from(data);
  const size = data.length / shape[0];
  return Array.from({ length: shape[0] }, (_, i) =>
    nested(data.slice(i * size, (i + 1) * size), shape.slice(1)),
  );
}

describe('the growing cache', () => {
  const append = (cache: GrowingCache, { k, v }: Inputs, from: number, count: number): void =>
    tf.tidy(() => {
      cache.append({
        k: k.slice([0, from, 0, 0], [-1, count, -1, -1]),
        v: v.slice([0, from, 0, 0], [-1, count, -1, -1]),
      });
    });

  // 64 tokens are a full fresh tail, 2048 a full page: the cuts stand on both sides of both.
  it.each([[[1, 1, 1]], [[63, 1, 1, 1]], [[64, 65]], [[2047, 1, 1]], [[2000, 100, 64, 1, 2000]]])(
    'holds and attends the same for pieces of %j',
    (cuts) => {
      const M = cuts.reduce((a, b) => a + b);
      const inputs = draw(2, 2, 3, M, 4, 2, 3, 5);
      const before = tf.memory().numTensors;
      const cache = new GrowingCache(2);
      let at = 0;
      for (const cut of cuts) {
        append(cache, inputs, at, cut);
        at += cut;
        expect([cache.length, cache.bytes]).toEqual([at, 2 * at * 2 * (3 + 5) * 4]);
      }
      tf.tidy(() => {
        const { k, v } = cache.read();
        expectClose(k, inputs.k, { ofLargest: 0, absolute: 0 }, 'keys');
        expectClose(v, inputs.v, { ofLargest: 0, absolute: 0 }, 'values');
        const one = inputs.q.slice([0, 2, 0, 0], [-1, 1, -1, -1]);
        expectClose(
          cache.attend(one),
          softmaxAttention({ ...inputs, q: one }),
          tolerance,
          'one query',
        );
        expectClose(cache.attend(inputs.q), softmaxAttention(inputs), tolerance, 'three queries');
      });
      cache.dispose();
      expect(tf.memory().numTensors).toBe(before);
      tf.dispose(inputs);
    },
  );

  it('a fork shares the past and not the future', () => {
    const inputs = draw(4, 1, 1, 200, 2, 1, 4, 4);
    const before = tf.memory().numTensors;
    const cache = new GrowingCache(1);
    append(cache, inputs, 0, 100);
    const fork = cache.fork();
    append(cache, inputs, 100, 50);
    append(fork, inputs, 150, 20);
    expect([cache.length, fork.length]).toEqual([150, 120]);
    cache.dispose(); // the fork lives on what the first has let go
    tf.tidy(() => {
      expectClose(
        fork.read().k,
        tf.concat(
          [
            inputs.k.slice([0, 0, 0, 0], [-1, 100, -1, -1]),
            inputs.k.slice([0, 150, 0, 0], [-1, 20, -1, -1]),
          ],
          1,
        ),
        {
          ofLargest: 0,
          absolute: 0,
        },
      );
    });
    fork.dispose();
    expect(tf.memory().numTensors).toBe(before);
    tf.dispose(inputs);
  });
  it('refuses another batch or other heads, and stays as it was', () => {
    const inputs = draw(4, 2, 1, 3, 2, 2, 4, 4);
    const cache = new GrowingCache(2);
    cache.append(inputs);
    const other = draw(4, 2, 1, 3, 1, 1, 4, 4);
    expect(() => cache.append(other)).toThrow(/the cache holds 2 heads of 4 and 4/);
    expect(() => new GrowingCache(1).append(inputs)).toThrow(/k holds 2 sequences, the cache 1/);
    expect(cache.length).toBe(3);
    cache.dispose();
    tf.dispose([inputs, other] as unknown as tf.Tensor[]);
  });
});

describe('the ring', () => {
  it.each([0, 1, 3, 4])(
    'of %i seats holds the last tokens, oldest first, in pieces of any size',
    (capacity) => {
      for (const cuts of [[1, 1, 1, 1, 1, 1], [6], [2, 4], [4, 1, 1], [5, 1]]) {
        const inputs = draw(capacity, 2, 1, 6, 2, 2, 3, 3);
        const before = tf.memory().numTensors;
        const ring = new RingCache(2, capacity);
        let at = 0;
        for (const cut of cuts) {
          tf.tidy(() =>
            ring.append({
              k: inputs.k.slice([0, at, 0, 0], [-1, cut, -1, -1]),
              v: inputs.v.slice([0, at, 0, 0], [-1, cut, -1, -1]),
            }),
          );
          at += cut;
          const held = Math.min(at, capacity);
          expect([ring.length, ring.bytes]).toEqual([at, 2 * 2 * held * 2 * 3 * 4]);
          if (held === 0) continue;
          tf.tidy(() =>
            expectClose(ring.read().k, inputs.k.slice([0, at - held, 0, 0], [-1, held, -1, -1]), {
              ofLargest: 0,
              absolute: 0,
            }),
          );
        }
        ring.dispose();
        expect(tf.memory().numTensors).toBe(before);
        tf.dispose(inputs);
      }
    },
  );
});
