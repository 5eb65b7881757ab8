/**
 * How many tensors are held, and how many bytes, now and at the peak of a piece of work.
 *
 * Bytes are those of live buffers. A reshape or a clone is a second tensor over the same buffer: it
 * counts as a tensor, but its bytes count once (`tf.memory().numBytes` of TensorFlow.js counts them
 * for every view). What an engine needs inside one operation, such as a packed copy of a matrix,
 * is not counted.
 */
import * as tf from '@tensorflow/tfjs';

export interface Ledger {
  tensors: number;
  bytes: number;
}

/** The methods that TensorFlow.js calls for every tensor it makes or disposes (private types). */
interface Registry {
  readonly state: { numBytes: number; numDataBuffers: number; numTensors: number };
  nextTensorId(): number;
  trackTensor(tensor: tf.Tensor, backend: unknown): void;
  disposeTensor(tensor: tf.Tensor): void;
}
const registry = tf.engine() as unknown as Registry;
const { trackTensor, disposeTensor } = registry;
const watchers = new Set<(tensor: tf.Tensor) => void>();
/** Views that exist at import are counted as buffers; there are hardly any. */
let bytes = registry.state.numBytes;

/** Runs `step` and counts `size` bytes for each buffer that it made (+) or disposed (−). */
function book(step: () => void, size: number): void {
  const buffers = registry.state.numDataBuffers;
  step();
  bytes += size * (registry.state.numDataBuffers - buffers);
}
const bytesOf = (tensor: tf.Tensor) =>
  tensor.dtype === 'string' ? 0 : tensor.size * tf.util.bytesPerElement(tensor.dtype);
registry.trackTensor = (tensor, backend) => {
  book(() => trackTensor.call(registry, tensor, backend), bytesOf(tensor));
  for (const watch of watchers) watch(tensor);
};
registry.disposeTensor = (tensor) =>
  book(() => disposeTensor.call(registry, tensor), bytesOf(tensor));

/**
 * Calls `watch` for every tensor made from now on, until the function that it returns is called.
 */
export function watchTensors(watch: (tensor: tf.Tensor) => void): () => void {
  const firstId = registry.nextTensorId();
  // An assignment registers a variable again, which is no new tensor.
  const watchNew = (tensor: tf.Tensor) => tensor.id > firstId && watch(tensor);
  watchers.add(watchNew);
  return () => watchers.delete(watchNew);
}

/** What is alive now. */
export const ledger = (): Ledger => ({ tensors: registry.state.numTensors, bytes });

/** Tensors that `work` leaves behind beyond what it returns. */
export function leakedBy(work: () => tf.TensorContainer): number {
  const before = tf.memory().numTensors;
  const result = work();
  if (result) tf.dispose(result);
  return tf.memory().numTensors - before;
}

/** The peak of a piece of work. */
export interface Peak<T> {
  /** What the work returned; the caller owns it. */
  result: T;
  /** Held when the work began. */
  before: Ledger;
  /** The most held at any moment of the work, what was there before included. */
  peak: Ledger;
  /** `peak` less `before`: what the work itself needed. */
  needed: Ledger;
}

/** Runs `work` and watches every tensor that it makes. Calls may be nested; no async `work`. */
export function peakOf<T>(work: () => T): Peak<T> {
  const before = ledger();
  const peak = { ...before };
  const watch = () => {
    peak.tensors = Math.max(peak.tensors, registry.state.numTensors);
    peak.bytes = Math.max(peak.bytes, bytes);
  };
  watchers.add(watch);
  try {
    const result = work();
    return {
      result,
      before,
      peak,
      needed: { tensors: peak.tensors - before.tensors, bytes: peak.bytes - before.bytes },
    };
  } finally {
    watchers.delete(watch);
  }
}
