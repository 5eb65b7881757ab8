/**
 * The wires between devices: numbers go to the right, from earlier positions to later ones, and every byte is counted.
 *
 * Picture a street of houses, each with a letter slot for every house on its left. To wait for a letter is to sleep beside
 * the slot: a device has nothing else to do, and code that waits in place reads like the formula (no callback, no promise).
 * A shared counter beside each slot wakes the sleeper.
 */

import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs';

/** A one-way wire. */
export interface Wire {
  port: MessagePort;
  /** One shared number: letters posted so far. */
  posted: Int32Array;
}
/** Tensors as they travel: a copy of their numbers. */
export type Parcel = Record<string, { shape: number[]; data: Float32Array }>;

/** Copies the numbers; the tensors stay the caller's. */
export const pack = (tensors: Record<string, tf.Tensor>): Parcel =>
  Object.fromEntries(
    Object.entries(tensors).map(([name, t]) => [
      name,
      { shape: [...t.shape], data: (t.dataSync() as Float32Array).slice() },
    ]),
  );

const bytesOf = (parcel: Parcel): number =>
  Object.values(parcel).reduce((sum, { data }) => sum + data.byteLength, 0);

export class Mailbox {
  /** Bytes that came in: from the neighbour's layers, and gathered from all devices before. */
  readonly received = { handedOn: 0, gathered: 0 };
  /** @param before wires from all devices on the left, nearest last. @param after to all on the right, nearest first. */
  constructor(private readonly wires: { before: readonly Wire[]; after: readonly Wire[] }) {}

  get isFirst(): boolean {
    return this.wires.before.length === 0;
  }
  /** To the right neighbour, if there is one. `numbers` is asked only then. */
  handOn(numbers: () => Parcel): void {
    const [neighbour] = this.wires.after;
    if (neighbour) post(neighbour, numbers());
  }
  /** Waits for the left neighbour. */
  takeOver(): Parcel {
    const parcel = waitFor(this.wires.before.at(-1)!);
    this.received.handedOn += bytesOf(parcel);
    return parcel;
  }
  /** To all later devices. */
  tellAll(numbers: () => Parcel): void {
    if (this.wires.after.length === 0) return;
    const parcel = numbers();
    for (const wire of this.wires.after) post(wire, parcel);
  }
  /** Waits for all earlier devices; theirs in the order of the text. */
  gather(): Parcel[] {
    const parcels = this.wires.before.map(waitFor);
    for (const parcel of parcels) this.received.gathered += bytesOf(parcel);
    return parcels;
  }
}

function post({ port, posted }: Wire, parcel: Parcel): void {
  port.postMessage(parcel); // copied, as a wire would
  Atomics.add(posted, 0, 1);
  Atomics.notify(posted, 0);
}

function waitFor({ port, posted }: Wire): Parcel {
  for (;;) {
    const before = Atomics.load(posted, 0); // read the counter first: a letter posted after the look below then ends the sleep
    const letter = receiveMessageOnPort(port) as { message: Parcel } | undefined;
    if (letter) return letter.message;
    Atomics.wait(posted, 0, before);
  }
}

/** One of a parcel's tensors again. The caller owns it. */
export const unpack = (parcel: Parcel, name: string): tf.Tensor4D =>
  tf.tensor4d(parcel[name].data, parcel[name].shape as [number, number, number, number]);
