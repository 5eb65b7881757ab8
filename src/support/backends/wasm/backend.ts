/**
 * The inside of the wasm engine, as far as its patches touch it.
 *
 * The engine has one long array of bytes, the *heap*. A tensor is a range of it: an offset, a size
 * and a number (`id`) under which the compiled code knows it. JavaScript sees the same bytes
 * through typed arrays, so a kernel can be a plain loop.
 *
 * Two cautions. When the heap grows, every typed array made before is detached: allocate first,
 * then make typed arrays. And the heap extends beyond 2 GB, where the compiled code's 32-bit
 * offsets come back negative: `>>> 0` makes them positive again.
 */
import type * as tf from '@tensorflow/tfjs';

/**
 * What we use of a WebAssembly.Memory; its own type comes with browser typings, which the notebook
 * kernel does not load.
 */
export interface HeapMemory {
  readonly buffer: ArrayBufferLike;
  grow(pages: number): number;
}
export interface WasmModule {
  HEAPU8: Uint8Array;
  HEAPU32: Uint32Array;
  HEAPF32: Float32Array;
  asm: { memory: HeapMemory };
  _malloc(bytes: number): number;
  _free(offset: number): void;
  _BatchMatMul(
    a: number,
    aShape: number,
    aRank: number,
    b: number,
    bShape: number,
    bRank: number,
    transposeA: number,
    transposeB: number,
    out: number,
  ): void;
  tfjs: {
    registerTensor(id: number, size: number, offset: number): void;
    disposeData(id: number): void;
  };
}

export interface WasmBackend {
  readonly wasm: WasmModule;
  dataIdNextNumber: number;
  readonly dataIdMap: { get(dataId: object): { id: number; memoryOffset: number } };
  makeOutput(shape: number[], dtype: tf.DataType): tf.TensorInfo;
  write(values: tf.BackendValues | null, shape: number[], dtype: tf.DataType): object;
  disposeData(dataId: object, force?: boolean): boolean;
  incRef(dataId: object): void;
}

/** What a kernel is called with. `T` names its inputs, `A` its attributes. */
export interface KernelCall<T, A = Record<never, never>> {
  backend: WasmBackend;
  inputs: T;
  attrs: A;
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Where the tensor's bytes begin on the heap. */
export const offsetOf = (backend: WasmBackend, { dataId }: tf.TensorInfo): number =>
  backend.dataIdMap.get(dataId).memoryOffset >>> 0;

/**
 * The tensor's 4-byte numbers as raw words, since float32 and int32 are moved alike. Valid until
 * something is allocated.
 */
export const wordsOf = (backend: WasmBackend, tensor: tf.TensorInfo): Uint32Array =>
  new Uint32Array(backend.wasm.HEAPU8.buffer, offsetOf(backend, tensor), sizeOf(tensor.shape));

/**
 * Kernels that move data move 4-byte words; booleans (1 byte) and strings (not on the heap) are
 * left to upstream's kernel.
 */
export const hasWords = ({ dtype }: tf.TensorInfo): boolean =>
  dtype === 'float32' || dtype === 'int32';

/** A call of `set` costs as much as a loop over about this many words (50 ns). */
const longestLoopedRun = 28;

/** Copies neighbouring words: long runs by `set`, short ones, such as a rotary pair, by a loop. */
export function copyRun(
  to: Uint32Array,
  at: number,
  from: Uint32Array,
  start: number,
  length: number,
): void {
  if (length > longestLoopedRun) to.set(from.subarray(start, start + length), at);
  else for (let i = 0; i < length; i++) to[at + i] = from[start + i];
}

/** The same data under another shape: one more reference, no copy. */
export function sharing(
  backend: WasmBackend,
  { dataId, dtype }: tf.TensorInfo,
  shape: number[],
): tf.TensorInfo {
  backend.incRef(dataId);
  return { dataId, dtype, shape };
}
