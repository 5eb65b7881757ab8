/**
 * One device: all the weights, one chunk of the text.
 *
 *   embedding → [ wait for the neighbour's memory · layer · hand memory on ] × L/2 → K̂, V̂ to later devices, once
 *             → wait for theirs → cross-decoder, without a word to anybody → logits of the chunk
 *
 * The code is that of one device. A layer of the self-decoder asks for its memory as in any prefill in pieces; that the
 * piece before it was computed elsewhere, it cannot tell.
 *
 * Source: YOCO, NeurIPS camera-ready, appendix A (chunk parallelism). Forward only: training sends gradients back the same
 * way, from right to left.
 */

import * as tf from '@tensorflow/tfjs';
import type { Embedding } from '../../layers/embedding';
import { ParameterScope, ParameterStore } from '../../layers/parameters';
import type { YocoConfig } from '../../models/config';
import { CrossDecoder } from '../../models/cross-decoder';
import { SelfDecoder } from '../../models/self-decoder';
import { embeddingOf, LogitReader, rotaryOf } from '../../models/yoco-ends';
import { peakOf } from '../../tensor/ledger';
import { SeededRandom } from '../../tensor/random';
import { loadStateDict, type StateDict } from '../../weights/state-dict';
import { ArrivingMemories } from './cache-transfer';
import { Mailbox, pack, unpack, type Wire } from './channels';

/** What a device is given to do. */
export interface Share {
  /** [batch, n] token ids, row by row. */
  ids: Int32Array;
  batch: number;
  /** Position of the first. */
  from: number;
}
/** Something that it did, and when, in milliseconds of `sharedClock`. */
export interface Span {
  /** `self.0` …, `cross`, or `wait`. */
  what: string;
  start: number;
  end: number;
}
export interface Done {
  /** [batch, n, vocab] */
  logits: Float32Array;
  received: { handedOn: number; gathered: number };
  /** Bytes of tensors at the worst moment, beyond the weights. */
  peakBytes: number;
  spans: Span[];
}

export class ChunkDevice {
  private readonly parameters = new ParameterStore();
  private readonly embedding: Embedding;
  private readonly selfDecoder: SelfDecoder;
  private readonly crossDecoder?: CrossDecoder;
  private readonly reader: LogitReader;

  /** @throws RangeError if the weights are not those of the config. */
  constructor(config: YocoConfig, weights: StateDict) {
    const scope = new ParameterScope(this.parameters, new SeededRandom(0));
    const rotary = rotaryOf(config);
    this.embedding = embeddingOf(scope, config);
    this.selfDecoder = new SelfDecoder(scope.within('self_decoder'), config, rotary);
    if (config.crossLayers > 0)
      this.crossDecoder = new CrossDecoder(scope.within('cross_decoder'), config, rotary);
    this.reader = new LogitReader(scope, this.embedding, config);
    loadStateDict(this.parameters, weights, { where: 'weights sent to a device' });
  }

  /** Leaves no tensor behind. @throws RangeError for an id outside the vocabulary. */
  run(
    { ids, batch, from }: Share,
    wires: { before: readonly Wire[]; after: readonly Wire[] },
  ): Done {
    const mail = new Mailbox(wires);
    const clock = new Clock();
    const { result: logits, needed } = peakOf(() =>
      tf.tidy(() => {
        const x = this.embedding.apply(tf.tensor2d(ids, [batch, ids.length / batch], 'int32'));
        const top = this.climb(this.toTheMiddle(x, from, mail, clock), from, mail, clock);
        return this.reader.read(top);
      }),
    );
    const numbers = (logits.dataSync() as Float32Array).slice();
    logits.dispose();
    return {
      logits: numbers,
      received: mail.received,
      peakBytes: needed.bytes,
      spans: clock.stop(),
    };
  }

  private toTheMiddle(x: tf.Tensor3D, from: number, mail: Mailbox, clock: Clock): tf.Tensor3D {
    const on = { wait: () => clock.begin('wait'), arrival: (layer: string) => clock.begin(layer) };
    const memories = new ArrivingMemories(this.selfDecoder.newMemories(x.shape[0]), mail, from, on);
    try {
      return this.selfDecoder.apply(x, {
        memories,
        observe: (layer) => {
          clock.end();
          memories.handOn(layer);
        },
      });
    } finally {
      memories.dispose();
    }
  }

  private climb(middle: tf.Tensor3D, from: number, mail: Mailbox, clock: Clock): tf.Tensor3D {
    if (!this.crossDecoder) return middle;
    const own = this.crossDecoder.keysAndValues(middle, from);
    mail.tellAll(() => pack({ ...own }));
    clock.begin('wait');
    const earlier = mail.gather();
    clock.begin('cross');
    const whole = (name: 'k' | 'v') =>
      tf.concat<tf.Tensor4D>([...earlier.map((parcel) => unpack(parcel, name)), own[name]], 1);
    // The queries are the last n positions of these keys: a chunk is the end of the text before it.
    return this.crossDecoder.apply(middle, earlier.length ? { k: whole('k'), v: whole('v') } : own);
  }

  dispose(): void {
    this.parameters.dispose();
  }
}

/** Milliseconds of the machine's clock: one for all threads, and it never jumps. */
export const sharedClock = (): number => Number(process.hrtime.bigint()) / 1e6;

/** One thing at a time: to begin something is to end what was before. */
class Clock {
  private readonly spans: Span[] = [];
  private open?: { what: string; start: number };
  begin(what: string): void {
    this.end();
    this.open = { what, start: sharedClock() };
  }
  end(): void {
    if (this.open) this.spans.push({ ...this.open, end: sharedClock() });
    this.open = undefined;
  }
  stop(): Span[] {
    this.end();
    return this.spans;
  }
}
