import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { broadcastPairs } from '../../../src/support/backends/patches/broadcast-pairs';
import { withUpstreamKernels } from '../../../src/support/backends/patches/replace-kernel';
import { useEngine } from '../../../src/support/backends/use-engine';
import type { WasmBackend } from '../../../src/support/backends/wasm/backend';
import { costs, shortestRoute } from '../../../src/support/backends/wasm/mat-mul-route';
import { matrixVector } from '../../../src/support/backends/wasm/matrix-vector';
import { expectClose, leakedBy, normal, SeededRandom } from '../../helpers';
import { expectUpstreamFault } from './upstream';

/** Sums of at most 70 products of normal numbers in float32; the worst error seen is 4e-7. */
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

/**
 * The definition, in float64: C[…, m, n] = Σ_k A[…, m, k] B[…, k, n], where a batch axis of
 * length 1 is repeated.
 */
function byDefinition(
  a: tf.Tensor,
  b: tf.Tensor,
  { M, K, N, transposeA, transposeB }: Shapes,
): { shape: number[]; values: number[] } {
  const aValues = a.dataSync();
  const bValues = b.dataSync();
  const rank = Math.max(a.rank, b.rank) - 2;
  /** The length of batch axis i, aligned from the right. */
  const lengthOf = (shape: number[], i: number) => shape[i - rank + shape.length - 2] ?? 1;
  const batch: number[] = [];
  for (let i = 0; i < rank; i++) batch.push(Math.max(lengthOf(a.shape, i), lengthOf(b.shape, i)));
  let count = 1;
  for (const length of batch) count *= length;

  /** Which matrix of an operand belongs to matrix `entry` of the result. */
  const matrixOf = (shape: number[], entry: number) => {
    let rest = entry;
    let index = 0;
    let stride = 1;
    for (let i = rank - 1; i >= 0; i--) {
      const at = rest % batch[i];
      rest = Math.floor(rest / batch[i]);
      if (lengthOf(shape, i) > 1) index += at * stride;
      stride *= lengthOf(shape, i);
    }
    return index;
  };

  const values: number[] = [];
  for (let entry = 0; entry < count; entry++) {
    const aStart = matrixOf(a.shape, entry) * M * K;
    const bStart = matrixOf(b.shape, entry) * K * N;
    for (let m = 0; m < M; m++) {
      for (let n = 0; n < N; n++) {
        let sum = 0;
        for (let k = 0; k < K; k++) {
          const left = aValues[aStart + (transposeA ? k * M + m : m * K + k)];
          const right = bValues[bStart + (transposeB ? n * K + k : k * N + n)];
          sum += left * right;
        }
        values.push(sum);
      }
    }
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

const expectDefinition = (shapes: Shapes, seed = 1) =>
  tf.tidy(() => {
    const [a, b] = draw(shapes, seed);
    const got = tf.matMul(a, b, shapes.transposeA, shapes.transposeB);
    const want = byDefinition(a, b, shapes);
    expect(got.shape).toEqual(want.shape);
    expectClose(got.flatten(), want.values, tolerance, `matMul ${JSON.stringify(shapes)}`);
  });

const size = fc.integer({ min: 1, max: 21 });
/** The batch axes of a and b, as text: '2,4 2,1' is [2,4] against [2,1]; '-' is no batch. */
const batchPairs = ['- -', '3 3', '2,3 2,3', '4 -', '- 4', '1 5'];
batchPairs.push('2,4 2,1', '2,1 2,4', '2,1,2 3,1', '1,3 2,1'); // both sides broadcast
const axesOf = (text: string) => (text === '-' ? [] : text.split(',').map(Number));
const batches = fc.constantFrom(...batchPairs).map((pair) => pair.split(' ').map(axesOf));
const anyShapes = fc
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
const batchOfTwo = { ...plain, batchA: [2], batchB: [2] };
const grouped = { ...plain, batchA: [2, 4], batchB: [2, 1], transposeB: true, M: 33, K: 64, N: 41 };

describe.each(['wasm', 'cpu'] as const)('a matrix product on %s', (engine) => {
  beforeAll(() => useEngine(engine));

  it('equals its definition, for any sizes, flags and batches, broadcast or not', () => {
    fc.assert(fc.property(anyShapes, fc.nat(999), expectDefinition), { numRuns: 150 });
  });
  it.each([
    ['few rows, wide B', { ...batchOfTwo, M: 2, K: 40, N: 600 }],
    ['one row against a cache', { ...batchOfTwo, M: 1, K: 32, N: 700, transposeB: true }],
    ['both flags', { ...batchOfTwo, M: 66, K: 70, N: 65, transposeA: true, transposeB: true }],
    ['grouped heads', grouped],
    ['one matrix for a batch', { ...plain, batchA: [3, 2], batchB: [], M: 20, K: 64, N: 48 }],
    ['no rows', { ...batchOfTwo, M: 0, K: 3, N: 4 }],
  ])('equals its definition: %s', (_, shapes) => expectDefinition(shapes));

  it('has gradients of the right shape and size, for any sizes, flags and batches', () => {
    fc.assert(
      fc.property(anyShapes, fc.nat(999), (shapes, seed) =>
        tf.tidy(() => {
          const [a, b] = draw(shapes, seed);
          const { transposeA, transposeB, M, K, N } = shapes;
          const loss = (x: tf.Tensor, y: tf.Tensor): tf.Scalar => {
            const product = tf.matMul(x, y, transposeA, transposeB);
            return product.mul(normal(new SeededRandom(seed + 1), product.shape)).sum();
          };
          const [dA, dB] = tf.grads(loss as unknown as (...x: tf.Tensor[]) => tf.Tensor)([a, b]);
          expect(dA.shape).toEqual(a.shape);
          expect(dB.shape).toEqual(b.shape);

          // The loss is linear in each factor: a step changes it by exactly Σ gradient ∘ step.
          const expectChange = (gradient: tf.Tensor, step: tf.Tensor, change: tf.Scalar) => {
            const want = change.dataSync()[0];
            const got = gradient.mul(step).sum().dataSync()[0];
            const scale = Math.abs(want) + M * K * N;
            expect(Math.abs(got - want)).toBeLessThan(1e-5 * scale);
          };
          const stepA = normal(new SeededRandom(seed + 2), a.shape);
          const stepB = normal(new SeededRandom(seed + 2), b.shape);
          expectChange(dA, stepA, loss(stepA, b));
          expectChange(dB, stepB, loss(a, stepB));
        }),
      ),
      { numRuns: 60 },
    );
  });
  it('leaves no tensor behind, and refuses sizes that do not fit before it allocates', () => {
    const [a, b] = draw(grouped);
    expect(leakedBy(() => tf.matMul(a, b, false, true))).toBe(0);
    const [c, d] = [tf.zeros([2, 3]), tf.zeros([4, 5])];
    const held = tf.memory().numTensors;
    expect(() => tf.matMul(c, d)).toThrow(/inner|columns/i);
    expect(tf.memory().numTensors).toBe(held);
    tf.dispose([a, b, c, d]);
  });
  it('upstream pairs the wrong matrices when both batches broadcast', () => {
    const patch = 'patches/repeat-batch.ts and the pairing in wasm/batch-mat-mul.ts';
    expectUpstreamFault(patch, () => {
      const shapes = { ...plain, batchA: [2, 2], batchB: [2, 1], M: 3, K: 4, N: 2 };
      const [a, b] = draw(shapes);
      expectClose(tf.matMul(a, b).flatten(), byDefinition(a, b, shapes).values, tolerance);
      return true;
    });
  });
  it('upstream gives a broadcast factor a gradient of the wrong shape', () => {
    expectUpstreamFault('matMul in patches/gradients.ts', () => {
      const [a, b] = draw({ ...plain, batchA: [3], batchB: [], M: 2, K: 4, N: 2 });
      const [, dB] = tf.grads((x: tf.Tensor, y: tf.Tensor) => tf.matMul(x, y))([a, b]);
      return dB.shape.join() === '4,2';
    });
  });
});

describe('the fast product on wasm', () => {
  beforeAll(() => useEngine('wasm'));

  it("equals upstream's wherever that is right", () => {
    const upstreamIsRight = anyShapes.filter(
      ({ batchA, batchB }) => batchA.join() === batchB.join() || !batchA.length || !batchB.length,
    );
    fc.assert(
      fc.property(upstreamIsRight, fc.nat(999), (shapes, seed) =>
        tf.tidy(() => {
          const [a, b] = draw(shapes, seed);
          const product = () => tf.matMul(a, b, shapes.transposeA, shapes.transposeB);
          expectClose(product(), withUpstreamKernels(product), tolerance);
        }),
      ),
      { numRuns: 60 },
    );
  });
  it('keeps the packed copy of a right-hand matrix only as long as that matrix lives', () => {
    tf.tidy(() => {
      const row = tf.ones([1, 64]);
      for (let round = 0; round < 4; round++) {
        // The same memory again: a packed copy of the round before would give the wrong result.
        const weight = tf.fill([64, 64], round);
        for (let use = 0; use < 3; use++)
          expect(tf.matMul(row, weight).dataSync()[5]).toBe(64 * round);
        weight.dispose();
      }
    });
  });
  it('negative control: the definition with one flag dropped is not accepted', () => {
    tf.tidy(() => {
      const shapes = { ...plain, M: 5, K: 5, N: 5, transposeB: true };
      const [a, b] = draw(shapes);
      const mistaken = byDefinition(a, b, { ...shapes, transposeB: false }).values;
      const product = tf.matMul(a, b, false, true).flatten();
      expect(() => expectClose(product, mistaken, tolerance)).toThrow(/worst error/);
    });
  });
  it('uses the naive loop for tiny matrices, and packs the smaller side of a product', () => {
    const noFlags = { transposeA: false, transposeB: false };
    expect(shortestRoute({ ...noFlags, M: 4, K: 4, N: 4 })).toBe('plain');
    const oneRow = { ...noFlags, M: 1, K: 64, N: 4096, transposeB: true };
    expect(shortestRoute(oneRow)).toBe('columns');
    const manyRows = { ...noFlags, M: 2048, K: 256, N: 1024, transposeB: true };
    expect(shortestRoute(manyRows)).toBe('rows');
    const bothFlags = costs({ M: 9, K: 9, N: 9, transposeA: true, transposeB: true });
    expect(bothFlags.columns).toBeLessThan(bothFlags.rows); // Cᵀ = B·A: one transpose, not two
  });
});

describe('a matrix times one vector on wasm', () => {
  beforeAll(() => useEngine('wasm'));

  it('equals its definition, for any sizes, on either side, in batches that broadcast', () => {
    const cases = fc.record({
      rows: fc.integer({ min: 1, max: 40 }),
      K: fc.integer({ min: 1, max: 70 }),
      batch: batches,
      matrixLeft: fc.boolean(),
    });
    fc.assert(
      fc.property(cases, ({ rows, K, batch: [batchA, batchB], matrixLeft }) => {
        const shapes = matrixLeft
          ? { M: rows, N: 1, transposeB: K % 2 === 0 }
          : { M: 1, N: rows, transposeB: true };
        expectDefinition({ batchA, batchB, K, transposeA: false, ...shapes });
      }),
      { numRuns: 60 },
    );
  });
  it('is computed by the assembled function', () => {
    const { wasm } = tf.backend() as unknown as WasmBackend;
    const multiply = matrixVector(wasm)!;
    // A = [[0 … 17], [18 … 35]], x = eighteen ones, y = two numbers
    const A = wasm._malloc(4 * (36 + 18 + 2));
    const x = A + 4 * 36;
    const y = x + 4 * 18;
    const numbers = Array.from({ length: 54 }, (_, i) => (i < 36 ? i : 1));
    wasm.HEAPF32.set(numbers, A / 4);
    multiply(A, x, y, 2, 18);
    expect(Array.from(wasm.HEAPF32.subarray(y / 4, y / 4 + 2))).toEqual([153, 477]);
    wasm._free(A);
  });
});

describe('broadcastPairs', () => {
  it('aligns axes from the right', () => {
    const { pairs, ...rest } = broadcastPairs('x', [2, 1], [3]);
    expect(rest).toEqual({ count: 6, shape: [2, 3], aCount: 2, bCount: 3 });
    expect(pairs().join(' ')).toBe('0,0 0,1 0,2 1,0 1,1 1,2');
  });
  it('refuses axes that do not fit', () => {
    expect(() => broadcastPairs('matMul', [2], [3])).toThrow(
      'matMul: the batch axes [2] and [3] do not fit: 2 against 3.',
    );
  });
});
