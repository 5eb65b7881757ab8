/**
 * Matrix products on wasm, made fast and right.
 *
 * The stock kernel uses its fast multiplier (XNNPACK) only for a single pair of matrices without transpose flags; any batch or
 * flag falls back to a naive loop ten to seventy times slower, and every gradient of a product has a flag. And when both
 * operands have batches that must be broadcast against each other, [2,4,…]·[2,1,…], it pairs the wrong matrices without a
 * word. Here each pair of matrices goes to the fast multiplier on its own, flipped if need be, paired as broadcasting says.
 */
import type * as tf from '@tensorflow/tfjs';
import { broadcastPairs } from '../patches/broadcast-pairs';
import type { Kernel } from '../patches/replace-kernel';
import { type KernelCall, offsetOf, sizeOf, type WasmBackend, type WasmModule } from './backend';
import { checkRoom } from './heap-limit';
import { type Route, shortestRoute } from './mat-mul-route';
import { type MatrixVector, matrixVector } from './matrix-vector';
import { Results, Slabs } from './matrix-views';

type Operands = { a: tf.TensorInfo; b: tf.TensorInfo };
type Flags = { transposeA: boolean; transposeB: boolean };

export const fastBatchMatMul = (stock: Kernel): Kernel => {
  // A right-hand matrix met twice is probably a weight: from then on the stock kernel may pack it, and keep it packed.
  const metBefore = new WeakSet<object>();
  return (call) => {
    const { backend, inputs, attrs } = call as unknown as KernelCall<Operands, Flags>;
    const { a, b } = inputs;
    const { transposeA, transposeB } = attrs;
    const [aRows, aColumns] = a.shape.slice(-2) as [number, number];
    const [bRows, bColumns] = b.shape.slice(-2) as [number, number];
    const [eachM, K] = transposeA ? [aColumns, aRows] : [aRows, aColumns];
    const [bK, N] = transposeB ? [bColumns, bRows] : [bRows, bColumns];
    if (K !== bK)
      throw new RangeError(
        `matMul: a [${a.shape}]${transposeA ? ' transposed' : ''} has ${K} columns, but b [${b.shape}]${transposeB ? ' transposed' : ''} ` +
          `has ${bK} rows; they are summed over together and must be equal.`,
      );
    const {
      shape: batch,
      count,
      aCount,
      bCount,
      pairs,
    } = broadcastPairs('matMul', a.shape.slice(0, -2), b.shape.slice(0, -2));
    if (a.dtype !== 'float32' || b.dtype !== 'float32' || sizeOf([...batch, eachM, K, N]) === 0)
      return stock(call);

    const outShape = [...batch, eachM, N];
    const oneVector = vectorSides({ M: eachM, N, transposeA, transposeB });
    const multiplyVector = oneVector && matrixVector(backend.wasm);
    if (multiplyVector)
      return multiplyVectors(call, multiplyVector, oneVector, K, outShape, pairs());
    // One right-hand matrix for all: the batch is only more rows, and the whole is one product.
    const folded = bCount === 1 && !transposeA;
    const M = folded ? eachM * aCount : eachM;
    if (K === 1) return outerProducts(call, eachM, N, outShape, pairs());
    let route: Route = shortestRoute({ M, K, N, transposeA, transposeB });
    if (folded && !transposeB) {
      const known = metBefore.has(b.dataId);
      metBefore.add(b.dataId);
      if (known || route === 'rows') return multiplyOnce(call, M, K, N, outShape, stock);
    }
    // The stock loop pairs batches rightly when they are equal or one of them is a single matrix.
    const pairedByStock = aCount === bCount ? aCount === count : aCount === 1 || bCount === 1;
    if (route === 'plain' && pairedByStock) return stock(call);
    if (route === 'plain') route = 'rows';

    const out = backend.makeOutput(outShape, 'float32');
    try {
      multiplyEach(
        backend,
        { a, b, out, M, K, N, transposeA, transposeB },
        folded ? [[0, 0]] : pairs(),
        route === 'columns',
      );
    } catch (error) {
      backend.disposeData(out.dataId);
      throw error;
    }
    return out;
  };
};

