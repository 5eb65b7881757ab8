import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { withUpstreamKernels } from '../../../src/support/backends/patches/replace-kernel';
import { sumSegments } from '../../../src/support/backends/patches/unsorted-segment-sum';
import { useEngine } from '../../../src/support/backends/use-engine';
import { flip } from '../../../src/support/backends/wasm/flip';
import { asMatrixFlip } from '../../../src/support/backends/wasm/transpose';
import { expectClose, leakedBy } from '../../helpers';
import { expectUpstreamFault } from './upstream';

beforeAll(() => useEngine('wasm'));

const exactly = { ofLargest: 0, absolute: 0 }; // numbers are moved, not computed
const sizeOf = (shape: number[]) => shape.reduce((a, b) => a * b, 1);
/** 0, 1, 2, …: each number tells where it came from. */
const counting = (shape: number[], dtype: 'float32' | 'int32' = 'float32') =>
  tf.range(0, sizeOf(shape), 1, dtype).reshape(shape);
const int32 = (values: number[]) => tf.tensor1d(values, 'int32');
const shapes = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 5 });

/** The place of the element at `index`, by the definition of row-major order. */
function placeOf(shape: number[], index: number[]): number {
  let place = 0;
  for (let axis = 0; axis < shape.length; axis++) place = place * shape[axis] + index[axis];
  return place;
}
/** All indices of a shape, in row-major order. */
function indicesOf(shape: number[]): number[][] {
  let indices: number[][] = [[]];
  for (const n of shape) {
    const steps = Array.from({ length: n }, (_, i) => i);
    indices = indices.flatMap((index) => steps.map((i) => [...index, i]));
  }
  return indices;
}
/** `shape` with `length` on one axis. */
const withLength = (shape: number[], axis: number, length: number) =>
  shape.map((n, a) => (a === axis ? length : n));

/** Expects got[index] = x[source(index)], where x is `counting(from)`. */
function expectMoved(
  got: tf.Tensor,
  from: number[],
  shape: number[],
  source: (index: number[]) => number[],
): void {
  expect(got.shape).toEqual(shape);
  const want = indicesOf(shape).map((index) => placeOf(from, source(index)));
  expect(Array.from(got.dataSync())).toEqual(want);
}

