/**
 * Matrix products on wasm, made fast and right.
 *
 * Upstream uses its fast multiplier (XNNPACK) only for a single pair of matrices without transpose
 * flags; any batch or flag falls back to a naive loop ten to seventy times slower, and every
 * gradient of a product has a flag. And when both operands have batches that must be broadcast
 * against each other, [2,4,…]·[2,1,…], it silently pairs the wrong matrices. Here each pair of
 * matrices, as broadcasting defines it, goes to the fast multiplier on its own, transposed first
 * where necessary.
 */
import type * as tf from '@tensorflow/tfjs';
import { broadcastPairs } from '../patches/broadcast-pairs';
import type { Kernel } from '../patches/replace-kernel';
import { type KernelCall, offsetOf, sizeOf, type WasmBackend, type WasmModule } from './backend';
import { checkRoom } from './heap-limit';
import { type Route, shortestRoute } from './mat-mul-route';
import { type MatrixVector, matrixVector } from './matrix-vector';
import { OperandViews, ResultViews } from './matrix-views';

type Operands = { a: tf.TensorInfo; b: tf.TensorInfo };
type Flags = { transposeA: boolean; transposeB: boolean };
/** For each matrix of the result, the index of its factor in a and in b. */
type Pairs = readonly (readonly [number, number])[];

export const fastBatchMatMul = (upstream: Kernel): Kernel => {
  // A right-hand matrix that comes a second time is probably a weight: from then on upstream's
  // kernel may pack it, and keep it packed.
  const metBefore = new WeakSet<object>();
  return (call) => {
    const { backend, inputs, attrs } = call as unknown as KernelCall<Operands, Flags>;
    const { a, b } = inputs;
    const { transposeA, transposeB } = attrs;
    const [aRows, aColumns] = a.shape.slice(-2) as [number, number];
    const [bRows, bColumns] = b.shape.slice(-2) as [number, number];
    const [rowsEach, K] = transposeA ? [aColumns, aRows] : [aRows, aColumns];
    const [bK, N] = transposeB ? [bColumns, bRows] : [bRows, bColumns];
    if (K !== bK)
      throw new RangeError(
        `matMul: a [${a.shape}]${transposeA ? ' transposed' : ''} has ${K} columns, ` +
          `but b [${b.shape}]${transposeB ? ' transposed' : ''} has ${bK} rows; ` +
          'they are summed over together and must be equal.',
      );

    const broadcast = broadcastPairs('matMul', a.shape.slice(0, -2), b.shape.slice(0, -2));
    const { shape: batch, count, aCount, bCount, pairs } = broadcast;
    const bothFloat = a.dtype === 'float32' && b.dtype === 'float32';
    const isEmpty = sizeOf([...batch, rowsEach, K, N]) === 0;
    if (!bothFloat || isEmpty) return upstream(call);

    const outShape = [...batch, rowsEach, N];
    const matrixSide = sideOfMatrix({ M: rowsEach, N, transposeA, transposeB });
    const multiplyVector = matrixSide && matrixVector(backend.wasm);
    if (multiplyVector)
      return multiplyVectors(call, multiplyVector, matrixSide, K, outShape, pairs());
    if (K === 1) return outerProducts(call, rowsEach, N, outShape, pairs());

    // With a single right-hand matrix the batch is only more rows, and all is one product.
    const folded = bCount === 1 && !transposeA;
    const M = folded ? rowsEach * aCount : rowsEach;
    let route: Route = shortestRoute({ M, K, N, transposeA, transposeB });
    if (folded && !transposeB) {
      const known = metBefore.has(b.dataId);
      metBefore.add(b.dataId);
      if (known || route === 'rows') return multiplyOnce(call, M, K, N, outShape, upstream);
    }
    // Upstream's loop pairs batches rightly when they are equal or one of them is a single matrix.
    const upstreamIsRight = aCount === bCount ? aCount === count : aCount === 1 || bCount === 1;
    if (route === 'plain' && upstreamIsRight) return upstream(call);
    if (route === 'plain') route = 'rows';

    const out = backend.makeOutput(outShape, 'float32');
    const product = { a, b, out, M, K, N, transposeA, transposeB };
    try {
      multiplyEach(backend, product, folded ? [[0, 0]] : pairs(), route === 'columns');
    } catch (error) {
      backend.disposeData(out.dataId);
      throw error;
    }
    return out;
  };
};

