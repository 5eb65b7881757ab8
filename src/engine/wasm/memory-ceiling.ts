/**
 * Where the wasm engine's memory ends.
 *
 * Its offsets are 32-bit numbers, so the heap can never pass 4 GB, whatever the machine has. Stock TensorFlow.js does not
 * look: when nothing is left, the allocator answers 0 and the tensor is written over whatever lives there, and a request
 * above 4 GB is cut to its lowest 32 bits. The process then aborts, or goes on with wrong numbers. Here every request is
 * looked at first, and refused with an Error while nothing is lost: catch it, free something, carry on.
 */
import * as tf from '@tensorflow/tfjs';
import type { WasmBackend, WasmModule } from './backend';

const addressable = 2 ** 32 - 2 ** 16;
let limit = addressable;
const guarded = new WeakSet<WasmModule>();
const megabytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(bytes < 2 ** 20 ? 3 : 0)} MB`;

/** What the engine says when it cannot hold what was asked. */
export class OutOfEngineMemory extends Error {
  constructor(
    readonly askedBytes: number,
    readonly heldBytes: number,
    readonly allowedBytes: number,
  ) {
    super(
      `The wasm engine cannot hold ${megabytes(askedBytes)} more: its tensors hold ${megabytes(heldBytes)} of at most ` +
        `${megabytes(allowedBytes)} (freed stretches too short for the request and copies inside matrix products count too). ` +
        'Work in smaller pieces (a shorter sequence, a smaller batch or chunk), free tensors with tf.tidy or dispose(), ' +
        'or take an engine without this ceiling: CACHE_ONCE_ENGINE=native, or cpu.',
    );
    this.name = 'OutOfEngineMemory';
  }
}

/**
 * Lowers the ceiling, to leave memory to other programs; without argument, the 4 GB that offsets can reach.
 * Returns the ceiling that held before. @throws RangeError unless it is between 1 byte and 4 GB.
 */
export function limitEngineMemory(bytes: number = addressable): number {
  if (!(bytes >= 1 && bytes <= addressable))
    throw new RangeError(`limitEngineMemory: ${bytes} bytes; give 1 to ${addressable}, which is all that 32-bit offsets reach.`);
  const before = limit;
  limit = bytes;
  return before;
}

/** Left free for the compiled code, which takes small stretches for itself and does not look whether it gets them. */
const margin = 2 ** 20;

/** Every allocation from JavaScript goes through this check; those of the compiled code itself are foreseen by `checkRoom`. */
export function guardMemory({ wasm }: WasmBackend): void {
  if (guarded.has(wasm)) return;
  guarded.add(wasm);
  wasm._free(wasm._malloc(1)); // at its first call, the compiled module puts another function in this place
  const malloc = wasm._malloc;
  wasm._malloc = (bytes) => {
    if (!(bytes >= 0)) throw new RangeError(`The wasm engine was asked for ${bytes} bytes: a shape with an axis that is not a number.`);
    const refuse = () => new OutOfEngineMemory(bytes, tf.memory().numBytes, limit);
    // Above 4 GB the allocator would see only the lowest 32 bits of the number, and grant a small stretch.
    if (bytes > addressable || (limit < addressable && tf.memory().numBytes + bytes > limit)) throw refuse();
    const offset = malloc(bytes) >>> 0;
    if (offset === 0 && bytes > 0) throw refuse();
    if (bytes >= margin || wasm.HEAPU8.length > addressable - 64 * margin) {
      const spare = malloc(margin) >>> 0;
      wasm._free(spare);
      if (spare === 0) {
        wasm._free(offset);
        throw refuse();
      }
    }
    return offset;
  };
}

/** Asks whether stretches of these sizes could be had together, for code that would not ask. @throws OutOfEngineMemory */
export function checkRoom({ wasm }: WasmBackend, ...sizes: number[]): void {
  const taken: number[] = [];
  try {
    for (const bytes of sizes) taken.push(wasm._malloc(bytes));
  } finally {
    for (const offset of taken) wasm._free(offset);
  }
}
