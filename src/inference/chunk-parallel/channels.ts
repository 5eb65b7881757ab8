/**
 * Channels between devices: tensors go to later devices only, and every byte received is counted.
 *
 * A device that waits sleeps, because it has nothing else to do. So its code reads from top to
 * bottom, without callbacks and promises; a counter in shared memory wakes it.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs';
import type { Received } from './communication';

/** One end of a channel, which goes from one device to one later device. */
export interface Channel {
  port: MessagePort;
  /** One number in shared memory: messages sent so far. */
  sent: Int32Array;
}
/** The channels of one device, both lists in the order of the text. */
export interface Connections {
  earlier: Channel[];
  later: Channel[];
}

/** A channel from every device to every later one. */
export function connectDevices(devices: number): Connections[] {
  const all: Connections[] = [];
  for (let i = 0; i < devices; i++) {
    const device: Connections = { earlier: [], later: [] };
    for (const before of all) {
      const { port1, port2 } = new MessageChannel();
      const sent = new Int32Array(new SharedArrayBuffer(4));
      before.later.push({ port: port1, sent });
      device.earlier.push({ port: port2, sent });
    }
    all.push(device);
  }
  return all;
}

/** A tensor as it travels between threads. */
export interface PackedTensor {
  shape: number[];
  data: Float32Array;
}
/** A copy of the numbers; the tensor stays the caller's. */
export const pack = (tensor: tf.Tensor): PackedTensor => ({
  shape: tensor.shape,
  data: Float32Array.from(tensor.dataSync()),
});
/** The caller owns the tensor. */
export const unpack = <T extends tf.Tensor>({ shape, data }: PackedTensor): T =>
  tf.tensor(data, shape) as T;

/** Sends tensors by name, such as the `state` of a layer. They stay the caller's. */
export function send(tensors: Record<string, tf.Tensor>, receivers: readonly Channel[]): void {
  if (receivers.length === 0) return;
  const packed = Object.entries(tensors).map(([name, tensor]) => [name, pack(tensor)]);
  for (const { port, sent } of receivers) {
    port.postMessage(packed); // copies, as a network would
    Atomics.add(sent, 0, 1);
    Atomics.notify(sent, 0);
  }
}

/**
 * Waits for the next message and adds its bytes to `received[kind]`. The caller owns the tensors.
 */
export function receive({ port, sent }: Channel, received: Received, kind: keyof Received) {
  for (;;) {
    const before = Atomics.load(sent, 0); // first: a message sent after the next line ends the wait
    const found = receiveMessageOnPort(port) as { message: [string, PackedTensor][] } | undefined;
    if (found) {
      const tensors: Record<string, tf.Tensor4D> = {};
      for (const [name, packed] of found.message) {
        received[kind] += packed.data.byteLength;
        tensors[name] = unpack(packed);
      }
      return tensors;
    }
    Atomics.wait(sent, 0, before);
  }
}
