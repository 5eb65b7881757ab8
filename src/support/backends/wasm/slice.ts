/**
 * slice and split on wasm: copying what was asked for, and nothing else.
 *
 * Upstream first copies the whole source out of the heap, so a loop that cuts N/c chunks from a
 * long tensor moves N²/c numbers; its `split` uses the same function. A slice consists of runs of
 * neighbours: one run covers the last axis that is cut and all axes behind it.
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
  const from = wordsOf(backend, x);
  const to = wordsOf(backend, out);

  let axis = size.length - 1;
  while (axis > 0 && size[axis] === x.shape[axis]) axis--; // whole axes belong to the run
  const run = sizeOf(size.slice(axis));
  const strides = x.shape.map((_, i) => sizeOf(x.shape.slice(i + 1)));
  let source = 0;
  for (let i = 0; i < begin.length; i++) source += begin[i] * strides[i];

  const index = new Array<number>(Math.max(axis, 0)).fill(0);
  for (let at = 0; at < to.length; at += run) {
    copyRun(to, at, from, source, run);
    // On to the next run: count the last index up; at its end reset it and carry to the left.
    for (let i = axis - 1; i >= 0; i--) {
      source += strides[i];
      if (++index[i] < size[i]) break;
      source -= strides[i] * size[i];
      index[i] = 0;
    }
  }
  return out;
}

type Slice = KernelCall<{ x: tf.TensorInfo }, { begin: number[]; size: number[] }>;

export const fastSlice =
  (upstream: Kernel): Kernel =>
  (call) => {
    const { backend, inputs, attrs } = call as unknown as Slice;
    const { x } = inputs;
    if (!hasWords(x) || x.shape.length === 0) return upstream(call);
    const { parseSliceParams } = tf.slice_util;
    const [begin, size] = parseSliceParams(x as tf.Tensor, attrs.begin, attrs.size);
    return cut(backend, x, begin, size);
  };

type Split = KernelCall<{ x: tf.TensorInfo }, { numOrSizeSplits: number | number[]; axis: number }>;

export const fastSplit =
  (upstream: Kernel): Kernel =>
  (call) => {
    const { backend, inputs, attrs } = call as unknown as Split;
    const { x } = inputs;
    if (!hasWords(x)) return upstream(call);
    const axis = tf.util.parseAxisParam(attrs.axis, x.shape)[0];
    const lengths = tf.backend_util.prepareSplitSize(x as tf.Tensor, attrs.numOrSizeSplits, axis);
    const parts: tf.TensorInfo[] = [];
    const begin = x.shape.map(() => 0);
    for (const length of lengths) {
      const size = [...x.shape];
      size[axis] = length;
      parts.push(cut(backend, x, begin, size));
      begin[axis] += length;
    }
    return parts;
  };
