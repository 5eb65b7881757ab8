/**
 * Joining and repeating on wasm: concat, stack, tile.
 *
 * All three copy runs of neighbours. Upstream makes a call per run: cheap for long runs, slow for
 * short ones. Rotary embeddings stack pairs (runs of one number), grouped heads tile rows; plain
 * loops are 10 to 60 times faster there.
 */
import * as tf from '@tensorflow/tfjs';
import type { Kernel } from '../patches/replace-kernel';
import {
  copyRun,
  hasWords,
  type KernelCall,
  sharing,
  sizeOf,
  type WasmBackend,
  wordsOf,
} from './backend';

/** Puts `parts` side by side along an axis: a run of the first, a run of the second, … */
function join(
  backend: WasmBackend,
  parts: tf.TensorInfo[],
  axis: number,
  outShape: number[],
): tf.TensorInfo {
  const out = backend.makeOutput(outShape, parts[0].dtype);
  const to = wordsOf(backend, out);
  const outer = sizeOf(outShape.slice(0, axis));
  const stride = outer ? to.length / outer : 0;
  let start = 0;
  for (const part of parts) {
    const from = wordsOf(backend, part);
    const run = outer ? from.length / outer : 0;
    if (run === 1) {
      for (let o = 0; o < outer; o++) to[o * stride + start] = from[o];
    } else if (run > 1) {
      for (let o = 0; o < outer; o++) copyRun(to, o * stride + start, from, o * run, run);
    }
    start += run;
  }
  return out;
}

/** Each run from `axis` on, `reps` times in a row. */
function repeat(
  backend: WasmBackend,
  x: tf.TensorInfo,
  axis: number,
  reps: number,
  outShape: number[],
): tf.TensorInfo {
  const out = backend.makeOutput(outShape, x.dtype);
  const from = wordsOf(backend, x);
  const to = wordsOf(backend, out);
  const run = sizeOf(x.shape.slice(axis));
  if (run === 1) {
    for (let o = 0; o < from.length; o++) to.fill(from[o], o * reps, (o + 1) * reps);
    return out;
  }
  let at = 0;
  for (let start = 0; start < from.length; start += run) {
    for (let r = 0; r < reps; r++) {
      copyRun(to, at, from, start, run);
      at += run;
    }
  }
  return out;
}

type Parts = Record<string, tf.TensorInfo>;

export const fastConcat =
  (upstream: Kernel): Kernel =>
  (call) => {
    const { backend, inputs, attrs } = call as unknown as KernelCall<Parts, { axis: number }>;
    const parts = Object.values(inputs);
    const axis = tf.util.parseAxisParam(attrs.axis, parts[0].shape)[0];
    const filled = parts.filter(({ shape }) => sizeOf(shape) > 0);
    if (filled.length < 2 || !parts.every(hasWords)) return upstream(call);
    const shapes = parts.map(({ shape }) => shape);
    tf.backend_util.assertParamsConsistent(shapes, axis);
    return join(backend, filled, axis, tf.backend_util.computeOutShape(shapes, axis));
  };

export const fastStack =
  (upstream: Kernel): Kernel =>
  (call) => {
    const { backend, inputs, attrs } = call as unknown as KernelCall<Parts, { axis: number }>;
    const parts = Object.values(inputs);
    const { shape } = parts[0];
    const alike = (part: tf.TensorInfo) => hasWords(part) && part.shape.join() === shape.join();
    if (!parts.every(alike)) return upstream(call);
    // stack is concat along a new axis; the runs of the parts are the same as those of concat.
    const { axis } = attrs;
    const outShape = [...shape.slice(0, axis), parts.length, ...shape.slice(axis)];
    return join(backend, parts, axis, outShape);
  };

type Tile = KernelCall<{ x: tf.TensorInfo }, { reps: number[] }>;

export const fastTile =
  (upstream: Kernel): Kernel =>
  (call) => {
    const { backend, inputs, attrs } = call as unknown as Tile;
    const { x } = inputs;
    const { reps } = attrs;
    if (!hasWords(x) || reps.length !== x.shape.length) return upstream(call);
    // One axis at a time, the last first: tiling along an axis repeats each run of it.
    let tiled = sharing(backend, x, x.shape);
    for (let axis = x.shape.length - 1; axis >= 0; axis--) {
      if (reps[axis] === 1) continue;
      const shape = [...tiled.shape];
      shape[axis] *= reps[axis];
      const next = repeat(backend, tiled, axis, reps[axis], shape);
      backend.disposeData(tiled.dataId);
      tiled = next;
    }
    return tiled;
  };
