/**
 * Where wasm's memory ends, said in words.
 *
 * A wasm heap has 4 GiB of addresses, whatever the machine has. Stock TensorFlow.js does not look when an allocation fails:
 * the tensor gets address 0, writes over whatever lies there, or the process aborts. Here the allocation is refused
 * with an error, before anything is written; what is held stays intact and usable.
 */
import type { DataId, DataType } from '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs';
import { sizeOf, type WasmBackend } from './wasm-heap';

const MiB = 2 ** 20;
const guarded = new WeakSet<object>();

export class OutOfWasmMemory extends RangeError {
  override name = 'OutOfWasmMemory';
  constructor(bytes: number, what: string) {
    super(
      `The wasm engine has no room for ${what}: ${Math.ceil(bytes / MiB)} MiB more, while tensors hold ${Math.ceil(tf.memory().numBytes / MiB)} MiB of the ` +
        `4096 MiB that a wasm heap can have. Take shorter pieces (pieceSize), a smaller batch or model, or another engine (CACHE_ONCE_ENGINE=native or cpu).`,
    );
  }
}

/** @throws OutOfWasmMemory unless `bytes` can be had in one piece. */
export function requireRoom(backend: WasmBackend, bytes: number, what: string): void {
  if (bytes < MiB) return;
  const offset = backend.wasm._malloc(bytes) >>> 0;
  if (offset === 0) throw new OutOfWasmMemory(bytes, what);
  backend.wasm._free(offset);
}

/** Makes every new tensor of this backend ask first. */
export function guardMemory(backend: WasmBackend): void {
  if (guarded.has(backend)) return;
  guarded.add(backend);
  const stock = backend.move.bind(backend);
  backend.move = (dataId: DataId, values: ArrayBufferView | null, shape: number[], dtype: DataType, refCount: number): void => {
    if (dtype !== 'string') requireRoom(backend, sizeOf(shape) * (dtype === 'bool' ? 1 : 4), `a tensor [${shape}]`);
    stock(dataId, values, shape, dtype, refCount);
  };
}
