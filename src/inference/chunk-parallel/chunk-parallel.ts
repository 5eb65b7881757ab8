/**
 * Chunk parallelism: one text over several devices, each with one chunk of it. Here a device is a worker thread.
 *
 *   device 0      device 1      device 2            time ↓
 *   self.0   S →  ·             ·
 *   self.1   S →  self.0   S →  ·                   the self-decoder is a wave: one state to the right neighbour
 *   K̂ V̂     ⇒    self.1   S →  self.0               per layer, and nobody else need know
 *   cross         K̂ V̂     ⇒    self.1
 *                 cross         K̂ V̂, cross          one gather for all layers above; a Transformer gathers in every layer
 *
 * The logits are those of one device. What a device receives is the cache of the text before it (communication.ts).
 *
 * Threads, each with its own wasm engine: wasm lives inside its thread, so any number can run side by side, whatever engine
 * the caller computes with. Source: YOCO, NeurIPS camera-ready, appendix A, where devices are GPUs and this is for training.
 */

import { once } from 'node:events';
import { join } from 'node:path';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs';
import type { Tokens } from '../../models/language-model';
import { tokenTensor } from '../../models/tokens';
import type { Yoco } from '../../models/yoco';
import type { EngineName } from '../../support/backends/use-engine';
import { checkCount } from '../../tensor/shapes';
import { toStateDict } from '../../weights/state-dict';
import type { Wire } from './channels';
import { type Chunk, chunksOf } from './communication';
import { type Done, type Span, sharedClock } from './device';
import type { Answer, DeviceSetup, Order } from './device-thread';

export interface DeviceReport extends Chunk {
  /** Bytes that this device was told. */
  received: { handedOn: number; gathered: number };
  /** Bytes of its tensors at the worst moment, beyond the weights. */
  peakBytes: number;
  /** What it did, in ms since the start of the run. */
  spans: Span[];
}

export class ChunkParallel {
  private busy = false;
  private stopped = false;
  private constructor(private readonly workers: readonly Worker[]) {}

  /**
   * Starts the devices and gives each a copy of the weights; a second or more each. Stop them with `stop()`.
   * @throws RangeError for a number of devices that is none; Error if a device does not start.
   */
  static async start(
    model: Yoco,
    { devices = 2, engine = 'wasm' }: { devices?: number; engine?: EngineName } = {},
  ): Promise<ChunkParallel> {
    checkCount('ChunkParallel.start', 'devices', devices, 'devices');
    if (model.config.kind !== 'yoco')
      throw new TypeError(
        `ChunkParallel.start: the model is a ${model.config.kind}; only YOCO's lower half can hand its memory to a neighbour.`,
      );
    const weights = toStateDict(model.parameters);
    const wires = wiring(devices);
    const workers = wires.map(({ before, after }) => {
      const workerData: DeviceSetup = { config: model.config, weights, engine, before, after };
      const transferList: MessagePort[] = [...before, ...after].map(({ port }) => port);
      return new Worker(join(__dirname, 'device-thread.cjs'), {
        workerData,
        transferList,
        execArgv: [],
      });
    });
    const parallel = new ChunkParallel(workers);
    await parallel.all((_, i) => `device ${i} of ${devices} did not start`);
    return parallel;
  }

  get devices(): number {
    return this.workers.length;
  }

