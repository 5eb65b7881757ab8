/**
 * The wasm engine from the inside: one heap of bytes, and tensors as places in it.
 *
 * TensorFlow.js keeps this private; the kernels that we replace need four things of it: where a tensor lies, room for a new
 * one, the compiled function for a product, and a way to name a part of a tensor without copying it.
 */
import type { DataId, DataType, KernelBackend, TensorInfo } from '@tensorflow/tfjs';

export interface WasmModule {
  HEAPF32: Float32Array;
  HEAP32: Int32Array;
  HEAPU8: Uint8Array;
  _malloc(bytes: number): number;
  _free(offset: number): void;
  cwrap(name: string, returns: null, takes: string[]): (...values: unknown[]) => void;
  tfjs: { registerTensor(id: number, size: number, offset: number): void; disposeData(id: number): void };
}
interface Place {
  id: number;
  memoryOffset: number;
}
export interface WasmBackend extends Omit<KernelBackend, 'move'> {
  wasm: WasmModule;
  dataIdNextNumber: number;
  dataIdMap: { get(dataId: DataId): Place };
  makeOutput(shape: number[], dtype: DataType): TensorInfo;
  move(dataId: DataId, values: ArrayBufferView | null, shape: number[], dtype: DataType, refCount: number): void;
}

/** Index of a tensor's first number in HEAPF32 (or HEAP32). Read it anew after any allocation: the heap may have moved. */
export const firstNumber = (backend: WasmBackend, { dataId }: TensorInfo): number => backend.dataIdMap.get(dataId).memoryOffset >>> 2;

/** `count` numbers from `first` on, under an id that the compiled kernels understand. No copy; give it back with `forget`. */
export function nameSlab(backend: WasmBackend, first: number, count: number): number {
  const id = backend.dataIdNextNumber++;
  backend.wasm.tfjs.registerTensor(id, count, first * 4);
  return id;
}
export const forget = (backend: WasmBackend, id: number): void => backend.wasm.tfjs.disposeData(id);

export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
