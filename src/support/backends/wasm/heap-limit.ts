/**
 * Where the wasm engine's memory ends.
 *
 * Its offsets are 32-bit numbers, so the heap can never pass 4 GB, whatever the machine has. Stock TensorFlow.js does not
 * look. A request above 4 GB is cut to its lowest 32 bits and granted. Near the end, the allocator adds the request to the
 * end of the heap, the sum passes 2^32 and comes out small, and memory is granted that does not exist. When it does answer
 * 0, "nothing left", the tensor is written to address 0. The process aborts, or goes on with wrong numbers.
 *
 * Here the heap stops growing at 3 GB, so that the sum stays below 2^32 for any request up to 1 GB, and every request is
 * looked at first: what cannot be had is refused with an Error while nothing is lost. Catch it, free something, carry on.
 */
import { ledger } from '../../../tensor/ledger';
import type { HeapMemory, WasmBackend, WasmModule } from './backend';

/** Left free for the compiled code, which takes small stretches for itself and does not look whether it gets them. */
const margin = 2 ** 20;
const ceiling = 3 * 2 ** 30 - margin;
const page = 2 ** 16;
let limit = ceiling;
const guarded = new WeakSet<WasmModule>();
const readable = (bytes: number) =>
  bytes < 2 ** 20 ? `${Math.ceil(bytes / 1024)} KB` : `${Math.round(bytes / 2 ** 20)} MB`;

/** What the engine says when it cannot hold what was asked. */
export class OutOfEngineMemory extends Error {
  constructor(
    readonly askedBytes: number,
    readonly heldBytes: number,
    readonly allowedBytes: number,
  ) {
    super(
      `The wasm engine cannot hold ${readable(askedBytes)} more: its tensors hold ${readable(heldBytes)} of at most ` +
        `${readable(allowedBytes)} (freed stretches too short for the request and copies inside matrix products count too). ` +
        'Work in smaller pieces (a shorter sequence, a smaller batch or chunk), free tensors with tf.tidy or dispose(), ' +
        'or take an engine without this ceiling: CACHE_ONCE_ENGINE=native or cpu.',
    );
    this.name = 'OutOfEngineMemory';
  }
}

/**
 * Lowers what tensors may hold, to leave memory to other programs; without argument, all that the engine can hold (3 GB).
 * Returns the limit that held before. @throws RangeError unless it is between 1 byte and 3 GB.
 */
export function limitEngineMemory(bytes: number = ceiling): number {
  if (!(bytes >= 1 && bytes <= ceiling))
    throw new RangeError(
      `limitEngineMemory: ${bytes} bytes; give 1 to ${ceiling}, the most that the wasm engine can hold safely.`,
    );
  const before = limit;
  limit = bytes;
  return before;
}

/** Every allocation from JavaScript goes through these checks; those of the compiled code itself are foreseen by `checkRoom`. */
export function guardMemory({ wasm }: WasmBackend): void {
  if (guarded.has(wasm)) return;
  guarded.add(wasm);
  stopGrowthAt(ceiling, wasm.asm.memory);
  wasm._free(wasm._malloc(1)); // at its first call, the compiled module puts another function in this place
  const malloc = wasm._malloc;
  wasm._malloc = (bytes) => {
    if (!(bytes >= 0))
      throw new RangeError(
        `The wasm engine was asked for ${bytes} bytes: a shape with an axis that is not a number.`,
      );
    const refuse = () => new OutOfEngineMemory(bytes, ledger().bytes, limit);
    if (wasm.HEAPU8.length + bytes + 2 * page > 2 ** 32) throw refuse(); // the allocator's sum would pass 2^32
    if (limit < ceiling && ledger().bytes + bytes > limit) throw refuse();
    const offset = malloc(bytes) >>> 0;
    if (offset === 0 && bytes > 0) throw refuse();
    if (bytes >= margin || wasm.HEAPU8.length > 0.9 * ceiling) {
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

/** The module grows its heap through this object and takes an exception for "no": then the allocator answers 0. */
function stopGrowthAt(bytes: number, memory: HeapMemory): void {
  const grow = memory.grow.bind(memory);
  memory.grow = (pages) => {
    if (memory.buffer.byteLength + pages * page > bytes)
      throw new RangeError('The heap has reached its ceiling.');
    return grow(pages);
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
