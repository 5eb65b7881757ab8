import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { broadcastPairs } from '../../../src/support/backends/patches/broadcast-pairs';
import { withStockKernels } from '../../../src/support/backends/patches/replace-kernel';
import { useEngine } from '../../../src/support/backends/use-engine';
import type { WasmBackend } from '../../../src/support/backends/wasm/backend';
import { costs, shortestRoute } from '../../../src/support/backends/wasm/mat-mul-route';
import { matrixVector } from '../../../src/support/backends/wasm/matrix-vector';
import { expectClose, leakedBy, normal, SeededRandom } from '../../helpers';
import { expectStockFault } from './stock';

/** Sums of at most 70 products of normal numbers in float32: 4e-7 of the largest is the worst yet seen. */
const tolerance = { ofLargest: 2e-6, absolute: 1e-6 };

interface Shapes {
  batchA: number[];
  batchB: number[];
  M: number;
  K: number;
  N: number;
  transposeA: boolean;
  transposeB: boolean;
}

/** The definition, in float64: C[..., m, n] = Σ_k A[..., m, k] B[..., k, n], an index of length 1 standing for all. */
function byDefinition(
  a: tf.Tensor,
  b: tf.Tensor,
  { M, K, N, transposeA, transposeB }: Shapes,
): { shape: number[]; values: number[] } {
  const [as, bs] = [a.dataSync(), b.dataSync()];
  const rank = Math.max(a.rank, b.rank) - 2;
  const axis = (shape: number[], i: number) => shape[i - rank + shape.length - 2] ?? 1;
  const batch = Array.from({ length: rank }, (_, i) =>
    Math.max(axis(a.shape, i), axis(b.shape, i)),
  );
  const total = batch.reduce((x, y) => x * y, 1);
  const matrix = (shape: number[], entry: number) => {
    let rest = entry;
    let [index, stride] = [0, 1];
    for (let i = rank - 1; i >= 0; i--) {
      const at = rest % batch[i];
      rest = Math.floor(rest / batch[i]);
      if (axis(shape, i) > 1) index += at * stride;
      stride *= axis(shape, i);
    }
    return index;
  };
  const values: number[] = [];
  for (let e = 0; e < total; e++)
    for (let m = 0; m < M; m++)
      for (let n = 0; n < N; n++) {
        let sum = 0;
        for (let k = 0; k < K; k++)
          sum +=
            as[matrix(a.shape, e) * M * K + (transposeA ? k * M + m : m * K + k)] *
            bs[matrix(b.shape, e) * K * N + (transposeB ? n * K + k : k * N + n)];
        values.push(sum);
      }
  return { shape: [...batch, M, N], values };
}

function draw(
  { batchA, batchB, M, K, N, transposeA, transposeB }: Shapes,
  seed = 1,
): [tf.Tensor, tf.Tensor] {
  const random = new SeededRandom(seed);
  return [
    normal(random, [...batchA, ...(transposeA ? [K, M] : [M, K])]),
    normal(random, [...batchB, ...(transposeB ? [N, K] : [K, N])]),
  ];
}

const check = (shapes: Shapes, seed = 1) =>
  tf.tidy(() => {
    const [a, b] = draw(shapes, seed);
    const got = tf.matMul(a, b, shapes.transposeA, shapes.transposeB);
    const want = byDefinition(a, b, shapes);
    expect(got.shape).toEqual(want.shape);
    expectClose(got.flatten(), want.values, tolerance, `matMul ${JSON.stringify(shapes)}`);
  });

const size = fc.integer({ min: 1, max: 21 });
const batches = fc.constantFrom<[number[], number[]]>(
  [[], []],
  [[3], [3]],
  [
    [2, 3],
    [2, 3],
  ],
  [[4], []],
  [[], [4]],
  [[1], [5]],
  [
    [2, 4],
    [2, 1],
  ],
  [
    [2, 1],
    [2, 4],
  ],
  [
    [2, 1, 2],
    [3, 1],
  ],
  [
    [1, 3],
    [2, 1],
  ],
);
const shapes = fc
  .record({
    batch: batches,
    M: size,
    K: size,
    N: size,
    transposeA: fc.boolean(),
    transposeB: fc.boolean(),
  })
  .map(({ batch: [batchA, batchB], ...rest }): Shapes => ({ batchA, batchB, ...rest }));
const plain = { batchA: [], batchB: [], transposeA: false, transposeB: false };

