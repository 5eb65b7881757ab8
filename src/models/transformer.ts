/**
 * The Transformer baseline: L equal layers, each with full attention and a cache of its own.
 *
 * Source: official `transformer.py` beside YOCO, the model of the paper's comparisons.
 */
import * as tf from '@tensorflow/tfjs';
import { SelfAttention } from '../attention/self-attention';
import { BASELINE_LAYER, DecoderLayer } from '../layers/decoder-layer';
import { Embedding } from '../layers/embedding';
import type { LayerCache } from '../layers/mixer';
import { ParameterScope, ParameterStore } from '../layers/parameters';
import { BASELINE_ROTARY } from '../layers/rotary';
import { SeededRandom } from '../tensor/random';
import { checkConfig, type TransformerConfig } from './config';
import type {
  ForwardOptions,
  LanguageModel,
  Observer,
  PrefillOptions,
  Tokens,
} from './language-model';
import { BASELINE_HEAD, LmHead } from './lm-head';
import { ModelCache } from './model-cache';
import { concatTime, lastPosition, oneTokenEach, type PromptChunk, readPrompt } from './prompt';
import { namedLayers } from './yoco-cache';

/** Everything that a Transformer keeps between two calls: one cache per layer. */
export class TransformerCache extends ModelCache {
  constructor(
    model: object,
    batch: number,
    /** The keys and values of all tokens, or of a window; an update replaces them. */
    public layers: readonly LayerCache[],
  ) {
    super(model, batch);
  }
  parts(): Record<string, LayerCache> {
    return namedLayers(this.layers);
  }
  protected withParts(layers: Record<string, LayerCache>): this {
    return new TransformerCache(this.model, this.batch, Object.values(layers)) as this;
  }
  protected assign(other: this): void {
    this.layers = other.layers;
  }
}

export class Transformer implements LanguageModel {
  readonly parameters = new ParameterStore();
  private readonly embedding: Embedding;
  private readonly mixers: SelfAttention[] = [];
  private readonly layers: DecoderLayer<LayerCache>[] = [];
  private readonly head: LmHead;

  /** @throws RangeError naming the field of the config that is not allowed. */
  constructor(
    readonly config: TransformerConfig,
    { seed = 0 }: { seed?: number } = {},
  ) {
    checkConfig(config);
    const { vocabSize, dim, layers, ropeTheta } = config;
    const scope = new ParameterScope(this.parameters, new SeededRandom(seed));
    const rotary = { ...BASELINE_ROTARY, theta: ropeTheta };
    this.embedding = new Embedding(scope.within('tok_embeddings'), vocabSize, dim);
    for (let i = 0; i < layers; i++) {
      const layerScope = scope.within(`layers.${i}`);
      const mixer = new SelfAttention(layerScope.within('attention'), { ...config, rotary });
      const names = BASELINE_LAYER;
      this.mixers.push(mixer);
      this.layers.push(new DecoderLayer<LayerCache>(layerScope, mixer, { ...config, names }));
    }
    this.head = new LmHead(scope, this.embedding, config, BASELINE_HEAD);
  }

  newCache(batch = 1): TransformerCache {
    const layers = this.mixers.map((mixer) => mixer.newCache(batch));
    return new TransformerCache(this, batch, layers);
  }

  /** All layers on all positions: logits [B, N, vocab]. */
  forward(tokens: Tokens, cache?: TransformerCache, options: ForwardOptions = {}): tf.Tensor3D {
    return tf.tidy(() => {
      const chunks = readPrompt('Transformer.forward', this, tokens, cache, options);
      const { observe } = options;
      if (!cache) return this.head.forward(this.runLayers(chunks[0], undefined, observe), observe);
      return cache.transaction((working) => {
        const logits: tf.Tensor3D[] = []; // [B, c, vocab] each
        for (const chunk of chunks) {
          logits.push(tf.tidy(() => this.head.forward(this.runLayers(chunk, working, observe))));
        }
        return concatTime(logits);
      });
    });
  }

  /**
   * Reads the prompt [B, N] into the cache: the next token's logits [B, vocab]. All layers run on
   * all positions, because each layer keeps keys and values of all of them; only the head runs on
   * the last position alone.
   */
  prefill(tokens: Tokens, cache: TransformerCache, options: PrefillOptions = {}): tf.Tensor2D {
    return tf.tidy(() => {
      const chunks = readPrompt('Transformer.prefill', this, tokens, cache, options);
      return cache.transaction((working) => {
        let x!: tf.Tensor3D;
        for (const chunk of chunks) {
          x = tf.tidy(() => lastPosition(this.runLayers(chunk, working))); // [B, 1, dim]
        }
        return this.head.forward(x).reshape([cache.batch, -1]); // [B, vocab]
      });
    });
  }

  step(token: readonly number[] | tf.Tensor1D, cache: TransformerCache): tf.Tensor2D {
    return tf.tidy(() => this.prefill(oneTokenEach('Transformer.step', token), cache));
  }

  /** [B, c] → the output of the last layer [B, c, dim]. */
  private runLayers(
    { tokens, padLengths }: PromptChunk,
    cache?: TransformerCache,
    observe?: Observer,
  ): tf.Tensor3D {
    let x = this.embedding.forward(tokens); // [B, c, dim]
    observe?.('embed', x);
    for (const [i, layer] of this.layers.entries()) {
      x = layer.forward(x, cache?.layers[i], padLengths);
      observe?.(`layers.${i}`, x);
    }
    cache?.countWork(this.layers.length, tokens.shape[1]);
    return x;
  }

  dispose(): void {
    this.parameters.dispose();
  }
}
