/**
 * The ledger of tensors: how many are held, and how many bytes, now and at the worst moment.
 *
 * "Bytes" are those that TensorFlow.js counts: the numbers of live tensors, views of one buffer counted once. What an engine
 * needs for a moment inside one operation (a packed copy of a matrix) is not in it.
 */
import * as tf from '@tensorflow/tfjs';

export interface Ledger {
  tensors: number;
  bytes: number;
}

/** What is alive now. */
export const ledger = (): Ledger => ({ tensors: tf.memory().numTensors, bytes: tf.memory().numBytes });

/** Tensors that `work` leaves behind beyond what it returns; 0 for a function that cleans up. */
export function leakedBy(work: () => tf.TensorContainer | void): number {
  const before = tf.memory().numTensors;
  const result = work();
  if (result) tf.dispose(result);
  return tf.memory().numTensors - before;
}

/** The worst moment of a piece of work. */
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

/** The part of TensorFlow.js that hears of every tensor. Its type is private; its name has been stable since 1.0. */
interface Tracker {
  trackTensor(tensor: tf.Tensor, backend: unknown): void;
}

/** Runs `work` and watches every tensor that comes to life in it. Calls may be nested; `work` must not be async. */
export function peakOf<T>(work: () => T): Peak<T> {
  const tracker = tf.engine() as unknown as Tracker;
  const inherited = Object.hasOwn(tracker, 'trackTensor') ? tracker.trackTensor : undefined;
  const track = tracker.trackTensor;
  const before = ledger();
  const peak = { ...before };
  tracker.trackTensor = (tensor, backend) => {
    track.call(tracker, tensor, backend);
    const now = ledger();
    peak.tensors = Math.max(peak.tensors, now.tensors);
    peak.bytes = Math.max(peak.bytes, now.bytes);
  };
  try {
    const result = work();
    return { result, before, peak, needed: { tensors: peak.tensors - before.tensors, bytes: peak.bytes - before.bytes } };
  } finally {
    // Back to the watcher around this one, or to the engine's own method.
    if (inherited) tracker.trackTensor = inherited;
    else delete (tracker as Partial<Tracker>).trackTensor;
  }
}

/** Passes on what `work` returns. @throws Error if it leaves tensors behind that are not in its result. */
export function guardLeaks<T extends tf.TensorContainer | void>(where: string, work: () => T): T {
  const before = tf.memory().numTensors;
  const result = work();
  const returned = result ? tensorsIn(result) : 0;
  const leaked = tf.memory().numTensors - before - returned;
  if (leaked > 0)
    throw new Error(`${where}: ${leaked} tensor${leaked > 1 ? 's' : ''} left behind beyond the ${returned} returned; use tf.tidy or dispose().`);
  return result;
}

function tensorsIn(container: tf.TensorContainer): number {
  if (container instanceof tf.Tensor) return 1;
  if (container === null || typeof container !== 'object') return 0;
  return Object.values(container).reduce<number>((sum, part) => sum + tensorsIn(part as tf.TensorContainer), 0);
}
