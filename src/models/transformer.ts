/**
 * The Transformer baseline: L equal layers, each with full attention and a cache of its own.
 *
 * Source: official `transformer.py` beside YOCO (the model that the paper's comparisons are made with).
 */
import * as tf from '@tensorflow/tfjs';
import type { GrowingCache } from '../attention/paged-kv-cache';
import type { RingCache } from '../attention/rolling-kv-cache';
import { SelfAttention } from '../attention/self-attention';
import { BASELINE_LAYER, DecoderLayer } from '../layers/decoder-layer';
import { Embedding } from '../layers/embedding';
import { ParameterScope, ParameterStore } from '../layers/parameters';
import { RMSNorm } from '../layers/rms-norm';
import { BASELINE_ROTARY } from '../layers/rotary';
import { SeededRandom } from '../tensor/random';
import { checkConfig, type TransformerConfig } from './config';
import type {
  AllLogits,
  LanguageModel,
  ModelCache,
  Observer,
  PrefillOptions,
  Tokens,
} from './language-model';
import { LayerCache } from './layer-cache';
import { OutputHead } from './output-head';
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

export class Transformer implements LanguageModel {
  readonly parameters = new ParameterStore();
  private readonly embedding: Embedding;
  private readonly layers: DecoderLayer<SelfAttention>[];
  private readonly norm: RMSNorm;
  private readonly head: OutputHead;

  /** @throws RangeError naming the field of the config that is not allowed. */
  constructor(
    readonly config: TransformerConfig,
    { seed = 0 }: { seed?: number } = {},
  ) {
    checkConfig(config);
    const { vocabSize, dim, ffnDim, heads, kvHeads, headDim, windowSize, normEps } = config;
    const scope = new ParameterScope(this.parameters, new SeededRandom(seed));
    const rotary = { ...BASELINE_ROTARY, theta: config.ropeTheta };
    this.embedding = new Embedding(scope.within('tok_embeddings'), vocabSize, dim);
    this.layers = Array.from({ length: config.layers }, (_, i) => {
      const layer = scope.within(`layers.${i}`);
      const mixer = new SelfAttention(layer.within('attention'), {
        dim,
        heads,
        kvHeads,
        headDim,
        windowSize,
        rotary,
      });
      return new DecoderLayer(layer, mixer, { dim, ffnDim, normEps, names: BASELINE_LAYER });
    });
    this.norm = new RMSNorm(scope.within('norm'), dim, normEps);
    this.head = new OutputHead(scope, 'output', 'tok_embeddings', this.embedding, config);
  }

  logits(tokens: Tokens, observe?: Observer): tf.Tensor3D {
    return tf.tidy(() => {
      let x = this.embedding.apply(tokenTensor('Transformer.logits', tokens));
      observe?.('embed', x);
      this.layers.forEach((layer, i) => {
        x = layer.apply(x, (attention, normed) => attention.mix(normed));
        observe?.(`layers.${i}`, x);
      });
      const last = this.norm.apply(x);
      observe?.('final_norm', last);
      return this.head.apply(last);
    });
  }

  newCache(batch = 1): LayerCache {
    return new LayerCache(
      batch,
      new Map(this.layers.map((layer, i) => [`layers.${i}`, layer.mixer.newMemory(batch)])),
    );
  }

  prefill(tokens: Tokens, cache: ModelCache, options: AllLogits): tf.Tensor3D;
  prefill(tokens: Tokens, cache: ModelCache, options?: PrefillOptions): tf.Tensor2D;
  prefill(tokens: Tokens, cache: ModelCache, options: PrefillOptions = {}): tf.Tensor {
    checkExit('Transformer.prefill', options);
    return this.take(
      'Transformer.prefill',
      () => tokenTensor('Transformer.prefill', tokens),
      cache,
      options,
    );
  }
  step(token: readonly number[] | tf.Tensor1D, cache: ModelCache): tf.Tensor2D {
    return this.take(
      'Transformer.step',
      () => oneTokenEach('Transformer.step', token),
      cache,
      {},
    ) as tf.Tensor2D;
  }

  /**
   * Every layer runs on every position: the layer above needs the keys and values of all of them. Only the norm and the
   * head are spared all positions but the last.
   */
  private take(
    where: string,
    read: () => tf.Tensor2D,
    cache: ModelCache,
    options: PrefillOptions,
  ): tf.Tensor {
    const all = options.logits === 'all';
    return tf.tidy(() => {
      const ids = read();
      checkBatch(where, ids, cache);
      return (cache as LayerCache).advance((draft) => {
        const seen = inPieces(where, ids, options).map((piece, i, { length }) =>
          tf.tidy(() => {
            const top = this.climb(piece, draft);
            if (all) return this.read(top);
            return i + 1 === length ? this.read(lastPosition(top)) : undefined;
          }),
        );
        return all ? joinPieces(seen as tf.Tensor3D[]) : seen.at(-1)!.reshape([cache.batch, -1]);
      });
    });
  }
  /** From the top of the stack to logits. */
  private read(top: tf.Tensor3D): tf.Tensor3D {
    return this.head.apply(this.norm.apply(top));
  }

  /** All layers on a piece. */
  private climb({ ids, padding }: Piece, draft: LayerCache): tf.Tensor3D {
    let x = this.embedding.apply(ids);
    this.layers.forEach((layer, i) => {
      const memory = draft.parts.get(`layers.${i}`) as GrowingCache | RingCache;
      x = layer.apply(x, (attention, normed) => attention.mix(normed, memory, padding));
    });
    draft.count(this.layers.length, ids.shape[1]);
    return x;
  }

  dispose(): void {
    this.parameters.dispose();
  }
}
