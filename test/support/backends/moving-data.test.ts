import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { withStockKernels } from '../../../src/support/backends/patches/replace-kernel';
import { useEngine } from '../../../src/support/backends/use-engine';
import { flip } from '../../../src/support/backends/wasm/flip';
import { sumSegments } from '../../../src/support/backends/wasm/gather';
import { asMatrixFlip } from '../../../src/support/backends/wasm/transpose';
import { expectClose, leakedBy } from '../../helpers';
import { expectStockFault } from './stock';

beforeAll(() => useEngine('wasm'));

const exactly = { ofLargest: 0, absolute: 0 }; // numbers are moved, not computed
const sizeOf = (shape: number[]) => shape.reduce((a, b) => a * b, 1);
/** 0, 1, 2, …: each number tells where it came from. */
const counting = (shape: number[], dtype: 'float32' | 'int32' = 'float32') =>
  tf.range(0, sizeOf(shape), 1, dtype).reshape(shape);
const axes = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 5 });

/** The element of x at `index`, by the definition of row-major order. */
const at = (shape: number[], index: number[]) =>
  index.reduce((flat, i, axis) => flat * shape[axis] + i, 0);
const indicesOf = (shape: number[]): number[][] =>
  shape.reduce<number[][]>(
    (all, n) => all.flatMap((i) => Array.from({ length: n }, (_, j) => [...i, j])),
    [[]],
  );
/** What `x` of counting numbers must become if out[index] = x[source(index)]. */
const moved = (from: number[], to: number[], source: (index: number[]) => number[]) =>
  indicesOf(to).map((index) => at(from, source(index)));
const expectMoved = (got: tf.Tensor, shape: number[], want: number[]) => {
  expect(got.shape).toEqual(shape);
  expect(Array.from(got.dataSync())).toEqual(want);
};

describe('moving numbers on wasm is its definition', () => {
  it('slice: out[i] = x[begin + i]', () => {
    fc.assert(
      fc.property(axes, fc.infiniteStream(fc.nat(99)), fc.boolean(), (shape, stream, whole) =>
        tf.tidy(() => {
          const next = () => stream.next().value as number;
          const begin = shape.map((n) => next() % n);
          const size = shape.map((n, i) =>
            n - begin[i] === 1 ? 1 : 1 + (next() % (n - begin[i])),
          );
          const x = counting(shape, whole ? 'int32' : 'float32');
          expectMoved(
            x.slice(begin, size),
            size,
            moved(shape, size, (index) => index.map((i, a) => i + begin[a])),
          );
        }),
      ),
    );
  });
  it('split: the pieces are the slices, in order', () => {
    fc.assert(
      fc.property(axes, fc.nat(4), fc.nat(99), (shape, pick, cutAt) =>
        tf.tidy(() => {
          const axis = pick % shape.length;
          const first = cutAt % (shape[axis] + 1);
          const pieces = tf.split(counting(shape), [first, shape[axis] - first], axis);
          const sizes = [first, shape[axis] - first].map((n) =>
            shape.map((m, a) => (a === axis ? n : m)),
          );
          for (const [p, start] of [0, first].entries())
            expectMoved(
              pieces[p],
              sizes[p],
              moved(shape, sizes[p], (index) => index.map((i, a) => (a === axis ? i + start : i))),
            );
        }),
      ),
    );
  });
  it('transpose: out[i of perm] = x[i]', () => {
    fc.assert(
      fc.property(axes, fc.nat(9999), (shape, seed) =>
        tf.tidy(() => {
          const perm = shape
            .map((_, a) => a)
            .sort((a, b) => ((a * 7919 + seed) % 31) - ((b * 7919 + seed) % 31));
          const out = perm.map((a) => shape[a]);
          expectMoved(
            counting(shape).transpose(perm),
            out,
            moved(shape, out, (index) => shape.map((_, a) => index[perm.indexOf(a)])),
          );
        }),
      ),
    );
  });
  it.each([
    [
      [300, 257],
      [1, 0],
    ],
    [
      [2, 301, 259],
      [0, 2, 1],
    ],
    [
      [2, 256, 4, 64],
      [0, 2, 3, 1],
    ],
    [
      [3, 70, 20, 50],
      [0, 3, 1, 2],
    ],
  ])('transpose of a large [%j] by [%j]: the same as stock', (shape, perm) => {
    tf.tidy(() => {
      const x = counting(shape);
      expect(asMatrixFlip(shape, perm)).toBeDefined();
      expectClose(
        x.transpose(perm),
        withStockKernels(() => x.transpose(perm)),
        exactly,
      );
    });
  });
  it('flip moves every number once, whatever fours leave over', () => {
    for (let rows = 1; rows < 11; rows++)
      for (let columns = 1; columns < 11; columns++) {
        const to = new Uint32Array(rows * columns + 2).fill(7);
        flip(
          to,
          1,
          Uint32Array.from({ length: rows * columns }, (_, i) => i + 100),
          0,
          rows,
          columns,
        );
        const want = indicesOf([columns, rows]).map(([c, r]) => 100 + r * columns + c);
        expect(Array.from(to)).toEqual([7, ...want, 7]);
      }
  });
  it('concat and stack: the parts lie side by side', () => {
    fc.assert(
      fc.property(axes, fc.nat(4), fc.nat(3), (shape, pick, extra) =>
        tf.tidy(() => {
          const axis = pick % shape.length;
          const wider = shape.map((n, a) => (a === axis ? n + extra : n));
          const [x, y] = [counting(shape), counting(wider).add(1000)];
          const joined = tf.concat([x, y], axis);
          const n = shape[axis];
          expectClose(
            tf.slice(
              joined,
              shape.map(() => 0),
              shape,
            ),
            x,
            exactly,
            'first part',
          );
          expectClose(
            tf.slice(
              joined,
              shape.map((_, a) => (a === axis ? n : 0)),
              wider,
            ),
            y,
            exactly,
            'second part',
          );
          const out = [...shape.slice(0, axis + 1), 2, ...shape.slice(axis + 1)];
          const want = indicesOf(out).map(
            (index) =>
              at(
                shape,
                index.filter((_, a) => a !== axis + 1),
              ) * (index[axis + 1] ? 2 : 1),
          );
          expectMoved(tf.stack([x, x.mul(2)], axis + 1), out, want);
        }),
      ),
    );
  });
  it('tile: out[i] = x[i mod n]', () => {
    fc.assert(
      fc.property(axes, fc.infiniteStream(fc.integer({ min: 1, max: 3 })), (shape, stream) =>
        tf.tidy(() => {
          const reps = shape.map(() => stream.next().value as number);
          const out = shape.map((n, a) => n * reps[a]);
          expectMoved(
            counting(shape).tile(reps),
            out,
            moved(shape, out, (index) => index.map((i, a) => i % shape[a])),
          );
        }),
      ),
    );
  });
  it('gather: out[i] = x[index[i]], along any axis', () => {
    fc.assert(
      fc.property(
        axes,
        fc.nat(4),
        fc.array(fc.nat(99), { minLength: 1, maxLength: 9 }),
        (shape, pick, drawn) =>
          tf.tidy(() => {
            const axis = pick % shape.length;
            const index = drawn.map((i) => i % shape[axis]);
            const out = shape.map((n, a) => (a === axis ? index.length : n));
            const want = moved(shape, out, (i) => i.map((j, a) => (a === axis ? index[j] : j)));
            expectMoved(tf.gather(counting(shape), tf.tensor1d(index, 'int32'), axis), out, want);
          }),
      ),
    );
  });
  it('unsortedSegmentSum: out[id[i]] += x[i]; a negative id is dropped', () => {
    tf.tidy(() => {
      const got = tf.unsortedSegmentSum(
        tf.tensor2d([
          [1, 2],
          [10, 20],
          [100, 200],
          [7, 7],
        ]),
        tf.tensor1d([2, 0, 2, -1], 'int32'),
        3,
      );
      expect(got.arraySync()).toEqual([
        [10, 20],
        [0, 0],
        [101, 202],
      ]);
    });
  });
  it('leaves nothing behind', () => {
    const x = counting([4, 6, 5]);
    for (const work of [
      () => x.slice([1, 0, 0], [2, 6, 5]),
      () => tf.split(x, 3, 1),
      () => tf.concat([x, x], 2),
      () => tf.stack([x, x], 3),
      () => x.tile([2, 1, 3]),
      () => x.transpose([2, 0, 1]),
    ]) {
      expect(leakedBy(work)).toBe(0);
      const buffers = tf.memory().numDataBuffers;
      tf.dispose(work());
      expect(tf.memory().numDataBuffers).toBe(buffers);
    }
    x.dispose();
  });
});

