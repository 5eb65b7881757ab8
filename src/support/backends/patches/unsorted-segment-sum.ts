/**
 * unsortedSegmentSum: out[id[i]] += x[i], the gradient of an embedding look-up, on wasm and cpu.
 *
 * Upstream has no such kernel on wasm, so an embedding cannot be trained there, and the one on cpu
 * goes over all of x once per segment; one pass over x is enough.
 */
import type * as tf from '@tensorflow/tfjs';
import type { Kernel } from './replace-kernel';

/**
 * Adds each row of x to the row of `out` that its id names. Rows with a negative id are dropped, as
 * the definition of the operation says.
 * @throws RangeError if an id is not below `segments`.
 */
export function sumSegments(
  x: ArrayLike<number>,
  ids: ArrayLike<number>,
  out: Float32Array | Int32Array,
  segments: number,
): void {
  const width = ids.length ? x.length / ids.length : 0;
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i];
    if (id >= segments)
      throw new RangeError(
        `unsortedSegmentSum: id ${id} at ${i}, but there are ${segments} segments: ` +
          `0 to ${segments - 1}.`,
      );
    if (id < 0) continue;
    const from = i * width;
    const to = id * width;
    for (let j = 0; j < width; j++) out[to + j] += x[from + j];
  }
}

/** The part of a backend that is used here. */
interface HostBackend {
  readSync(dataId: object): Float32Array | Int32Array;
  write(values: Float32Array | Int32Array, shape: number[], dtype: tf.DataType): object;
}

/** For engines whose numbers lie in this process (wasm, cpu). */
export const unsortedSegmentSum = (): Kernel => (call) => {
  const backend = call.backend as HostBackend;
  const { x, segmentIds } = call.inputs as unknown as Record<string, tf.TensorInfo>;
  const { numSegments } = call.attrs as unknown as { numSegments: number };
  const shape = [numSegments, ...x.shape.slice(segmentIds.shape.length)];
  const size = shape.reduce((a, b) => a * b, 1);
  const out = x.dtype === 'float32' ? new Float32Array(size) : new Int32Array(size);
  const ids = backend.readSync(segmentIds.dataId);
  sumSegments(backend.readSync(x.dataId), ids, out, numSegments);
  return { dataId: backend.write(out, shape, x.dtype), shape, dtype: x.dtype };
};
