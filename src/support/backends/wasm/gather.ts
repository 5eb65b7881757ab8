/**
 * gather on wasm: out[i] = x[index[i]], an embedding look-up.
 *
 * Upstream computes the address of every single number; a row is one run of neighbours to copy.
 */
import * as tf from '@tensorflow/tfjs';
import type { Kernel } from '../patches/replace-kernel';
import { copyRun, hasWords, type KernelCall, sizeOf, wordsOf } from './backend';

type Gather = KernelCall<
  { x: tf.TensorInfo; indices: tf.TensorInfo },
  { axis: number; batchDims: number }
>;

export const fastGather =
  (upstream: Kernel): Kernel =>
  (call) => {
    const { backend, inputs, attrs } = call as unknown as Gather;
    const { x, indices } = inputs;
    const axis = tf.util.parseAxisParam(attrs.axis, x.shape)[0];
    const movable = hasWords(x) && indices.dtype === 'int32' && sizeOf(x.shape) > 0;
    if (attrs.batchDims || !movable) return upstream(call);

    const before = x.shape.slice(0, axis);
    const rows = x.shape[axis];
    const after = x.shape.slice(axis + 1);
    const outer = sizeOf(before);
    const width = sizeOf(after);
    checkIndices(new Int32Array(wordsOf(backend, indices).slice().buffer), rows);
    const out = backend.makeOutput([...before, ...indices.shape, ...after], x.dtype);
    const from = wordsOf(backend, x);
    const to = wordsOf(backend, out);
    const index = wordsOf(backend, indices);
    let at = 0;
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < index.length; i++) {
        copyRun(to, at, from, (o * rows + index[i]) * width, width);
        at += width;
      }
    }
    return out;
  };

function checkIndices(indices: Int32Array, rows: number): void {
  const at = indices.findIndex((i) => i < 0 || i >= rows);
  if (at >= 0)
    throw new RangeError(
      `gather: index ${indices[at]} at ${at} is outside the ${rows} rows of the table; ` +
        `give 0 to ${rows - 1}.`,
    );
}
