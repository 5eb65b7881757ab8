/**
 * A limit for the wasm engine's memory, and an Error instead of an abort where it is reached.
 *
 * Its offsets are 32-bit numbers, so the heap can never exceed 4 GB, whatever the machine has.
 * Upstream does not check. A request above 4 GB is cut to its lowest 32 bits and granted. Near the
 * end, the allocator adds the request to the end of the heap, the sum exceeds 2^32 and becomes
 * small, and memory is granted that does not exist. When it does answer 0, "nothing left", the
 * tensor is written to address 0. The process aborts, or goes on with wrong numbers.
 *
 * Here the heap stops growing at 3 GB, so that the sum stays below 2^32 for any request up to 1 GB,
 * and every request is checked first: one that cannot be granted is refused with an Error, and all
 * tensors remain valid. Catch it, dispose something, and go on.
 */
import { ledger } from '../../../tensor/ledger';
import type { HeapMemory, WasmBackend, WasmModule } from './backend';

/** Kept free for the compiled code, which allocates small ranges without checking the answer. */
const margin = 2 ** 20;
const heapLimit = 3 * 2 ** 30 - margin;
const page = 2 ** 16;
let tensorLimit = heapLimit;
const guarded = new WeakSet<WasmModule>();

const readable = (bytes: number) =>
  bytes < 2 ** 20 ? `${Math.ceil(bytes / 1024)} KB` : `${Math.round(bytes / 2 ** 20)} MB`;

/** Thrown when the engine cannot hold what was asked. */
export class OutOfEngineMemory extends Error {
  constructor(
    readonly askedBytes: number,
    readonly heldBytes: number,
    readonly allowedBytes: number,
  ) {
    super(
      `The wasm engine cannot hold ${readable(askedBytes)} more: its tensors hold ` +
        `${readable(heldBytes)} of at most ${readable(allowedBytes)} (free ranges too short for ` +
        'the request and copies inside matrix products count too). ' +
        'Compute less at a time (a shorter sequence, a smaller batch or chunk), free tensors ' +
        'with tf.tidy or dispose(), or take an engine without this limit: ' +
        'CACHE_ONCE_ENGINE=native or cpu.',
    );
    this.name = 'OutOfEngineMemory';
  }
}

/**
 * Lowers what tensors may hold, to leave memory to other programs; without argument, all that the
 * engine can hold (3 GB). Returns the limit that was set before.
 * @throws RangeError unless it is between 1 byte and 3 GB.
 */
export function limitEngineMemory(bytes: number = heapLimit): number {
  if (!(bytes >= 1 && bytes <= heapLimit))
    throw new RangeError(
      `limitEngineMemory: ${bytes} bytes; give 1 to ${heapLimit}, ` +
        'the most that the wasm engine can hold safely.',
    );
  const before = tensorLimit;
  tensorLimit = bytes;
  return before;
}

/**
 * Puts these checks before every allocation from JavaScript; for those of the compiled code itself,
 * call `checkRoom` beforehand.
 */
export function guardMemory({ wasm }: WasmBackend): void {
  if (guarded.has(wasm)) return;
  guarded.add(wasm);
  stopGrowthAt(heapLimit, wasm.asm.memory);
  wasm._free(wasm._malloc(1)); // the first call replaces wasm._malloc by the compiled function
  const malloc = wasm._malloc;
  wasm._malloc = (bytes) => {
    if (!(bytes >= 0))
      throw new RangeError(
        `The wasm engine was asked for ${bytes} bytes: a shape with an axis that is not a number.`,
      );
    const refusal = () => new OutOfEngineMemory(bytes, ledger().bytes, tensorLimit);
    // The allocator would compute this sum in 32 bits.
    if (wasm.HEAPU8.length + bytes + 2 * page > 2 ** 32) throw refusal();
    if (tensorLimit < heapLimit && ledger().bytes + bytes > tensorLimit) throw refusal();
    const offset = malloc(bytes) >>> 0;
    if (offset === 0 && bytes > 0) throw refusal();
    const couldFillTheHeap = bytes >= margin || wasm.HEAPU8.length > 0.9 * heapLimit;
    if (couldFillTheHeap) {
      const spare = malloc(margin) >>> 0;
      wasm._free(spare);
      if (spare === 0) {
        wasm._free(offset);
        throw refusal();
      }
    }
    return offset;
  };
}

/**
 * The compiled module grows its heap through this object. It takes an exception for "no", and its
 * allocator then answers 0.
 */
function stopGrowthAt(bytes: number, memory: HeapMemory): void {
  const grow = memory.grow.bind(memory);
  memory.grow = (pages) => {
    if (memory.buffer.byteLength + pages * page > bytes)
      throw new RangeError('The heap has reached its limit.');
    return grow(pages);
  };
}

/**
 * Checks that ranges of these sizes can be had together, for code that does not check.
 * @throws OutOfEngineMemory
 */
export function checkRoom({ wasm }: WasmBackend, ...sizes: number[]): void {
  const offsets: number[] = [];
  try {
    for (const bytes of sizes) offsets.push(wasm._malloc(bytes));
  } finally {
    for (const offset of offsets) wasm._free(offset);
  }
}
