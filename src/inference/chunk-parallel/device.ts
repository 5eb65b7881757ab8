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
import { Channels, type Connections, type NamedTensors, type PackedTensor, pack } from './channels';
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

export class ChunkDevice extends Yoco {
  /** @throws RangeError if the weights are not those of the config. */
  constructor(config: YocoConfig, weights: StateDict) {
    super(config);
    loadStateDict(this.parameters, weights, { where: 'weights sent to a device' });
  }

  /** Leaves no tensor behind. @throws RangeError for an id outside the vocabulary. */
  run({ tokens, from, started }: Task, connections: Connections): DeviceResult {
    const channels = new Channels(connections);
    const spans: Span[] = [];
    const timed: Timed = (what, work) => {
      const start = sharedClock() - started;
      const result = work();
      spans.push({ what, start, end: sharedClock() - started });
      return result;
    };
    const { result: logits, needed } = peakOf(() =>
      tf.tidy(() => this.computeLogits(tokens, from, channels, timed)),
    );
    const packed = pack(logits);
    logits.dispose();
    return { logits: packed, received: channels.received, peakBytes: needed.bytes, spans };
  }

  /** [B, n, vocab] */
  private computeLogits(tokens: number[][], from: number, channels: Channels, timed: Timed) {
    const caches = this.newLayerCaches(tokens.length);
    try {
      let x = this.embedding.forward(tf.tensor2d(tokens, undefined, 'int32')); // [B, n, dim]
      for (const [i, layer] of this.selfDecoder.layers.entries()) {
        if (!channels.isFirst) {
          const received = timed('wait', () => channels.receive());
          resumeCache(caches[i], received, from);
        }
        x = timed(`self.${i}`, () => layer.forward(x, caches[i])); // [B, n, dim]
        channels.send(caches[i].snapshot());
      }
      const own = this.crossDecoder.globalKeysValues?.forward(x, from); // each [B, n, Hkv, D]
      let global = own;
      if (own) {
        channels.broadcast({ ...own });
        const all = [...timed('wait', () => channels.gather()), own];
        const [ks, vs] = [all.map(({ k }) => k), all.map(({ v }) => v)];
        global = { k: tf.concat(ks, 1), v: tf.concat(vs, 1) }; // each [B, from + n, Hkv, D]
      }
      return timed('cross', () => this.head.forward(this.crossDecoder.forward(x, global)));
    } finally {
      for (const cache of caches) cache.dispose();
    }
  }
}
/** Does `work` and notes when. */
type Timed = <T>(what: string, work: () => T) => T;

/** Milliseconds of the machine's clock: the same for all threads, and never set back. */
export const sharedClock = (): number => Number(process.hrtime.bigint()) / 1e6;

/**
 * Fills an empty layer cache with the tensors that its sender held after `position` tokens. The
 * position goes with them, because rotary counts from it.
 * @throws TypeError for a cache that holds all tokens: its keys and values are gathered instead.
 */
export function resumeCache(empty: LayerCache, received: NamedTensors, position: number): void {
  const { state, k, v } = received;
  if (empty instanceof RetentionState) empty.advance(state, position);
  else if (empty instanceof RollingKvCache) empty.resume({ k, v }, position);
  else
    throw new TypeError(
      `resumeCache: a ${empty.constructor.name} grows with the text; send states and windows, ` +
        `gather keys and values.`,
    );
}

/** What a thread needs to become a device. */
export interface DeviceSetup {
  config: YocoConfig;
  weights: StateDict;
  engine: EngineName;
  connections: Connections;
}

/**
 * Runs a device in this thread: one task after the other, until 'stop'. An error ends the thread,
 * and reaches the thread that started it as an event.
 */
export async function serveTasks(port: MessagePort, setup: DeviceSetup): Promise<void> {
  await useEngine(setup.engine);
  const device = new ChunkDevice(setup.config, setup.weights);
  port.on('message', (task: Task | 'stop') => {
    // Without an open port nothing is left to wait for, and the thread ends.
    if (task === 'stop') port.close();
    else port.postMessage(device.run(task, setup.connections));
  });
  port.postMessage('ready');
}
