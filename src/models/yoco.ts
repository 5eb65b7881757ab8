/**
 * YOCO: a self-decoder whose memory stays small, one global cache, a cross-decoder that reads it.
 *
 *   tokens → embedding → self-decoder → K̂, V̂ once → cross-decoder → logits
 *
 * The early exit. The next token's logits need the cross-decoder at the last position only: there it reads its own stream
 * and K̂, V̂, and these come from the self-decoder. So a prompt climbs to the middle, leaves its keys and values, and stops;
 * only its last token goes on. N·L/2 + L/2 layer-tokens instead of N·L, and the same numbers.
 *
 * Source: YOCO, arXiv 2405.05254; official `yoco.py`, whose names the weights have.
 */
import * as tf from '@tensorflow/tfjs';
import { GrowingCache } from '../attention/growing-cache';
import { Embedding } from '../blocks/embedding';
import { ParameterScope, ParameterStore } from '../blocks/parameters';
import { RMSNorm } from '../blocks/rms-norm';
import { SeededRandom } from '../engine/random';
import { checkConfig, type YocoConfig } from './config';
import { CrossDecoder } from './cross-decoder';
import type { LanguageModel, ModelCache, Observer, PrefillOptions, Tokens } from './language-model';
import { LayerCache } from './layer-cache';
import { OutputHead } from './output-head';
import { SelfDecoder } from './self-decoder';
import { type StateDict, toStateDict } from './state-dict';
import { checkBatch, inPieces, lastPosition, oneTokenEach, tokenTensor } from './tokens';

export class Yoco implements LanguageModel {
  readonly parameters = new ParameterStore();
  private readonly embedding: Embedding;
  private readonly selfDecoder: SelfDecoder;
  /** Absent when crossLayers is 0: then nothing above the self-decoder reads a global cache. */
  private readonly crossDecoder?: CrossDecoder;
  private readonly norm: RMSNorm;
  private readonly head: OutputHead;

  /** @throws RangeError naming the field of the config that is not allowed. */
  constructor(
    readonly config: YocoConfig,
    { seed = 0 }: { seed?: number } = {},
  ) {
    checkConfig(config);
    const { vocabSize, dim, normEps } = config;
    const scope = new ParameterScope(this.parameters, new SeededRandom(seed));
    const rotary = { style: 'interleaved', frequencies: config.rotaryFrequencies, theta: config.ropeTheta } as const;
    this.embedding = new Embedding(scope.within('embed_tokens'), vocabSize, dim, config.embeddingScale ? Math.sqrt(dim) : 1);
    this.selfDecoder = new SelfDecoder(scope.within('self_decoder'), config, rotary);
    if (config.crossLayers > 0) this.crossDecoder = new CrossDecoder(scope.within('cross_decoder'), config, rotary);
    this.norm = new RMSNorm(scope.within('layer_norm'), dim, normEps);
    this.head = new OutputHead(scope, 'output_projection', 'embed_tokens', this.embedding, config);
  }

  /** The full pass: all layers on all positions. Training and scoring need it; a prompt does not. */
  logits(tokens: Tokens, observe?: Observer): tf.Tensor3D {
    return tf.tidy(() => {
      const x = this.embedding.apply(tokenTensor('Yoco.logits', tokens));
      observe?.('embed', x);
      const middle = this.selfDecoder.apply(x, undefined, observe);
      const top = this.crossDecoder?.apply(middle, this.crossDecoder.keysAndValues(middle, 0, observe), observe) ?? middle;
      const last = this.norm.apply(top);
      observe?.('final_norm', last);
      return this.head.apply(last);
    });
  }

  newCache(batch = 1): LayerCache {
    const memories = this.selfDecoder.newMemories(batch);
    if (this.crossDecoder) memories.push(['cross', new GrowingCache(batch)]);
    return new LayerCache(batch, new Map(memories));
  }

  prefill(tokens: Tokens, cache: ModelCache, { pieceSize = 4096 }: PrefillOptions = {}): tf.Tensor2D {
    return this.take('Yoco.prefill', () => tokenTensor('Yoco.prefill', tokens), cache, pieceSize);
  }
  /** A generated token enters at the bottom like any other: all L layers, one position. */
  step(token: readonly number[] | tf.Tensor1D, cache: ModelCache): tf.Tensor2D {
    return this.take('Yoco.step', () => oneTokenEach('Yoco.step', token), cache, 1);
  }

  private take(where: string, read: () => tf.Tensor2D, cache: ModelCache, pieceSize: number): tf.Tensor2D {
    return tf.tidy(() => {
      const ids = read();
      checkBatch(where, ids, cache);
      return (cache as LayerCache).advance((draft) => {
        let last: tf.Tensor3D | undefined;
        for (const piece of inPieces(where, ids, pieceSize)) {
          last?.dispose();
          last = tf.tidy(() => this.climbToTheMiddle(piece, draft));
        }
        const global = draft.parts.get('cross') as GrowingCache | undefined;
        const top = this.crossDecoder?.apply(last!, global!) ?? last!;
        draft.count(this.crossDecoder?.depth ?? 0, 1);
        return this.head.apply(this.norm.apply(top)).reshape<tf.Tensor2D>([cache.batch, -1]);
      });
    });
  }

  /** The lower half on a whole piece: its memories move on, its K̂, V̂ are written; the last position is handed up. */
  private climbToTheMiddle(piece: tf.Tensor2D, draft: LayerCache): tf.Tensor3D {
    const start = draft.length;
    const middle = this.selfDecoder.apply(this.embedding.apply(piece), draft.parts);
    if (this.crossDecoder) (draft.parts.get('cross') as GrowingCache).append(this.crossDecoder.keysAndValues(middle, start));
    draft.count(this.selfDecoder.depth, piece.shape[1]);
    return lastPosition(middle);
  }

  stateDict(): StateDict {
    return toStateDict(this.parameters);
  }
  dispose(): void {
    this.parameters.dispose();
  }
}