describe('what a wrong index says', () => {
  it('gather names the index, its place and what is allowed', () => {
    const [x, index] = [tf.zeros([4, 2]), tf.tensor1d([1, 4], 'int32')];
    const held = tf.memory().numTensors;
    expect(() => tf.gather(x, index)).toThrow(
      'gather: index 4 at 1 is outside the 4 rows of the table; give 0 to 3.',
    );
    expect(tf.memory().numTensors).toBe(held);
  });
  it('unsortedSegmentSum names the id', () => {
    expect(() => sumSegments([1], [3], new Float32Array(3), 3)).toThrow(
      'id 3 at 0, but there are 3 segments: 0 to 2.',
    );
  });
});

describe('the gradient of looking up', () => {
  it('adds up what each row was used for', () => {
    tf.tidy(() => {
      const weights = tf.tensor2d([
        [1, 2],
        [3, 4],
        [5, 6],
      ]);
      const gradient = tf.grad((table: tf.Tensor) =>
        tf
          .gather(table, tf.tensor1d([2, 0, 2], 'int32'))
          .mul(weights)
          .sum(),
      );
      expect(gradient(tf.zeros([4, 2])).arraySync()).toEqual([
        [3, 4],
        [0, 0],
        [6, 8],
        [0, 0],
      ]);
    });
  });
  it('stock wasm has no kernel for it', () => {
    expectStockFault('UnsortedSegmentSum in wasm/gather.ts', () => {
      tf.tidy(() => tf.unsortedSegmentSum(tf.ones([2, 2]), tf.tensor1d([0, 1], 'int32'), 2));
      return true;
    });
  });
});

describe('what stock wasm copies', () => {
  it('slice reads the whole source out of the heap first; ours does not read it at all', () => {
    const backend = tf.backend() as unknown as { readSync(...args: unknown[]): unknown };
    const readSync = backend.readSync;
    let reads = 0;
    backend.readSync = function (...args) {
      reads++;
      return readSync.apply(this, args);
    };
    try {
      const x = tf.zeros([100, 100]);
      x.slice([50, 0], [1, 100]).dispose();
      expect(reads).toBe(0);
      expectStockFault('wasm/slice.ts', () => {
        reads = 0;
        x.slice([50, 0], [1, 100]).dispose();
        return reads === 0;
      });
      x.dispose();
    } finally {
      backend.readSync = readSync;
    }
  });
});