/** If one side is a single vector: the other side, a matrix whose rows lie along the sum. */
function sideOfMatrix({
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
  matrixSide: 'a' | 'b',
  K: number,
  outShape: number[],
  pairs: Pairs,
): tf.TensorInfo {
  const { backend, inputs } = call as unknown as KernelCall<Operands>;
  const out = backend.makeOutput(outShape, 'float32');
  const a = offsetOf(backend, inputs.a);
  const b = offsetOf(backend, inputs.b);
  const y = offsetOf(backend, out);
  const rows = sizeOf(outShape) / pairs.length;
  for (let entry = 0; entry < pairs.length; entry++) {
    const [i, j] = pairs[entry];
    const result = y + 4 * entry * rows;
    if (matrixSide === 'a') multiply(a + 4 * i * rows * K, b + 4 * j * K, result, rows, K);
    else multiply(b + 4 * j * rows * K, a + 4 * i * K, result, rows, K);
  }
  return out;
}

/**
 * K = 1: nothing is summed, every number of a is multiplied by every number of b. Upstream's loop
 * takes five times as long, because it computes each address from the strides.
 */
function outerProducts(
  call: Parameters<Kernel>[0],
  M: number,
  N: number,
  outShape: number[],
  pairs: Pairs,
): tf.TensorInfo {
  const { backend, inputs } = call as unknown as KernelCall<Operands>;
  const out = backend.makeOutput(outShape, 'float32'); // first: it may move the heap
  const [a, b, y] = [inputs.a, inputs.b, out].map(
    (tensor) =>
      new Float32Array(backend.wasm.HEAPU8.buffer, offsetOf(backend, tensor), sizeOf(tensor.shape)),
  );
  for (let entry = 0; entry < pairs.length; entry++) {
    const [i, j] = pairs[entry];
    for (let m = 0; m < M; m++) {
      const left = a[i * M + m];
      const row = (entry * M + m) * N;
      for (let n = 0; n < N; n++) y[row + n] = left * b[j * N + n];
    }
  }
  return out;
}

/**
 * One product without flags or batch: the one case in which upstream's kernel is fast, and may keep
 * its packed copy of the right-hand side for the next time.
 */
function multiplyOnce(
  call: Parameters<Kernel>[0],
  M: number,
  K: number,
  N: number,
  outShape: number[],
  upstream: Kernel,
): tf.TensorInfo {
  const { backend, inputs } = call as unknown as KernelCall<Operands>;
  checkRoom(backend, 4 * M * N, 4 * K * N);
  const flat = { a: { ...inputs.a, shape: [M, K] }, b: { ...inputs.b, shape: [K, N] } };
  const flatCall = { ...call, inputs: flat } as unknown as Parameters<Kernel>[0];
  const out = upstream(flatCall) as tf.TensorInfo;
  return { dataId: out.dataId, dtype: out.dtype, shape: outShape };
}

interface Product extends Operands, Flags {
  out: tf.TensorInfo;
  M: number;
  K: number;
  N: number;
}

/** `byColumns` computes Cᵀ = Bᵀ·Aᵀ: the operands change sides, and each must be transposed. */
function multiplyEach(
  backend: WasmBackend,
  { a, b, out, M, K, N, transposeA, transposeB }: Product,
  pairs: Pairs,
  byColumns: boolean,
): void {
  const held: { dispose(): void }[] = [];
  const hold = <T extends { dispose(): void }>(views: T): T => {
    held.push(views);
    return views;
  };
  try {
    const [aRows, aColumns] = transposeA ? [K, M] : [M, K];
    const [bRows, bColumns] = transposeB ? [N, K] : [K, N];
    const flipA = transposeA !== byColumns;
    const flipB = transposeB !== byColumns;
    const viewsA = hold(new OperandViews(backend, offsetOf(backend, a), aRows, aColumns, flipA));
    const viewsB = hold(new OperandViews(backend, offsetOf(backend, b), bRows, bColumns, flipB));
    const results = hold(new ResultViews(backend, offsetOf(backend, out), M, N, byColumns));

    const [rows, columns] = byColumns ? [N, M] : [M, N];
    checkRoom(backend, 4 * K * columns); // the multiplier's packed copy, which it does not check
    for (let entry = 0; entry < pairs.length; entry++) {
      const [i, j] = pairs[entry];
      const left = byColumns ? viewsB.at(j) : viewsA.at(i);
      const right = byColumns ? viewsA.at(i) : viewsB.at(j);
      multiply(backend.wasm, left, right, results.at(entry), rows, K, columns);
      results.flush(entry);
    }
  } finally {
    for (const views of held) views.dispose();
  }
}

const shapeScratch = new WeakMap<WasmModule, number>();

/**
 * The compiled code reads the shapes [1, rows, K] and [1, K, columns] from the heap: six words,
 * written anew each time.
 */
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
