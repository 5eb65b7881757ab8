/**
 * A YOCO in which every second layer above the middle is a Gated Memory Unit.
 *
 *   self-decoder → K̂, V̂ and m → cross-attention, unit, cross-attention, unit, … → logits
 *
 * m is what the last retention layer read from its state, each head normed, before its own output gate. It is of the same
 * position and from below the middle, so the early exit stays exact; and it is not kept, so the cache does not grow by it.
 *
 * Source: SambaY, arXiv 2507.06607. Differs from it: the lower half is YOCO's retention, not Mamba with windows, and K̂, V̂
 * are YOCO's projection, not those of a full-attention layer.
 */

import * as tf from '@tensorflow/tfjs';
import { CrossAttention, GlobalKeysAndValues } from '../attention/cross-attention';
import type { KeysAndValues } from '../attention/keys-and-values';
import { GrowingCache } from '../attention/paged-kv-cache';
import { DecoderLayer, YOCO_LAYER } from '../layers/decoder-layer';
import type { Embedding } from '../layers/embedding';
import type { Memory } from '../layers/memory';
import { ParameterScope, ParameterStore } from '../layers/parameters';
import { checkConfig, type YocoConfig } from '../models/config';
import type {
  AllLogits,
  LanguageModel,
  ModelCache,
  PrefillOptions,
  Tokens,
} from '../models/language-model';
import { LayerCache } from '../models/layer-cache';
import {
  checkBatch,
  checkExit,
  inPieces,
  joinPieces,
  lastPosition,
  oneTokenEach,
  tokenTensor,
} from '../models/tokens';
import { embeddingOf, LogitReader, rotaryOf } from '../models/yoco-ends';
import { GatedRetention } from '../retention/gated-retention';
import type { RetentionState } from '../retention/retention-state';
import { SeededRandom } from '../tensor/random';
import { GatedMemoryUnit } from './gated-memory-unit';

/** The middle of the model: the stream that climbs on, and the memory that the units look at. */
interface Middle {
  stream: tf.Tensor3D;
  memory: tf.Tensor3D;
  global: GrowingCache | KeysAndValues;
}

export class GatedMemoryYoco implements LanguageModel {
  readonly parameters = new ParameterStore();
  private readonly embedding: Embedding;
  private readonly below: DecoderLayer<GatedRetention>[];
  private readonly global: GlobalKeysAndValues;
  private readonly above: DecoderLayer<CrossAttention | GatedMemoryUnit>[];
  private readonly reader: LogitReader;

  /** @throws RangeError unless the self-decoder is of retention, both halves have layers, and the config is allowed. */
  constructor(
    readonly config: YocoConfig,
    { seed = 0 }: { seed?: number } = {},
  ) {
    checkConfig(config);
    const { dim, normEps, selfLayers, crossLayers, selfDecoder } = config;
    if (selfDecoder === 'sliding-window')
      throw new RangeError(
        'GatedMemoryYoco: selfDecoder is sliding-window; a unit needs a state to read: retention or gated-retention.',
      );
    if (selfLayers === 0 || crossLayers === 0)
      throw new RangeError(
        `GatedMemoryYoco: selfLayers is ${selfLayers} and crossLayers ${crossLayers}; each half needs a layer.`,
      );
    const scope = new ParameterScope(this.parameters, new SeededRandom(seed));
    const rotary = rotaryOf(config);
    const {
      rotaryFrequencies,
      ropeTheta,
      selfHeads: heads,
      gateTemperature,
      keyScale,
      retentionForm: form,
      chunkSize,
    } = config;
    const decay = selfDecoder === 'gated-retention' ? 'gated' : 'fixed';
    const retention = {
      dim,
      heads,
      decay,
      normEps,
      gateTemperature,
      keyScale,
      form,
      chunkSize,
      ropeTheta,
      rotaryFrequencies,
    } as const;
    const widths = { ...config, names: YOCO_LAYER };
    this.embedding = embeddingOf(scope, config);
    this.below = Array.from({ length: selfLayers }, (_, i) => {
      const place = scope.within(`self_decoder.layers.${i}`);
      return new DecoderLayer(place, new GatedRetention(place.within('mixer'), retention), widths);
    });
    this.global = new GlobalKeysAndValues(scope.within('cross_decoder'), { ...config, rotary });
    this.above = Array.from({ length: crossLayers }, (_, i) => {
      const place = scope.within(`cross_decoder.layers.${i}`);
      const mixer =
        i % 2 === 0
          ? new CrossAttention(place.within('mixer'), { ...config, rotary })
          : new GatedMemoryUnit(place.within('mixer'), dim);
      return new DecoderLayer<CrossAttention | GatedMemoryUnit>(place, mixer, widths);
    });
    this.reader = new LogitReader(scope, this.embedding, config);
  }