describe('operations that move numbers, on wasm, equal their definitions', () => {
  it('slice: out[i] = x[begin + i]', () => {
    const dtypes = fc.constantFrom('int32', 'float32');
    fc.assert(
      fc.property(shapes, fc.infiniteStream(fc.nat(99)), dtypes, (shape, stream, dtype) =>
        tf.tidy(() => {
          const draw = () => stream.next().value as number;
          const begin = shape.map((n) => draw() % n);
          const size = shape.map((n, axis) => 1 + (draw() % (n - begin[axis])));
          const got = counting(shape, dtype).slice(begin, size);
          expectMoved(got, shape, size, (index) => index.map((i, axis) => i + begin[axis]));
        }),
      ),
    );
  });
  it('split: the parts are the slices, in order', () => {
    fc.assert(
      fc.property(shapes, fc.nat(4), fc.nat(99), (shape, pick, cutAt) =>
        tf.tidy(() => {
          const axis = pick % shape.length;
          const first = cutAt % (shape[axis] + 1);
          const second = shape[axis] - first;
          const [head, tail] = tf.split(counting(shape), [first, second], axis);
          expectMoved(head, shape, withLength(shape, axis, first), (index) => index);
          expectMoved(tail, shape, withLength(shape, axis, second), (index) =>
            withLength(index, axis, index[axis] + first),
          );
        }),
      ),
    );
  });
  it('transpose: out[i of perm] = x[i]', () => {
    fc.assert(
      fc.property(shapes, fc.nat(9999), (shape, seed) =>
        tf.tidy(() => {
          const rank = (axis: number) => (axis * 7919 + seed) % 31;
          const perm = shape.map((_, axis) => axis).sort((a, b) => rank(a) - rank(b));
          const out = perm.map((axis) => shape[axis]);
          expectMoved(counting(shape).transpose(perm), shape, out, (index) =>
            shape.map((_, axis) => index[perm.indexOf(axis)]),
          );
        }),
      ),
    );
  });
  it.each([
    { shape: [300, 257], perm: [1, 0] },
    { shape: [2, 301, 259], perm: [0, 2, 1] },
    { shape: [2, 256, 4, 64], perm: [0, 2, 3, 1] },
    { shape: [3, 70, 20, 50], perm: [0, 3, 1, 2] },
  ])("transpose of a large $shape by $perm equals upstream's", ({ shape, perm }) => {
    tf.tidy(() => {
      const x = counting(shape);
      expect(asMatrixFlip(shape, perm)).toBeDefined();
      const want = withUpstreamKernels(() => x.transpose(perm));
      expectClose(x.transpose(perm), want, exactly);
    });
  });
  it('flip moves every number once, also outside whole blocks of four', () => {
    for (let rows = 1; rows < 11; rows++) {
      for (let columns = 1; columns < 11; columns++) {
        const untouched = 7;
        const to = new Uint32Array(rows * columns + 2).fill(untouched);
        const from = Uint32Array.from({ length: rows * columns }, (_, i) => i + 100);
        flip(to, 1, from, 0, rows, columns);
        const want = indicesOf([columns, rows]).map(([c, r]) => 100 + r * columns + c);
        expect(Array.from(to)).toEqual([untouched, ...want, untouched]);
      }
    }
  });
  it('concat: the parts lie side by side', () => {
    fc.assert(
      fc.property(shapes, fc.nat(4), fc.nat(3), (shape, pick, extra) =>
        tf.tidy(() => {
          const axis = pick % shape.length;
          const n = shape[axis];
          const wider = withLength(shape, axis, n + extra);
          const [x, y] = [counting(shape), counting(wider).add(1000)];
          const joined = tf.concat([x, y], axis);
          const origin = shape.map(() => 0);
          const first = joined.slice(origin, shape);
          const second = joined.slice(withLength(origin, axis, n), wider);
          expectClose(first, x, exactly, 'first part');
          expectClose(second, y, exactly, 'second part');
        }),
      ),
    );
  });
  it('stack: the parts lie side by side along a new axis', () => {
    fc.assert(
      fc.property(shapes, fc.nat(5), (shape, pick) =>
        tf.tidy(() => {
          const axis = pick % (shape.length + 1);
          const x = counting(shape);
          const got = tf.stack([x, x.mul(2)], axis);
          const out = [...shape.slice(0, axis), 2, ...shape.slice(axis)];
          expect(got.shape).toEqual(out);
          const want = indicesOf(out).map((index) => {
            const inPart = index.filter((_, a) => a !== axis);
            return placeOf(shape, inPart) * (index[axis] + 1);
          });
          expect(Array.from(got.dataSync())).toEqual(want);
        }),
      ),
    );
  });
  it('tile: out[i] = x[i mod n]', () => {
    fc.assert(
      fc.property(shapes, fc.infiniteStream(fc.integer({ min: 1, max: 3 })), (shape, stream) =>
        tf.tidy(() => {
          const reps = shape.map(() => stream.next().value as number);
          const out = shape.map((n, axis) => n * reps[axis]);
          expectMoved(counting(shape).tile(reps), shape, out, (index) =>
            index.map((i, axis) => i % shape[axis]),
          );
        }),
      ),
    );
  });
  it('gather: out[i] = x[index[i]], along any axis', () => {
    const drawn = fc.array(fc.nat(99), { minLength: 1, maxLength: 9 });
    fc.assert(
      fc.property(shapes, fc.nat(4), drawn, (shape, pick, numbers) =>
        tf.tidy(() => {
          const axis = pick % shape.length;
          const rows = numbers.map((i) => i % shape[axis]);
          const got = tf.gather(counting(shape), int32(rows), axis);
          const out = withLength(shape, axis, rows.length);
          expectMoved(got, shape, out, (index) => withLength(index, axis, rows[index[axis]]));
        }),
      ),
    );
  });
  it('unsortedSegmentSum: out[id[i]] += x[i]; a negative id is dropped', () => {
    tf.tidy(() => {
      const x = tf.tensor2d([1, 2, 10, 20, 100, 200, 7, 7], [4, 2]);
      const got = tf.unsortedSegmentSum(x, int32([2, 0, 2, -1]), 3);
      expect(got.arraySync()).toEqual([
        [10, 20],
        [0, 0],
        [101, 202],
      ]);
    });
  });
  it('leave no tensor and no buffer behind', () => {
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

describe('the error for a wrong index', () => {
  it('of gather names the index, its place and what is allowed', () => {
    const [x, index] = [tf.zeros([4, 2]), int32([1, 4])];
    const held = tf.memory().numTensors;
    expect(() => tf.gather(x, index)).toThrow(
      'gather: index 4 at 1 is outside the 4 rows of the table; give 0 to 3.',
    );
    expect(tf.memory().numTensors).toBe(held);
    tf.dispose([x, index]);
  });
  it('of unsortedSegmentSum names the id', () => {
    expect(() => sumSegments([1], [3], new Float32Array(3), 3)).toThrow(
      'id 3 at 0, but there are 3 segments: 0 to 2.',
    );
  });
});

describe('the gradient of gather', () => {
  it('adds up the gradients of every use of a row', () => {
    tf.tidy(() => {
      const weights = tf.tensor2d([1, 2, 3, 4, 5, 6], [3, 2]);
      const loss = (table: tf.Tensor) =>
        tf
          .gather(table, int32([2, 0, 2]))
          .mul(weights)
          .sum();
      expect(
        tf
          .grad(loss)(tf.zeros([4, 2]))
          .arraySync(),
      ).toEqual([
        [3, 4],
        [0, 0],
        [6, 8],
        [0, 0],
      ]);
    });
  });
  it('upstream has no kernel for it on wasm', () => {
    expectUpstreamFault('patches/unsorted-segment-sum.ts', () => {
      tf.tidy(() => tf.unsortedSegmentSum(tf.ones([2, 2]), int32([0, 1]), 2));
      return true;
    });
  });
});

describe('what slice copies on wasm', () => {
  const source = () => tf.zeros([100, 100]);
  /** How often `work` reads a whole tensor out of the heap. */
  function readsOf(work: () => void): number {
    const backend = tf.backend() as unknown as { readSync(...args: unknown[]): unknown };
    const { readSync } = backend;
    let reads = 0;
    backend.readSync = (...args) => {
      reads++;
      return readSync.apply(backend, args);
    };
    try {
      work();
    } finally {
      backend.readSync = readSync;
    }
    return reads;
  }
  const sliceOneRow = () => tf.tidy(() => void source().slice([50, 0], [1, 100]));

  it('ours does not read the source', () => expect(readsOf(sliceOneRow)).toBe(0));
  it('upstream reads the whole source first', () => {
    expectUpstreamFault('wasm/slice.ts', () => readsOf(sliceOneRow) === 0);
  });
});