/** Which side is the matrix with rows along the sum, if the other is a single vector. */
function vectorSides({
  M,
  N,
  transposeA,
  transposeB,
}: { M: number; N: number } & Flags): 'a' | 'b' | undefined {
  if (N === 1 && !transposeA) return 'a'; // [M,K]·[K,1]
  if (M === 1 && transposeB) return 'b'; // [1,K]·[N,K]ᵀ
  return undefined;
}
function multiplyVectors(
  call: Parameters<Kernel>[0],
  multiply: MatrixVector,
  matrix: 'a' | 'b',
  K: number,
  outShape: number[],
  pairs: readonly (readonly [number, number])[],
): tf.TensorInfo {
  const { backend, inputs } = call as unknown as KernelCall<Operands>;
  const out = backend.makeOutput(outShape, 'float32');
  const [a, b, y] = [
    offsetOf(backend, inputs.a),
    offsetOf(backend, inputs.b),
    offsetOf(backend, out),
  ];
  const rows = sizeOf(outShape) / pairs.length;
  pairs.forEach(([i, j], entry) => {
    const [big, small] =
      matrix === 'a'
        ? [a + 4 * i * rows * K, b + 4 * j * K]
        : [b + 4 * j * rows * K, a + 4 * i * K];
    multiply(big, small, y + 4 * entry * rows, rows, K);
  });
  return out;
}

/** Nothing is summed: every number of a times every number of b. The stock loop takes five times as long to find them. */
function outerProducts(
  call: Parameters<Kernel>[0],
  M: number,
  N: number,
  outShape: number[],
  pairs: readonly (readonly [number, number])[],
): tf.TensorInfo {
  const { backend, inputs } = call as unknown as KernelCall<Operands>;
  const out = backend.makeOutput(outShape, 'float32'); // first: it may move the heap
  const [a, b, y] = [inputs.a, inputs.b, out].map(
    (tensor) =>
      new Float32Array(backend.wasm.HEAPU8.buffer, offsetOf(backend, tensor), sizeOf(tensor.shape)),
  );
  pairs.forEach(([i, j], entry) => {
    for (let m = 0; m < M; m++) {
      const left = a[i * M + m];
      const row = (entry * M + m) * N;
      for (let n = 0; n < N; n++) y[row + n] = left * b[j * N + n];
    }
  });
  return out;
}

/** Two straight matrices: the one case in which the stock kernel is fast, and may keep its packed copy for the next time. */
function multiplyOnce(
  call: Parameters<Kernel>[0],
  M: number,
  K: number,
  N: number,
  outShape: number[],
  stock: Kernel,
): tf.TensorInfo {
  const { backend, inputs } = call as unknown as KernelCall<Operands>;
  checkRoom(backend, 4 * M * N, 4 * K * N);
  const flat = { a: { ...inputs.a, shape: [M, K] }, b: { ...inputs.b, shape: [K, N] } };
  const out = stock({ ...call, inputs: flat } as unknown as Parameters<Kernel>[0]) as tf.TensorInfo;
  return { dataId: out.dataId, dtype: out.dtype, shape: outShape };
}

interface Product extends Operands, Flags {
  out: tf.TensorInfo;
  M: number;
  K: number;
  N: number;
}

/** `byColumns` computes Cᵀ = Bᵀ·Aᵀ: the operands change sides, and each is wanted the other way round. */
function multiplyEach(
  backend: WasmBackend,
  { a, b, out, M, K, N, transposeA, transposeB }: Product,
  entries: readonly (readonly [number, number])[],
  byColumns: boolean,
): void {
  const owned: { dispose(): void }[] = [];
  const own = <T extends { dispose(): void }>(thing: T): T => {
    owned.push(thing);
    return thing;
  };
  try {
    const slabsA = own(
      new Slabs(
        backend,
        offsetOf(backend, a),
        transposeA ? K : M,
        transposeA ? M : K,
        transposeA !== byColumns,
      ),
    );
    const slabsB = own(
      new Slabs(
        backend,
        offsetOf(backend, b),
        transposeB ? N : K,
        transposeB ? K : N,
        transposeB !== byColumns,
      ),
    );
    const results = own(new Results(backend, offsetOf(backend, out), M, N, byColumns));
    const [rows, columns] = byColumns ? [N, M] : [M, N];
    checkRoom(backend, 4 * K * columns); // the multiplier packs its right-hand side, and does not ask
    entries.forEach(([i, j], index) => {
      const [left, right] = byColumns ? [slabsB.at(j), slabsA.at(i)] : [slabsA.at(i), slabsB.at(j)];
      multiply(backend.wasm, left, right, results.at(index), rows, K, columns);
      results.settle(index);
    });
  } finally {
    for (const thing of owned) thing.dispose();
  }
}

const shapeScratch = new WeakMap<WasmModule, number>();
/** The compiled code reads the shapes [1, rows, K] and [1, K, columns] from the heap: six words that are written anew each time. */
function multiply(
  wasm: WasmModule,
  left: number,
  right: number,
  out: number,
  rows: number,
  K: number,
  columns: number,
): void {
  let shapes = shapeScratch.get(wasm);
  if (shapes === undefined) {
    shapes = wasm._malloc(24);
    shapeScratch.set(wasm, shapes);
  }
  wasm.HEAPU32.set([1, rows, K, 1, K, columns], shapes >>> 2);
  wasm._BatchMatMul(left, shapes, 3, right, shapes + 12, 3, 0, 0, out);
}
