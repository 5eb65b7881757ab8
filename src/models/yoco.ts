/**
 * YOCO: a self-decoder whose memory stays small, one global cache, a cross-decoder that reads it.
 *
 *   tokens → embedding → self-decoder → K̂, V̂ once → cross-decoder → logits
 *
 * The early exit. The next token's logits need the cross-decoder at the last position only: there it reads its own stream
 * and K̂, V̂, and these come from the self-decoder. So a prompt climbs to the middle, leaves its keys and values, and stops;
 * only its last token goes on. N·L/2 + L/2 layer-tokens instead of N·L, and the same numbers. What the exit cannot give is
 * logits of the prompt's other positions: those must be asked for by name, and cost the full pass.
 *
 * Source: YOCO, arXiv 2405.05254; official `yoco.py`, whose names the weights have.
 */

import * as tf from '@tensorflow/tfjs';
import { GrowingCache } from '../attention/paged-kv-cache';
import type { Embedding } from '../layers/embedding';
import { firstPositions } from '../layers/padding';
import { ParameterScope, ParameterStore } from '../layers/parameters';
import { SeededRandom } from '../tensor/random';
import { checkConfig, type YocoConfig } from './config';
import { CrossDecoder } from './cross-decoder';
import type {
  AllLogits,
  LanguageModel,
  ModelCache,
  Observer,
  PrefillOptions,
  Tokens,
} from './language-model';
import { LayerCache } from './layer-cache';
import { SelfDecoder } from './self-decoder';
import {
  checkBatch,
  checkExit,
  inPieces,
  joinPieces,
  lastPosition,
  oneTokenEach,
  type Piece,
  tokenTensor,
} from './tokens';
import { embeddingOf, LogitReader, rotaryOf } from './yoco-ends';

export class Yoco implements LanguageModel {
  readonly parameters = new ParameterStore();
  private readonly embedding: Embedding;
  private readonly selfDecoder: SelfDecoder;
  /** Absent when crossLayers is 0: then nothing above the self-decoder reads a global cache. */
  private readonly crossDecoder?: CrossDecoder;
  private readonly reader: LogitReader;

  /** @throws RangeError naming the field of the config that is not allowed. */
  constructor(
    readonly config: YocoConfig,
    { seed = 0 }: { seed?: number } = {},
  ) {
    checkConfig(config);
    const scope = new ParameterScope(this.parameters, new SeededRandom(seed));
    const rotary = rotaryOf(config);
    this.embedding = embeddingOf(scope, config);
    this.selfDecoder = new SelfDecoder(scope.within('self_decoder'), config, rotary);
    if (config.crossLayers > 0)
      this.crossDecoder = new CrossDecoder(scope.within('cross_decoder'), config, rotary);
    this.reader = new LogitReader(scope, this.embedding, config);
  }

  /** The full pass: all layers on all positions. Training and scoring need it; a prompt does not. */
  logits(tokens: Tokens, observe?: Observer): tf.Tensor3D {
    return tf.tidy(() => {
      const x = this.embedding.apply(tokenTensor('Yoco.logits', tokens));
      observe?.('embed', x);
      const middle = this.selfDecoder.apply(x, { observe });
      const top =
        this.crossDecoder?.apply(
          middle,
          this.crossDecoder.keysAndValues(middle, 0, observe),
          observe,
        ) ?? middle;
      return this.reader.read(top, observe);
    });
  }

  newCache(batch = 1): LayerCache {
    const memories = this.selfDecoder.newMemories(batch);
    if (this.crossDecoder) memories.push(['cross', new GrowingCache(batch)]);
    return new LayerCache(batch, new Map(memories));
  }

  prefill(tokens: Tokens, cache: ModelCache, options: AllLogits): tf.Tensor3D;
  prefill(tokens: Tokens, cache: ModelCache, options?: PrefillOptions): tf.Tensor2D;
  prefill(tokens: Tokens, cache: ModelCache, options: PrefillOptions = {}): tf.Tensor {
    checkExit('Yoco.prefill', options);
    return this.take('Yoco.prefill', () => tokenTensor('Yoco.prefill', tokens), cache, options);
  }
  /** A generated token enters at the bottom like any other: all L layers, one position. */
  step(token: readonly number[] | tf.Tensor1D, cache: ModelCache): tf.Tensor2D {
    return this.take('Yoco.step', () => oneTokenEach('Yoco.step', token), cache, {}) as tf.Tensor2D;
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
        const seen = inPieces(where, ids, options).map((piece, i, { length }) =>
          tf.tidy(() => {
            const middle = this.climbToTheMiddle(piece, draft);
            if (logits === 'all') return this.reader.read(this.climbToTheTop(middle, draft));
            const top = earlyExit ? middle : this.climbToTheTop(middle, draft);
            return i + 1 === length ? lastPosition(top) : undefined;
          }),
        );
        if (logits === 'all') return joinPieces(seen as tf.Tensor3D[]);
        const last = seen.at(-1)!;
        return this.reader
          .read(earlyExit ? this.climbToTheTop(last, draft) : last)
          .reshape([cache.batch, -1]);
      });
    });
  }
  /** The lower half on a whole piece: its memories move on, its K̂, V̂ are written. */
  private climbToTheMiddle({ ids, padding }: Piece, draft: LayerCache): tf.Tensor3D {
    const start = firstPositions(draft.lengths, padding);
    const middle = this.selfDecoder.apply(this.embedding.apply(ids), {
      memories: draft.parts,
      padding,
    });
    if (this.crossDecoder)
      (draft.parts.get('cross') as GrowingCache).append(
        this.crossDecoder.keysAndValues(middle, start),
        padding,
      );
    draft.count(this.selfDecoder.depth, ids.shape[1]);
    return middle;
  }
  /** The upper half, on as many of the last positions as it is handed: it reads the global cache, and leaves no trace. */
  private climbToTheTop(middle: tf.Tensor3D, draft: LayerCache): tf.Tensor3D {
    if (!this.crossDecoder) return middle;
    draft.count(this.crossDecoder.depth, middle.shape[1]);
    return this.crossDecoder.apply(middle, draft.parts.get('cross') as GrowingCache);
  }

  dispose(): void {
    this.parameters.dispose();
  }
}
