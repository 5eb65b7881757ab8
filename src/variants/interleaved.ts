/**
 * Gated retention and full attention in turn: one stack without halves.
 *
 *   retention, attention, retention, attention …     each attention layer has its own keys, values
 *
 * In the paper its loss is about YOCO's (3.542 against 3.530, NeurIPS table 6). Its memory is not:
 * L/2 growing caches instead of one, and no early exit, because the keys of an attention layer
 * come from the layers below it at every position. Made for that comparison: it keeps no cache.
 *
 * Source: YOCO, arXiv 2405.05254, ablation studies, `interleaved hybrid`.
 */
import * as tf from '@tensorflow/tfjs';
import { SelfAttention } from '../attention/self-attention';
import { DecoderLayer } from '../layers/decoder-layer';
import { Embedding } from '../layers/embedding';
import type { LayerCache, Mixer } from '../layers/mixer';
import { ParameterScope, ParameterStore } from '../layers/parameters';
import { checkConfig, rotaryOf, type YocoConfig } from '../models/config';
import type { Tokens } from '../models/language-model';
import { LmHead } from '../models/lm-head';
import { tokenTensor } from '../models/prompt';
import { newRetention } from '../models/self-decoder';
import { SeededRandom } from '../tensor/random';

export class Interleaved {
  readonly parameters = new ParameterStore();
  private readonly embedding: Embedding;
  private readonly layers: DecoderLayer<LayerCache>[] = [];
  private readonly head: LmHead;

  /** @param config a YOCO with gated retention; its halves, which must be equal, take turns. */
  constructor(
    readonly config: YocoConfig,
    { seed = 0 }: { seed?: number } = {},
  ) {
    checkConfig(config);
    const { vocabSize, dim, heads, selfLayers, crossLayers, selfDecoder } = config;
    if (selfLayers !== crossLayers || selfDecoder !== 'gated-retention')
      throw new RangeError(
        `Interleaved: ${selfLayers} + ${crossLayers}, ${selfDecoder}; give n + n, gated-retention.`,
      );
    const scope = new ParameterScope(this.parameters, new SeededRandom(seed));
    const scale = config.embeddingScale ? Math.sqrt(dim) : 1;
    const attention = { ...config, headDim: dim / heads, rotary: rotaryOf(config) };
    this.embedding = new Embedding(scope.within('embed_tokens'), vocabSize, dim, scale);
    for (let i = 0; i < selfLayers + crossLayers; i++) {
      const layerScope = scope.within(`layers.${i}`);
      const mixerScope = layerScope.within('mixer');
      const mixer =
        i % 2 === 0 ? newRetention(mixerScope, config) : new SelfAttention(mixerScope, attention);
      this.layers.push(new DecoderLayer(layerScope, mixer as Mixer<LayerCache>, config));
    }
    this.head = new LmHead(scope, this.embedding, config);
  }

  /** Logits of every position, [B, N, vocab]. The caller owns them. */
  forward(tokens: Tokens): tf.Tensor3D {
    return tf.tidy(() => {
      const ids = tokenTensor('Interleaved.forward', tokens, this.config.vocabSize);
      let x = this.embedding.forward(ids); // [B, N, dim]
      for (const layer of this.layers) x = layer.forward(x);
      return this.head.forward(x);
    });
  }
  dispose(): void {
    this.parameters.dispose();
  }
}
