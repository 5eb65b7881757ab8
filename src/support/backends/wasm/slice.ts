/**
 * Slicing on wasm: copying what was asked for, and nothing else.
 *
 * The stock kernel first copies the whole source out of the heap, so a loop that cuts N/c chunks from a long tensor moves
 * N²/c numbers; `split` cuts with it too. A slice is runs of neighbours: everything behind the last axis that is cut.
 */
import * as tf from '@tensorflow/tfjs';
import type { Kernel } from '../patches/replace-kernel';
import { copyRun, hasWords, type KernelCall, sizeOf, type WasmBackend, wordsOf } from './backend';

function cut(
  backend: WasmBackend,
  x: tf.TensorInfo,
  begin: number[],
  size: number[],
): tf.TensorInfo {
  const out = backend.makeOutput(size, x.dtype);
  if (sizeOf(size) === 0) return out;
  const [from, to] = [wordsOf(backend, x), wordsOf(backend, out)];
  let axis = size.length - 1;
  while (axis > 0 && size[axis] === x.shape[axis]) axis--; // axes taken whole join the run
  const run = sizeOf(size.slice(axis));
  const strides = x.shape.map((_, i) => sizeOf(x.shape.slice(i + 1)));
  const start = begin.reduce((sum, b, i) => sum + b * strides[i], 0);
  const index = new Array<number>(Math.max(axis, 0)).fill(0);
  let source = start;
  for (let at = 0; at < to.length; at += run) {
    copyRun(to, at, from, source, run);
    // The next run, as an odometer counts: the last wheel first, carrying to the left.
    for (let i = axis - 1; i >= 0; i--) {
      source += strides[i];
      if (++index[i] < size[i]) break;
      source -= strides[i] * size[i];
      index[i] = 0;
    }
  }
  return out;
}

export const leanSlice =
  (stock: Kernel): Kernel =>
  (call) => {
    const { backend, inputs, attrs } = call as unknown as KernelCall<
      { x: tf.TensorInfo },
      { begin: number[]; size: number[] }
    >;
    if (!hasWords(inputs.x) || inputs.x.shape.length === 0) return stock(call);
    const [begin, size] = tf.slice_util.parseSliceParams(
      inputs.x as tf.Tensor,
      attrs.begin,
      attrs.size,
    ) as [number[], number[]];
    return cut(backend, inputs.x, begin, size);
  };

export const leanSplit =
  (stock: Kernel): Kernel =>
  (call) => {
    const { backend, inputs, attrs } = call as unknown as KernelCall<
      { x: tf.TensorInfo },
      { numOrSizeSplits: number | number[]; axis: number }
    >;
    const { x } = inputs;
    if (!hasWords(x)) return stock(call);
    const axis = tf.util.parseAxisParam(attrs.axis, x.shape)[0];
    const sizes = tf.backend_util.prepareSplitSize(x as tf.Tensor, attrs.numOrSizeSplits, axis);
    let start = 0;
    return sizes.map((length) => {
      const begin = x.shape.map((_, i) => (i === axis ? start : 0));
      start += length;
      return cut(
        backend,
        x,
        begin,
        x.shape.map((n, i) => (i === axis ? length : n)),
      );
    });
  };
