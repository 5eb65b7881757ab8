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

/** Tensors by name: `state` of a layer, or `k` and `v`. */
export type NamedTensors = Record<string, tf.Tensor4D>;
type Message = Record<string, PackedTensor>;

export class Channels {
  readonly received: Received = { states: 0, keysValues: 0 };

  constructor(private readonly connections: Connections) {}

  get isFirst(): boolean {
    return this.connections.earlier.length === 0;
  }

  /** To the right neighbour, if there is one. */
  send(tensors: Record<string, tf.Tensor>): void {
    this.post(tensors, this.connections.later.slice(0, 1));
  }
  /** To all later devices. */
  broadcast(tensors: NamedTensors): void {
    this.post(tensors, this.connections.later);
  }
  private post(tensors: Record<string, tf.Tensor>, receivers: readonly Channel[]): void {
    if (receivers.length === 0) return;
    const message: Message = {};
    for (const [name, tensor] of Object.entries(tensors)) message[name] = pack(tensor);
    for (const { port, sent } of receivers) {
      port.postMessage(message); // copies, as a network would
      Atomics.add(sent, 0, 1);
      Atomics.notify(sent, 0);
    }
  }

  /** Waits for what the left neighbour sends. The caller owns the tensors. */
  receive(): NamedTensors {
    const { earlier } = this.connections;
    return this.unpackAll(waitFor(earlier[earlier.length - 1]), 'states');
  }
  /** Waits for the broadcast of each earlier device. The caller owns the tensors. */
  gather(): NamedTensors[] {
    return this.connections.earlier.map((from) => this.unpackAll(waitFor(from), 'keysValues'));
  }
  private unpackAll(message: Message, kind: keyof Received): NamedTensors {
    const tensors: NamedTensors = {};
    for (const [name, packed] of Object.entries(message)) {
      this.received[kind] += packed.data.byteLength;
      tensors[name] = unpack(packed);
    }
    return tensors;
  }
}

function waitFor({ port, sent }: Channel): Message {
  for (;;) {
    const before = Atomics.load(sent, 0); // first: a message sent after the next line ends the wait
    const received = receiveMessageOnPort(port) as { message: Message } | undefined;
    if (received) return received.message;
    Atomics.wait(sent, 0, before);
  }
}