  /**
   * Logits of every position, [B,N,vocab], as `model.logits(tokens)` gives them. The caller owns them.
   * @throws RangeError if there are fewer tokens than devices; Error naming the device that failed: then all are stopped.
   */
  async logits(tokens: Tokens): Promise<{ logits: tf.Tensor3D; reports: DeviceReport[] }> {
    if (this.stopped)
      throw new Error(
        'ChunkParallel: the devices are stopped; start new ones with ChunkParallel.start(model).',
      );
    if (this.busy)
      throw new Error('ChunkParallel: a run is under way; await it before you start the next.');
    const ids = tokenTensor('ChunkParallel.logits', tokens);
    const [batch, N] = ids.shape;
    const rows = ids.dataSync() as Int32Array;
    ids.dispose();
    const chunks = chunksOf(N, this.devices);
    const shares = chunks.map(({ from, to }) =>
      Int32Array.from({ length: batch * (to - from) }, (_, i) => {
        const n = to - from;
        return rows[Math.floor(i / n) * N + from + (i % n)];
      }),
    );

    this.busy = true;
    const start = sharedClock();
    try {
      const answers = this.all(
        (_, i) => `device ${i} of ${this.devices}, tokens ${chunks[i].from} to ${chunks[i].to - 1}`,
      );
      this.workers.forEach((worker, i) => {
        const order: Order = {
          do: 'share',
          share: { ids: shares[i], batch, from: chunks[i].from },
        };
        worker.postMessage(order);
      });
      const done = (await answers) as Done[];
      const logits = tf.tidy(() =>
        tf.concat<tf.Tensor3D>(
          done.map((part, i) =>
            tf.tensor3d(part.logits, [
              batch,
              chunks[i].to - chunks[i].from,
              part.logits.length / shares[i].length,
            ]),
          ),
          1,
        ),
      );
      const sinceStart = ({ what, ...span }: Span): Span => ({
        what,
        start: span.start - start,
        end: span.end - start,
      });
      const reports = done.map(({ received, peakBytes, spans }, i) => ({
        ...chunks[i],
        received,
        peakBytes,
        spans: spans.map(sinceStart),
      }));
      return { logits, reports };
    } finally {
      this.busy = false;
    }
  }

  /** Waits until every thread has ended; a run under way is finished first. */
  async stop(): Promise<void> {
    if (this.stopped) return;
    this.stopped = true;
    const order: Order = { do: 'stop' };
    await Promise.all(
      this.workers.map(async (worker) => {
        if (worker.threadId < 0) return; // has ended already
        worker.ref();
        const ended = once(worker, 'exit');
        worker.postMessage(order);
        await ended;
      }),
    );
  }

  /** One answer from each device. If one fails, the others would wait for it for ever: all are ended. */
  private async all(where: (worker: Worker, i: number) => string): Promise<(Done | undefined)[]> {
    try {
      return await Promise.all(this.workers.map((worker, i) => answerOf(worker, where(worker, i))));
    } catch (error) {
      this.stopped = true;
      await Promise.all(this.workers.map((worker) => worker.terminate()));
      throw error;
    }
  }
}

/** A wire from every device to every later one. */
export function wiring(devices: number): { before: Wire[]; after: Wire[] }[] {
  const ends = Array.from({ length: devices }, () => ({
    before: [] as Wire[],
    after: [] as Wire[],
  }));
  for (let to = 1; to < devices; to++)
    for (let from = 0; from < to; from++) {
      const { port1, port2 } = new MessageChannel();
      const posted = new Int32Array(new SharedArrayBuffer(4));
      ends[from].after.push({ port: port1, posted });
      ends[to].before.push({ port: port2, posted });
    }
  return ends;
}

/** The next answer of a device. @throws Error with what it says is wrong, or if it ends without a word. */
async function answerOf(worker: Worker, where: string): Promise<Done | undefined> {
  const heard = new AbortController();
  const { signal } = heard;
  worker.ref(); // while an answer is awaited, the program may not end; between runs it may
  try {
    const [answer] = (await Promise.race([
      once(worker, 'message', { signal }),
      once(worker, 'exit', { signal }),
    ])) as [Answer | number];
    if (typeof answer === 'number')
      throw new Error(`${where}: the thread ended (code ${answer}) without an answer.`);
    if ('error' in answer)
      throw new Error(`${where}: ${answer.error.message}`, { cause: answer.error.stack });
    return 'done' in answer ? answer.done : undefined;
  } finally {
    heard.abort();
    worker.unref();
  }
}
