/**
 * One device: all the weights, one chunk of the text.
 *
 *   embedding → [ receive the neighbour's cache · layer · send the cache ] × L/2
 *             → K̂, V̂ to all later devices, once → wait for those of earlier devices
 *             → cross-decoder, which needs nothing else → logits of the chunk
 *
 * A layer continues its cache as in any prefill in chunks; only, another device has computed it.
 *
 * Source: YOCO, NeurIPS camera-ready, appendix A (chunk parallelism). Forward only: training sends
 * gradients the same way, from right to left.
 */
import type { MessagePort } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs';
import { RollingKvCache } from '../../attention/rolling-kv-cache';
import type { LayerCache } from '../../layers/mixer';
import type { YocoConfig } from '../../models/config';
import { Yoco } from '../../models/yoco';
import { RetentionState } from '../../retention/retention-state';
import { type EngineName, useEngine } from '../../support/backends/use-engine';
import { peakOf } from '../../tensor/ledger';
import { loadStateDict, type StateDict } from '../../weights/state-dict';
import { type Connections, type PackedTensor, pack, receive, send } from './channels';
import type { Received } from './communication';

/** The chunk of a text that one device computes. */
export interface Task {
  /** [B, n] */
  tokens: number[][];
  /** Position of the first. */
  from: number;
  /** When the run began, by `sharedClock`. */
  started: number;
}
/** What a device did, and when: milliseconds since the run began. */
export interface Span {
  /** `self.0` …, `cross`, or `wait`. */
  what: string;
  start: number;
  end: number;
}
export interface DeviceResult {
  /** [B, n, vocab] */
  logits: PackedTensor;
  received: Received;
  /** The most bytes of tensors at any moment, beyond the weights. */
  peakBytes: number;
  spans: Span[];
}

/** What a device receives, and when it does what. */
class RunLog {
  readonly received: Received = { states: 0, keysValues: 0 };
  readonly spans: Span[] = [];
  constructor(private readonly started: number) {}

  timed<T>(what: string, work: () => T): T {
    const start = sharedClock() - this.started;
    const result = work();
    this.spans.push({ what, start, end: sharedClock() - this.started });
    return result;
  }
}

export class ChunkDevice extends Yoco {
  /** @throws RangeError if the weights are not those of the config. */
  constructor(config: YocoConfig, weights: StateDict) {
    super(config);
    loadStateDict(this.parameters, weights, { where: 'weights sent to a device' });
  }

  /** Leaves no tensor behind. @throws RangeError for an id outside the vocabulary. */
  run(task: Task, connections: Connections): DeviceResult {
    const log = new RunLog(task.started);
    const compute = () => tf.tidy(() => this.computeLogits(task, connections, log));
    const { result, needed } = peakOf(compute);
    const logits = pack(result);
    result.dispose();
    return { logits, received: log.received, peakBytes: needed.bytes, spans: log.spans };
  }

  /** [B, n, vocab] */
  private computeLogits({ tokens, from }: Task, { earlier, later }: Connections, log: RunLog) {
    const left = earlier.at(-1);
    const caches = this.newLayerCaches(tokens.length);
    try {
      let x = this.embedding.forward(tf.tensor2d(tokens, undefined, 'int32')); // [B, n, dim]
      for (const [i, layer] of this.selfDecoder.layers.entries()) {
        if (left) {
          const held = log.timed('wait', () => receive(left, log.received, 'states'));
          resumeCache(caches[i], held, from);
        }
        x = log.timed(`self.${i}`, () => layer.forward(x, caches[i])); // [B, n, dim]
        send(caches[i].snapshot(), later.slice(0, 1));
      }
      let global = this.crossDecoder.globalKeysValues?.forward(x, from); // each [B, n, Hkv, D]
      if (global) {
        send(global, later);
        const gather = () => earlier.map((device) => receive(device, log.received, 'keysValues'));
        const all = [...log.timed('wait', gather), global];
        const [ks, vs] = [all.map(({ k }) => k), all.map(({ v }) => v)];
        global = { k: tf.concat(ks, 1), v: tf.concat(vs, 1) }; // each [B, from + n, Hkv, D]
      }
      return log.timed('cross', () => this.head.forward(this.crossDecoder.forward(x, global)));
    } finally {
      for (const cache of caches) cache.dispose();
    }
  }
}

/** Milliseconds of the machine's clock: the same for all threads, and never set back. */
export const sharedClock = (): number => Number(process.hrtime.bigint()) / 1e6;

/**
 * Fills an empty layer cache with the tensors that its sender held after `position` tokens. The
 * position goes with them, because rotary counts from it.
 * @throws TypeError for a cache that holds all tokens: its keys and values are gathered instead.
 */
export function resumeCache(
  empty: LayerCache,
  { state, k, v }: Record<string, tf.Tensor4D>,
  position: number,
): void {
  if (empty instanceof RetentionState) empty.advance(state, position);
  else if (empty instanceof RollingKvCache) empty.resume({ k, v }, position);
  else
    throw new TypeError(`resumeCache: ${empty.constructor.name} is no state or window; gather it.`);
}

/** What a thread needs to become a device. */
export interface DeviceSetup {
  config: YocoConfig;
  weights: StateDict;
  engine: EngineName;
  connections: Connections;
}

/**
 * Runs a device in this thread: one task after the other, until the thread is terminated. An error
 * ends the thread, and reaches the thread that started it as an event.
 */
export async function serveTasks(port: MessagePort, setup: DeviceSetup): Promise<void> {
  await useEngine(setup.engine);
  const device = new ChunkDevice(setup.config, setup.weights);
  port.on('message', (task: Task) => port.postMessage(device.run(task, setup.connections)));
  port.postMessage('ready');
}
