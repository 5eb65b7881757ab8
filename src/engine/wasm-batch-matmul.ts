/**
 * A fast `BatchMatMul` for wasm.
 *
 * The stock kernel has one fast road: two plain matrices, no transpose (XNNPACK, 20–40 GFLOP/s). A transpose flag or a
 * batch sends it down a scalar loop at 1–3 GFLOP/s, and gradients of a product always carry a flag. So we bring every
 * product to the fast road: transpose into a scratch matrix first, then multiply the batch entry by entry, naming each
 * entry in place instead of copying it out.
 *
 * Batches that need broadcasting ([2,1,…] with [2,4,…]) are computed right here; the stock kernel returns wrong numbers.
 */
import { broadcast_util, type KernelFunc, type TensorInfo } from '@tensorflow/tfjs';
import { swapAxes } from './swap-axes';
import { firstNumber, forget, nameSlab, sizeOf, type WasmBackend } from './wasm-heap';
import { requireRoom } from './wasm-memory-ceiling';

/** Below this many multiplications per entry, setting up the fast road costs more than it saves. Measured on wasm SIMD. */
const SMALL = 4096;

export function makeFastBatchMatMul(stock: KernelFunc, backendOf: () => WasmBackend): KernelFunc {
  const product = backendOf().wasm.cwrap('BatchMatMul', null, [
    'number', 'array', 'number', 'number', 'array', 'number', 'number', 'number', 'number',
  ]);
  const shapeBytes = (rows: number, columns: number): Uint8Array => new Uint8Array(new Int32Array([1, rows, columns]).buffer);

  return (args) => {
    const backend = args.backend as WasmBackend;
    const { a, b } = args.inputs as { a: TensorInfo; b: TensorInfo };
    const { transposeA, transposeB } = args.attrs as unknown as { transposeA: boolean; transposeB: boolean };
    if (a.dtype !== 'float32' || b.dtype !== 'float32') throw new Error(`BatchMatMul: a is ${a.dtype}, b ${b.dtype}; the wasm engine multiplies float32 only.`);
    const [ra, ca] = a.shape.slice(-2) as [number, number];
    const [rb, cb] = b.shape.slice(-2) as [number, number];
    const [M, K, N] = transposeA ? [ca, ra, transposeB ? rb : cb] : [ra, ca, transposeB ? rb : cb];
    if (K !== (transposeB ? cb : rb))
      throw new RangeError(`matMul: inner sizes differ: ${K} in [${a.shape}]${transposeA ? 'ᵀ' : ''}, ${transposeB ? cb : rb} in [${b.shape}]${transposeB ? 'ᵀ' : ''}.`);
    const batchA = a.shape.slice(0, -2);
    const batchB = b.shape.slice(0, -2);
    const batch = broadcast_util.assertAndGetBroadcastShape(batchA, batchB);
    const entries = sizeOf(batch);
    const plain = !transposeA && !transposeB;
    const sameBatch = sizeOf(batchA) === entries && sizeOf(batchB) === entries;
    // The stock kernel is right and fast for one plain product (and keeps a weight packed between calls), and right for
    // batches that agree; small ones are not worth the detour.
    if (sameBatch && ((plain && entries === 1) || M * K * N <= SMALL)) return stock(args);

    const output = backend.makeOutput([...batch, M, N], 'float32');
    if (sizeOf(output.shape) === 0) return output;
    // XNNPACK packs the right-hand matrix into memory of its own, and aborts the process if there is none.
    requireRoom(backend, 4 * (M * K + 2 * K * N), `a product of [${a.shape}] and [${b.shape}]`);
    const scratchA = transposeA ? backend.wasm._malloc(4 * M * K) >>> 0 : 0;
    const scratchB = transposeB ? backend.wasm._malloc(4 * K * N) >>> 0 : 0;
    const pickA = entryOf(batchA, batch);
    const pickB = entryOf(batchB, batch);
    const [startA, startB, startOut] = [firstNumber(backend, a), firstNumber(backend, b), firstNumber(backend, output)];
    const [shapeA, shapeB] = [shapeBytes(M, K), shapeBytes(K, N)];
    let heldB = -1;
    let idB = 0;
    for (let e = 0; e < entries; e++) {
      const heap = backend.wasm.HEAPF32;
      let firstA = startA + pickA(e) * M * K;
      if (transposeA) {
        swapAxes(heap, firstA, heap, scratchA >>> 2, [1, K, M, 1]);
        firstA = scratchA >>> 2;
      }
      if (pickB(e) !== heldB) {
        if (heldB >= 0) forget(backend, idB);
        heldB = pickB(e);
        let firstB = startB + heldB * K * N;
        if (transposeB) {
          swapAxes(heap, firstB, heap, scratchB >>> 2, [1, N, K, 1]);
          firstB = scratchB >>> 2;
        }
        idB = nameSlab(backend, firstB, K * N);
      }
      const idA = nameSlab(backend, firstA, M * K);
      const idOut = nameSlab(backend, startOut + e * M * N, M * N);
      product(idA, shapeA, 3, idB, shapeB, 3, 0, 0, idOut);
      forget(backend, idA);
      forget(backend, idOut);
    }
    forget(backend, idB);
    if (transposeA) backend.wasm._free(scratchA);
    if (transposeB) backend.wasm._free(scratchB);
    return output;
  };
}

/** Which entry of a tensor's own batch stands at entry `e` of the whole: axes of length 1 are used again and again. */
function entryOf(own: number[], whole: number[]): (e: number) => number {
  if (sizeOf(own) === sizeOf(whole)) return (e) => e;
  if (sizeOf(own) === 1) return () => 0;
  const padded = [...new Array<number>(whole.length - own.length).fill(1), ...own];
  return (e) => {
    let rest = e;
    let index = 0;
    let stride = 1;
    for (let axis = whole.length - 1; axis >= 0; axis--) {
      if (padded[axis] !== 1) index += (rest % whole[axis]!) * stride;
      rest = Math.floor(rest / whole[axis]!);
      stride *= padded[axis]!;
    }
    return index;
  };
}
