/**
 * A YOCO whose self-decoder runs several times over, with the same weights.
 *
 *   X ← embedding;   T times: X ← SelfDecoder(X);   then K̂, V̂ once, and the cross-decoder
 *
 * More thinking for no more weights. A Transformer that loops must keep keys and values of every layer of every round; here
 * a round adds only the lower half's bounded memories, one set each, because round 2 remembers other things than round 1:
 *
 *   cache = T · L/2 · state  +  one global cache        O((N + T·L)·D), and the N is not multiplied
 *
 * The early exit stays exact: the prompt climbs the lower half T times, then stops. N·T·L/2 + L/2 layer-tokens.
 *
 * Source: Universal YOCO, arXiv 2604.01220, which takes T = 3, windows of 512, and no positions in the cross-decoder.
 * Differs from it: positions everywhere, as in YOCO. The config does not know T, nor do the formulas of `costs`.
 */

import * as tf from '@tensorflow/tfjs';
import { GrowingCache } from '../attention/paged-kv-cache';
import type { Embedding } from '../layers/embedding';
import type { Memory } from '../layers/memory';
import { firstPositions } from '../layers/padding';
import { ParameterScope, ParameterStore } from '../layers/parameters';
import { checkConfig, type YocoConfig } from '../models/config';
import { CrossDecoder } from '../models/cross-decoder';
import type {
  AllLogits,
  LanguageModel,
  ModelCache,
  PrefillOptions,
  Tokens,
} from '../models/language-model';
import { LayerCache } from '../models/layer-cache';
import { SelfDecoder } from '../models/self-decoder';
import {
  checkBatch,
  checkExit,
  inPieces,
  joinPieces,
  lastPosition,
  oneTokenEach,
  type Piece,
  tokenTensor,
} from '../models/tokens';
import { embeddingOf, LogitReader, rotaryOf } from '../models/yoco-ends';
import { SeededRandom } from '../tensor/random';
import { checkCount } from '../tensor/shapes';

export class LoopedYoco implements LanguageModel {
  readonly parameters = new ParameterStore();
  readonly loops: number;
  private readonly embedding: Embedding;
  private readonly selfDecoder: SelfDecoder;
  private readonly crossDecoder: CrossDecoder;
  private readonly reader: LogitReader;

  /** @throws RangeError if `loops` is no count, a half has no layer, or a field of the config is not allowed. */
  constructor(
    readonly config: YocoConfig,
    { loops = 3, seed = 0 }: { loops?: number; seed?: number } = {},
  ) {
    checkConfig(config);
    checkCount('LoopedYoco', 'loops', loops, 'rounds through the self-decoder');
    const { selfLayers, crossLayers } = config;
    if (selfLayers === 0 || crossLayers === 0)
      throw new RangeError(
        `LoopedYoco: selfLayers is ${selfLayers} and crossLayers ${crossLayers}; each half needs a layer.`,
      );
    this.loops = loops;
    const scope = new ParameterScope(this.parameters, new SeededRandom(seed));
    const rotary = rotaryOf(config);
    this.embedding = embeddingOf(scope, config);
    this.selfDecoder = new SelfDecoder(scope.within('self_decoder'), config, rotary);
    this.crossDecoder = new CrossDecoder(scope.within('cross_decoder'), config, rotary);
    this.reader = new LogitReader(scope, this.embedding, config);
  }

  logits(tokens: Tokens): tf.Tensor3D {
    return tf.tidy(() => {
      const middle = this.rounds(
        (x) => this.selfDecoder.apply(x),
        this.embedding.apply(tokenTensor('LoopedYoco.logits', tokens)),
      );
      return this.reader.read(
        this.crossDecoder.apply(middle, this.crossDecoder.keysAndValues(middle, 0)),
      );
    });
  }
  /** `0.self.0`, `0.self.1`, …, `1.self.0`, …, `cross`: a set of small memories for each round, one cache that grows. */
  newCache(batch = 1): LayerCache {
    const rounds = Array.from({ length: this.loops }, (_, round) =>
      this.selfDecoder.newMemories(batch).map(named(round)),
    );
    return new LayerCache(batch, new Map([...rounds.flat(), ['cross', new GrowingCache(batch)]]));
  }
  prefill(tokens: Tokens, cache: ModelCache, options: AllLogits): tf.Tensor3D;
  prefill(tokens: Tokens, cache: ModelCache, options?: PrefillOptions): tf.Tensor2D;
  prefill(tokens: Tokens, cache: ModelCache, options: PrefillOptions = {}): tf.Tensor {
    checkExit('LoopedYoco.prefill', options);
    return this.take(
      'LoopedYoco.prefill',
      () => tokenTensor('LoopedYoco.prefill', tokens),
      cache,
      options,
    );
  }
  step(token: readonly number[] | tf.Tensor1D, cache: ModelCache): tf.Tensor2D {
    return this.take(
      'LoopedYoco.step',
      () => oneTokenEach('LoopedYoco.step', token),
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
    return tf.tidy(() => {
      const ids = read();
      checkBatch(where, ids, cache);
      return (cache as LayerCache).advance((draft) => {
        const tops = inPieces(where, ids, options).map((piece, i, { length }) => {
          const middle = this.climbToTheMiddle(piece, draft);
          if (!earlyExit) return this.climbToTheTop(middle, draft);
          return i + 1 === length ? this.climbToTheTop(lastPosition(middle), draft) : undefined;
        });
        if (logits === 'all')
          return joinPieces((tops as tf.Tensor3D[]).map((top) => this.reader.read(top)));
        return this.reader.read(lastPosition(tops.at(-1)!)).reshape([cache.batch, -1]);
      });
    });
  }
  private climbToTheMiddle({ ids, padding }: Piece, draft: LayerCache): tf.Tensor3D {
    const start = firstPositions(draft.lengths, padding);
    const middle = this.rounds((x, round) => {
      // Only this round's memories: round 2 continues what round 2 has seen.
      const memories = new Map(
        Array.from({ length: this.selfDecoder.depth }, (_, i) => [
          `self.${i}`,
          draft.parts.get(`${round}.self.${i}`)!,
        ]),
      );
      return this.selfDecoder.apply(x, { memories, padding });
    }, this.embedding.apply(ids));
    (draft.parts.get('cross') as GrowingCache).append(
      this.crossDecoder.keysAndValues(middle, start),
      padding,
    );
    draft.count(this.loops * this.selfDecoder.depth, ids.shape[1]);
    return middle;
  }
  private climbToTheTop(middle: tf.Tensor3D, draft: LayerCache): tf.Tensor3D {
    draft.count(this.crossDecoder.depth, middle.shape[1]);
    return this.crossDecoder.apply(middle, draft.parts.get('cross') as GrowingCache);
  }
  /** The loop itself. */
  private rounds(
    once: (x: tf.Tensor3D, round: number) => tf.Tensor3D,
    x: tf.Tensor3D,
  ): tf.Tensor3D {
    for (let round = 0; round < this.loops; round++) x = once(x, round);
    return x;
  }
  dispose(): void {
    this.parameters.dispose();
  }
}

const named =
  (round: number) =>
  ([name, memory]: [string, Memory]): [string, Memory] => [`${round}.${name}`, memory];