describe.each(['wasm', 'cpu'] as const)('a matrix product on %s', (engine) => {
  beforeAll(() => useEngine(engine));

  it('is its definition, for any sizes, flags and batches, broadcast or not', () => {
    fc.assert(
      fc.property(shapes, fc.nat(999), (s, seed) => check(s, seed)),
      { numRuns: 150 },
    );
  });
  it.each([
    ['few rows, wide B (columns)', { ...plain, batchA: [2], batchB: [2], M: 2, K: 40, N: 600 }],
    [
      'one row against a cache',
      { ...plain, batchA: [2], batchB: [2], M: 1, K: 32, N: 700, transposeB: true },
    ],
    [
      'every flag, large',
      {
        ...plain,
        batchA: [2],
        batchB: [2],
        M: 66,
        K: 70,
        N: 65,
        transposeA: true,
        transposeB: true,
      },
    ],
    [
      'grouped heads',
      { ...plain, batchA: [2, 4], batchB: [2, 1], M: 33, K: 64, N: 41, transposeB: true },
    ],
    ['one matrix for a batch', { ...plain, batchA: [3, 2], batchB: [], M: 20, K: 64, N: 48 }],
    ['nothing', { ...plain, batchA: [2], batchB: [2], M: 0, K: 3, N: 4 }],
  ])('is its definition: %s', (_, s) => check(s));

  it('gives gradients of the right shape and size, for any sizes, flags and batches', () => {
    fc.assert(
      fc.property(shapes, fc.nat(999), (s, seed) =>
        tf.tidy(() => {
          const [a, b] = draw(s, seed);
          // The loss is linear in each factor, so its exact change under a finite step is its gradient: Σ dA ∘ step.
          const loss = (x: tf.Tensor, y: tf.Tensor): tf.Scalar => {
            const product = tf.matMul(x, y, s.transposeA, s.transposeB);
            return product.mul(normal(new SeededRandom(seed + 1), product.shape)).sum();
          };
          const gradients = tf.grads(loss as unknown as (...x: tf.Tensor[]) => tf.Tensor)([a, b]);
          for (const [i, [x, other]] of [
            [a, b],
            [b, a],
          ].entries()) {
            expect(gradients[i].shape).toEqual(x.shape);
            const step = normal(new SeededRandom(seed + 2), x.shape);
            const want = i === 0 ? loss(step, other) : loss(other, step);
            const scale = Math.sqrt(want.square().dataSync()[0]) + s.M * s.K * s.N;
            expect(
              Math.abs(gradients[i].mul(step).sum().dataSync()[0] - want.dataSync()[0]),
            ).toBeLessThan(1e-5 * scale);
          }
        }),
      ),
      { numRuns: 60 },
    );
  });
  it('leaves nothing behind, and refuses sizes that do not fit before it allocates', () => {
    const [a, b] = draw({
      ...plain,
      batchA: [2, 4],
      batchB: [2, 1],
      M: 33,
      K: 64,
      N: 41,
      transposeB: true,
    });
    expect(leakedBy(() => tf.matMul(a, b, false, true))).toBe(0);
    const held = tf.memory().numTensors;
    expect(() => tf.matMul(tf.zeros([2, 3]), tf.zeros([4, 5]))).toThrow(/inner|columns/i);
    tf.dispose([a, b]);
    expect(tf.memory().numTensors).toBe(held - 2 + 2); // the two zeros stay with whoever made them
  });
  it('stock pairs the wrong matrices when both batches broadcast', () => {
    expectStockFault('repeat-batch.ts and the pairing in wasm/batch-mat-mul.ts', () => {
      const s = { ...plain, batchA: [2, 2], batchB: [2, 1], M: 3, K: 4, N: 2 };
      const [a, b] = draw(s);
      expectClose(tf.matMul(a, b).flatten(), byDefinition(a, b, s).values, tolerance);
      return true;
    });
  });
  it('stock gives a broadcast factor a gradient of the wrong shape', () => {
    expectStockFault('matMul in gradients.ts', () => {
      const s = { ...plain, batchA: [3], batchB: [], M: 2, K: 4, N: 2 };
      const [a, b] = draw(s);
      const [, dB] = tf.grads((x: tf.Tensor, y: tf.Tensor) => tf.matMul(x, y))([a, b]);
      return dB.shape.join() === '4,2';
    });
  });
});