  logits(tokens: Tokens): tf.Tensor3D {
    return withKept((keep) =>
      this.reader.read(
        this.climbToTheTop(
          this.climbToTheMiddle(tokenTensor('GatedMemoryYoco.logits', tokens), keep),
        ),
      ),
    );
  }
  newCache(batch = 1): LayerCache {
    const states = this.below.map((layer, i): [string, Memory] => [
      `self.${i}`,
      layer.mixer.newMemory(batch),
    ]);
    return new LayerCache(batch, new Map([...states, ['cross', new GrowingCache(batch)]]));
  }
  prefill(tokens: Tokens, cache: ModelCache, options: AllLogits): tf.Tensor3D;
  prefill(tokens: Tokens, cache: ModelCache, options?: PrefillOptions): tf.Tensor2D;
  prefill(tokens: Tokens, cache: ModelCache, options: PrefillOptions = {}): tf.Tensor {
    checkExit('GatedMemoryYoco.prefill', options);
    if (options.padding)
      throw new RangeError(
        'GatedMemoryYoco.prefill: padding is not supported here; give rows of equal length.',
      );
    return this.take(
      'GatedMemoryYoco.prefill',
      () => tokenTensor('GatedMemoryYoco.prefill', tokens),
      cache,
      options,
    );
  }
  step(token: readonly number[] | tf.Tensor1D, cache: ModelCache): tf.Tensor2D {
    return this.take(
      'GatedMemoryYoco.step',
      () => oneTokenEach('GatedMemoryYoco.step', token),
      cache,
      {},
    ) as tf.Tensor2D;
  }

  private take(
    where: string,
    read: () => tf.Tensor2D,
    cache: ModelCache,
    options: PrefillOptions,
  ): tf.Tensor {
    const { earlyExit = true, logits = 'last' } = options;
    return withKept((keep) => {
      const ids = read();
      checkBatch(where, ids, cache);
      return (cache as LayerCache).advance((draft) => {
        const tops = inPieces(where, ids, options).map((piece, i, { length }) => {
          const middle = this.climbToTheMiddle(piece.ids, keep, draft);
          if (!earlyExit) return this.climbToTheTop(middle, draft);
          // The exit: of both, the stream and the memory, the last position alone goes on.
          const last = {
            ...middle,
            stream: lastPosition(middle.stream),
            memory: lastPosition(middle.memory),
          };
          return i + 1 === length ? this.climbToTheTop(last, draft) : undefined;
        });
        if (logits === 'all')
          return joinPieces((tops as tf.Tensor3D[]).map((top) => this.reader.read(top)));
        return this.reader.read(lastPosition(tops.at(-1)!)).reshape([cache.batch, -1]);
      });
    });
  }
  private climbToTheMiddle(ids: tf.Tensor2D, keep: Keep, draft?: LayerCache): Middle {
    let memory: tf.Tensor3D | undefined;
    const stream = this.below.reduce(
      (x, layer, i) =>
        layer.apply(x, (retention, normed) => {
          const steps = retention.explain(
            normed,
            draft?.parts.get(`self.${i}`) as RetentionState | undefined,
          );
          if (i + 1 === this.below.length) memory = keep(steps.normed);
          return steps.out;
        }),
      this.embedding.apply(ids),
    );
    const held = draft?.parts.get('cross') as GrowingCache | undefined;
    const newcomers = this.global.project(this.global.norm.apply(stream), held?.length ?? 0);
    held?.append(newcomers);
    draft?.count(this.below.length, ids.shape[1]);
    return { stream, memory: memory!, global: held ?? newcomers };
  }
  private climbToTheTop({ stream, memory, global }: Middle, draft?: LayerCache): tf.Tensor3D {
    draft?.count(this.above.length, stream.shape[1]);
    return this.above.reduce(
      (x, layer) =>
        layer.apply(x, (mixer, normed) =>
          mixer instanceof GatedMemoryUnit
            ? mixer.apply(normed, memory)
            : mixer.attend(normed, global),
        ),
      stream,
    );
  }
  dispose(): void {
    this.parameters.dispose();
  }
}

type Keep = (x: tf.Tensor3D) => tf.Tensor3D;
/** A layer tidies up behind itself; what must outlive it is kept until the work is done, or has failed. */
function withKept<T extends tf.Tensor>(work: (keep: Keep) => T): T {
  const kept: tf.Tensor[] = [];
  try {
    return tf.tidy(() =>
      work((x) => {
        kept.push(tf.keep(x));
        return x;
      }),
    );
  } finally {
    tf.dispose(kept);
  }
}
