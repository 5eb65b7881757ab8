/**
 * `UnsortedSegmentSum` for wasm, which lacks it: adds each row of x to the row of the output that its id names.
 *
 * It is the gradient of an embedding look-up: a token that occurs five times collects five gradients. Without it a model
 * cannot be trained on wasm at all.
 */
import type { KernelFunc, TensorInfo } from '@tensorflow/tfjs';
import { firstNumber, sizeOf, type WasmBackend } from './wasm-heap';

/** x [ids…, row…], segmentIds [ids] → [numSegments, row…]; rows with an id outside are left out, as TensorFlow does. */
export const unsortedSegmentSum: KernelFunc = (args) => {
  const backend = args.backend as WasmBackend;
  const { x, segmentIds } = args.inputs as { x: TensorInfo; segmentIds: TensorInfo };
  const { numSegments } = args.attrs as unknown as { numSegments: number };
  const rows = sizeOf(segmentIds.shape);
  const width = rows === 0 ? 0 : sizeOf(x.shape) / rows;
  const output = backend.makeOutput([numSegments, ...x.shape.slice(segmentIds.shape.length)], x.dtype);
  const heap = x.dtype === 'int32' ? backend.wasm.HEAP32 : backend.wasm.HEAPF32;
  const ids = firstNumber(backend, segmentIds);
  const from = firstNumber(backend, x);
  const to = firstNumber(backend, output);
  heap.fill(0, to, to + sizeOf(output.shape));
  for (let r = 0; r < rows; r++) {
    const segment = backend.wasm.HEAP32[ids + r]!;
    if (segment < 0 || segment >= numSegments) continue;
    const read = from + r * width;
    const write = to + segment * width;
    for (let i = 0; i < width; i++) heap[write + i] += heap[read + i]!;
  }
  return output;
};