describe('the fast product on wasm', () => {
  beforeAll(() => useEngine('wasm'));

  it('equals the plain kernel wherever the plain kernel is right', () => {
    const right = shapes.filter(
      ({ batchA, batchB }) => batchA.join() === batchB.join() || !batchA.length || !batchB.length,
    );
    fc.assert(
      fc.property(right, fc.nat(999), (s, seed) =>
        tf.tidy(() => {
          const [a, b] = draw(s, seed);
          const product = () => tf.matMul(a, b, s.transposeA, s.transposeB);
          expectClose(product(), withStockKernels(product), tolerance);
        }),
      ),
      { numRuns: 60 },
    );
  });
  it('keeps a right-hand matrix that it has packed only as long as that matrix lives', () => {
    tf.tidy(() => {
      const row = tf.ones([1, 64]);
      for (let round = 0; round < 4; round++) {
        const weight = tf.fill([64, 64], round); // the same memory again: a stale packed copy would answer for it
        for (let use = 0; use < 3; use++)
          expect(tf.matMul(row, weight).dataSync()[5]).toBe(64 * round);
        weight.dispose();
      }
    });
  });
  it('can it fail? the definition with one flag dropped does not agree', () => {
    tf.tidy(() => {
      const s = { ...plain, M: 5, K: 5, N: 5, transposeB: true };
      const [a, b] = draw(s);
      const mistaken = byDefinition(a, b, { ...s, transposeB: false }).values;
      expect(() =>
        expectClose(tf.matMul(a, b, false, true).flatten(), mistaken, tolerance),
      ).toThrow(/worst error/);
    });
  });
  it('takes the naive loop for tiny matrices, packs the small side for few rows, the right side for many', () => {
    expect(shortestRoute({ M: 4, K: 4, N: 4, transposeA: false, transposeB: false })).toBe('plain');
    expect(shortestRoute({ M: 1, K: 64, N: 4096, transposeA: false, transposeB: true })).toBe(
      'columns',
    );
    expect(shortestRoute({ M: 2048, K: 256, N: 1024, transposeA: false, transposeB: true })).toBe(
      'rows',
    );
    const both = costs({ M: 9, K: 9, N: 9, transposeA: true, transposeB: true });
    expect(both.columns).toBeLessThan(both.rows); // Cᵀ = B·A needs one flip, C = Aᵀ·Bᵀ two
  });
});

describe('a matrix times one vector', () => {
  it('any rows, any number to sum, in either place, in batches that broadcast', async () => {
    await useEngine('wasm');
    const shapes = fc.record({
      rows: fc.integer({ min: 1, max: 40 }),
      K: fc.integer({ min: 1, max: 70 }),
      batch: batches,
      left: fc.boolean(),
    });
    fc.assert(
      fc.property(shapes, ({ rows, K, batch: [batchA, batchB], left }) =>
        left
          ? check({ batchA, batchB, M: rows, K, N: 1, transposeA: false, transposeB: K % 2 === 0 })
          : check({ batchA, batchB, M: 1, K, N: rows, transposeA: false, transposeB: true }),
      ),
      { numRuns: 60 },
    );
  });
  it('is the assembled one, not a way round it', async () => {
    await useEngine('wasm');
    const wasm = (tf.backend() as unknown as WasmBackend).wasm;
    const multiply = matrixVector(wasm)!;
    const at = wasm._malloc(4 * (2 * 18 + 18 + 2));
    wasm.HEAPF32.set(
      Array.from({ length: 54 }, (_, i) => (i < 36 ? i : 1)),
      at / 4,
    );
    multiply(at, at + 4 * 36, at + 4 * 54, 2, 18);
    expect(Array.from(wasm.HEAPF32.subarray(at / 4 + 54, at / 4 + 56))).toEqual([153, 477]); // 0 + … + 17 and 18 + … + 35
    wasm._free(at);
  });
});

describe('broadcastPairs', () => {
  it('lines axes up from the right, as on paper', () => {
    const { pairs, ...rest } = broadcastPairs('x', [2, 1], [3]);
    expect({ ...rest, pairs: pairs() }).toEqual({
      count: 6,
      shape: [2, 3],
      pairs: [
        [0, 0],
        [0, 1],
        [0, 2],
        [1, 0],
        [1, 1],
        [1, 2],
      ],
      aCount: 2,
      bCount: 3,
    });
  });
  it('refuses axes that do not fit', () => {
    expect(() => broadcastPairs('matMul', [2], [3])).toThrow(
      'matMul: the batch axes [2] and [3] do not fit: 2 against 3.',
    );
  });
});
