/**
 * YOCO: a self-decoder with bounded caches, one global cache, and a cross-decoder that reads it.
 *
 *   tokens → embedding → self-decoder → K̂, V̂ once → cross-decoder → logits
 *
 * The early exit: the logits of the next token need the cross-decoder at the last position only.
 * There it reads its own hidden state and K̂, V̂, and these come from the self-decoder. So all
 * positions of a prompt but the last stop in the middle: N·L/2 + L/2 layer-tokens instead of N·L,
 * and the same numbers. Logits of the other positions need the full pass: `forward`.
 *
 * Source: YOCO, arXiv 2405.05254; official `yoco.py`, whose names the weights have.
 */
import * as tf from '@tensorflow/tfjs';
import { newKvCache } from '../attention/kv-cache';
import { Embedding } from '../layers/embedding';
import type { LayerCache } from '../layers/mixer';
import type { PadLengths } from '../layers/padding';
import { ParameterScope, ParameterStore } from '../layers/parameters';
import { SeededRandom } from '../tensor/random';
import { checkConfig, type YocoConfig } from './config';
import { CrossDecoder } from './cross-decoder';
import type {
  ForwardOptions,
  LanguageModel,
  Observer,
  PrefillOptions,
  Tokens,
} from './language-model';
import { LmHead } from './lm-head';
import { concatTime, lastPosition, oneTokenEach, type PromptChunk, readPrompt } from './prompt';
import { SelfDecoder } from './self-decoder';
import { YocoCache } from './yoco-cache';

export class Yoco implements LanguageModel {
  readonly parameters = new ParameterStore();
  protected readonly embedding: Embedding;
  protected readonly selfDecoder: SelfDecoder;
  protected readonly crossDecoder: CrossDecoder;
  protected readonly head: LmHead;

  /** @throws RangeError naming the field of the config that is not allowed. */
  constructor(
    readonly config: YocoConfig,
    { seed = 0 }: { seed?: number } = {},
  ) {
    checkConfig(config);
    const { vocabSize, dim, embeddingScale } = config;
    const scope = new ParameterScope(this.parameters, new SeededRandom(seed));
    const scale = embeddingScale ? Math.sqrt(dim) : 1;
    this.embedding = new Embedding(scope.within('embed_tokens'), vocabSize, dim, scale);
    this.selfDecoder = new SelfDecoder(scope.within('self_decoder'), config);
    this.crossDecoder = this.newCrossDecoder(scope.within('cross_decoder'));
    this.head = new LmHead(scope, this.embedding, config);
  }

  newCache(batch = 1): YocoCache {
    const { implementation = 'fast' } = this.config;
    const global = newKvCache(implementation, batch);
    return new YocoCache(this, batch, this.newLayerCaches(batch), global);
  }

  /** All layers on all positions: logits [B, N, vocab]. */
  forward(tokens: Tokens, cache?: YocoCache, options: ForwardOptions = {}): tf.Tensor3D {
    return tf.tidy(() => {
      const chunks = readPrompt('Yoco.forward', this, tokens, cache, options);
      const { observe } = options;
      if (!cache) {
        const middle = this.runSelfDecoder(chunks[0], undefined, observe); // [B, N, dim]
        const top = this.runCrossDecoder(middle, undefined, observe); // [B, N, dim]
        return this.head.forward(top, observe);
      }
      return cache.transaction((working) => {
        const logits: tf.Tensor3D[] = []; // [B, c, vocab] each
        for (const chunk of chunks) {
          const ofChunk = tf.tidy(() => {
            const middle = this.runSelfDecoder(chunk, working, observe); // [B, c, dim]
            const top = this.runCrossDecoder(middle, working, observe); // [B, c, dim]
            return this.head.forward(top, observe);
          });
          logits.push(ofChunk);
        }
        return concatTime(logits);
      });
    });
  }

  /** Reads the prompt [B, N] into the cache: the next token's logits [B, vocab]. */
  prefill(tokens: Tokens, cache: YocoCache, options: PrefillOptions = {}): tf.Tensor2D {
    return tf.tidy(() => {
      const chunks = readPrompt('Yoco.prefill', this, tokens, cache, options);
      return cache.transaction((working) => {
        let x!: tf.Tensor3D;
        for (const chunk of chunks) {
          x = tf.tidy(() => lastPosition(this.runSelfDecoder(chunk, working))); // [B, 1, dim]
        }
        const logits = this.head.forward(this.runCrossDecoder(x, working)); // the early exit
        return logits.reshape([cache.batch, -1]); // [B, vocab]
      });
    });
  }

  /** A generated token [B] enters at the bottom like any other: all layers, one position. */
  step(token: readonly number[] | tf.Tensor1D, cache: YocoCache): tf.Tensor2D {
    return tf.tidy(() => this.prefill(oneTokenEach('Yoco.step', token), cache));
  }

  /**
   * Embedding and self-decoder: [B, c] → X^{L/2} [B, c, dim]. With a cache, its layers move on
   * and K̂, V̂ of the c positions are appended.
   */
  protected runSelfDecoder(
    { tokens, padLengths }: PromptChunk,
    cache?: YocoCache,
    observe?: Observer,
  ): tf.Tensor3D {
    const embedded = this.embedding.forward(tokens); // [B, c, dim]
    observe?.('embed', embedded);
    const x = this.runSelfLayers(embedded, cache?.layers, padLengths, observe); // [B, c, dim]
    if (cache) {
      this.crossDecoder.appendTo(cache.global, x, padLengths);
      cache.countWork(cache.layers.length, tokens.shape[1]);
    }
    return x;
  }

  /** The cross-decoder on the last n positions: x [B, n, dim] → [B, n, dim]. */
  protected runCrossDecoder(x: tf.Tensor3D, cache?: YocoCache, observe?: Observer): tf.Tensor3D {
    cache?.countWork(this.crossDecoder.layers.length, x.shape[1]);
    const global = cache?.global ?? this.crossDecoder.keysValues(x, observe);
    return this.crossDecoder.forward(x, global, observe);
  }

  // The two methods that the looped model replaces.
  protected runSelfLayers(
    x: tf.Tensor3D,
    caches?: readonly LayerCache[],
    padLengths?: PadLengths,
    observe?: Observer,
  ): tf.Tensor3D {
    return this.selfDecoder.forward(x, caches, padLengths, observe);
  }
  protected newLayerCaches(batch: number): LayerCache[] {
    return this.selfDecoder.newCaches(batch);
  }
  /** The method that the model with gated memory units replaces. */
  protected newCrossDecoder(scope: ParameterScope): CrossDecoder {
    return new CrossDecoder(scope, this.config);
  }

  dispose(): void {
    this.parameters.dispose();
  }
}
