/**
 * Looking rows up (an embedding), and adding rows into places (its gradient).
 *
 * gather: out[i] = x[index[i]]. The stock kernel computes every number's address from scratch; a row is one run to copy.
 * unsortedSegmentSum: out[id[i]] += x[i]. wasm has no such kernel, so stock TensorFlow.js cannot train an embedding there,
 * and the cpu engine's goes over all of x once per segment; one pass over x is enough.
 */
import * as tf from '@tensorflow/tfjs';
import type { Kernel } from '../patches/replace-kernel';
import { copyRun, hasWords, type KernelCall, sizeOf, wordsOf } from './backend';

type Gather = KernelCall<
  { x: tf.TensorInfo; indices: tf.TensorInfo },
  { axis: number; batchDims: number }
>;

export const rowGather =
  (stock: Kernel): Kernel =>
  (call) => {
    const { backend, inputs, attrs } = call as unknown as Gather;
    const { x, indices } = inputs;
    const axis = tf.util.parseAxisParam(attrs.axis, x.shape)[0];
    if (attrs.batchDims || !hasWords(x) || indices.dtype !== 'int32' || sizeOf(x.shape) === 0)
      return stock(call);
    const rows = x.shape[axis];
    const outer = sizeOf(x.shape.slice(0, axis));
    const width = sizeOf(x.shape.slice(axis + 1));
    checkIndices('gather', new Int32Array(wordsOf(backend, indices).slice().buffer), rows);
    const out = backend.makeOutput(
      [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)],
      x.dtype,
    );
    const [from, to, at] = [wordsOf(backend, x), wordsOf(backend, out), wordsOf(backend, indices)];
    for (let o = 0, d = 0; o < outer; o++)
      for (let i = 0; i < at.length; i++, d += width)
        copyRun(to, d, from, (o * rows + at[i]) * width, width);
    return out;
  };

/** out[id] = Σ of the rows of x whose id it is. Rows with a negative id are dropped, as the definition of the operation says. */
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
        `unsortedSegmentSum: id ${id} at ${i}, but there are ${segments} segments: 0 to ${segments - 1}.`,
      );
    if (id >= 0)
      for (let j = 0, from = i * width, to = id * width; j < width; j++) out[to + j] += x[from + j];
  }
}

function checkIndices(where: string, indices: Int32Array, rows: number): void {
  const at = indices.findIndex((i) => i < 0 || i >= rows);
  if (at >= 0)
    throw new RangeError(
      `${where}: index ${indices[at]} at ${at} is outside the ${rows} rows of the table; give 0 to ${rows - 1}.`,
    );
}

interface HostBackend {
  readSync(dataId: object): Float32Array | Int32Array;
  write(values: Float32Array | Int32Array, shape: number[], dtype: tf.DataType): object;
}
type Segments = { x: tf.TensorInfo; segmentIds: tf.TensorInfo };

/** For any engine whose numbers lie in this process (wasm, cpu). */
export const unsortedSegmentSum = (): Kernel => (call) => {
  const backend = call.backend as HostBackend;
  const { x, segmentIds } = call.inputs as unknown as Segments;
  const { numSegments } = call.attrs as unknown as { numSegments: number };
  const shape = [numSegments, ...x.shape.slice(segmentIds.shape.length)];
  const Numbers = x.dtype === 'float32' ? Float32Array : Int32Array;
  const out = new Numbers(sizeOf(shape));
  sumSegments(backend.readSync(x.dataId), backend.readSync(segmentIds.dataId), out, numSegments);
  return { dataId: backend.write(out, shape, x.dtype), shape, dtype: x.dtype };
};
