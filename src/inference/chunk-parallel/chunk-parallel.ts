/**
 * Chunk parallelism: one text over several devices, each with one chunk of it.
 *
 *   device 0      device 1      device 2            time ↓
 *   self.0   S →  ·             ·
 *   self.1   S →  self.0   S →  ·               self-decoder: per layer one state to the right
 *   K̂ V̂     ⇒    self.1   S →  self.0           neighbour, and to nobody else
 *   cross         K̂ V̂     ⇒    self.1
 *                 cross         K̂ V̂, cross      cross-decoder: one gather for all its layers;
 *                                               a Transformer gathers in every layer
 *
 * The logits are those of one device. A device receives the cache of the text before its chunk
 * (communication.ts). Here a device is a worker thread with a wasm engine of its own, so that any
 * number can run side by side, whatever engine the caller uses.
 *
 * Source: YOCO, NeurIPS camera-ready, appendix A, where devices are GPUs and this is for training.
 */
import { once, setMaxListeners } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs';
import type { Tokens } from '../../models/language-model';
import { tokenTensor } from '../../models/prompt';
import { Yoco } from '../../models/yoco';
import type { EngineName } from '../../support/backends/use-engine';
import { checkCount } from '../../tensor/shapes';
import { toStateDict } from '../../weights/state-dict';
import { connectDevices, unpack } from './channels';
import { type Chunk, chunksOf } from './communication';
import { type DeviceResult, type DeviceSetup, sharedClock, type Task } from './device';

/** What one device computed, what it received and when. */
export type DeviceReport = Chunk & Omit<DeviceResult, 'logits'>;

export class ChunkParallel {
  private running = false;
  private readonly ended = new AbortController();
  private constructor(
    private readonly vocabSize: number,
    private readonly workers: readonly Worker[],
  ) {
    setMaxListeners(workers.length, this.ended.signal);
    for (const worker of workers) worker.once('exit', () => this.ended.abort());
  }

  /**
   * Starts the devices with a copy of the weights each, in a second or more. `stop()` ends them.
   * @throws RangeError if `devices` is no count; TypeError for another kind of model; Error if a
   * device does not start.
   */
  static async start(
    model: Yoco,
    { devices = 2, engine = 'wasm' }: { devices?: number; engine?: EngineName } = {},
  ): Promise<ChunkParallel> {
    checkCount('ChunkParallel.start', 'devices', devices, 'devices');
    const kind = model.constructor;
    if (kind !== Yoco)
      throw new TypeError(`ChunkParallel.start: the model is a ${kind.name}; give a Yoco.`);
    const { config } = model;
    const weights = toStateDict(model.parameters);
    const workers = connectDevices(devices).map((connections) => {
      const workerData: DeviceSetup = { config, weights, engine, connections };
      const transferList = [...connections.earlier, ...connections.later].map(({ port }) => port);
      const file = join(__dirname, 'device-thread.cjs');
      return new Worker(file, { workerData, transferList, execArgv: [] });
    });
    const parallel = new ChunkParallel(config.vocabSize, workers);
    await parallel.messages((i) => `device ${i} of ${devices} did not start`);
    return parallel;
  }

  /**
   * Logits [B, N, vocab], as `model.forward(tokens)` gives them; the caller owns them.
   * @throws RangeError if there are fewer tokens than devices, or a token is not allowed; Error
   * naming the device that failed: then all are stopped.
   */
  async forward(tokens: Tokens): Promise<{ logits: tf.Tensor3D; reports: DeviceReport[] }> {
    const where = 'ChunkParallel.forward';
    if (this.ended.signal.aborted)
      throw new Error(`${where}: the devices are stopped; start new ones.`);
    if (this.running) throw new Error(`${where}: a run is under way; await it first.`);
    const rows = tf.tidy(() => tokenTensor(where, tokens, this.vocabSize).arraySync()); // [B, N]
    const devices = this.workers.length;
    const chunks = chunksOf(rows[0].length, devices);

    this.running = true;
    const started = sharedClock();
    try {
      for (const [i, { from, to }] of chunks.entries()) {
        const task: Task = { tokens: rows.map((row) => row.slice(from, to)), from, started };
        this.workers[i].postMessage(task);
      }
      const results = (await this.messages(
        (i) => `device ${i} of ${devices}, tokens ${chunks[i].from} to ${chunks[i].to - 1}`,
      )) as DeviceResult[];
      const parts = results.map((result) => unpack<tf.Tensor3D>(result.logits)); // [B, n, vocab]
      const logits = tf.concat(parts, 1); // [B, N, vocab]
      tf.dispose(parts);
      const reports = results.map(({ logits: _, ...report }, i) => ({ ...chunks[i], ...report }));
      return { logits, reports };
    } finally {
      this.running = false;
    }
  }

  /** Ends every thread; a run under way fails. */
  async stop(): Promise<void> {
    this.ended.abort();
    await Promise.all(this.workers.map((worker) => worker.terminate()));
  }

  /** One message from each device. If a device fails, the others would wait for it: all end. */
  private async messages(describe: (device: number) => string): Promise<unknown[]> {
    const answers = this.workers.map(async (worker, i) => {
      worker.ref(); // while a message is awaited the program must not end; between runs it may
      try {
        return (await once(worker, 'message', { signal: this.ended.signal }))[0];
      } catch (error) {
        throw new Error(`${describe(i)}: ${(error as Error).message}`, { cause: error });
      } finally {
        worker.unref();
      }
    });
    return Promise.all(answers).catch(async (error) => {
      await this.stop();
      throw error;
    });
  }
}
