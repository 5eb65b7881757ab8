/**
 * The other way to mix the two kinds of layer: gated retention and full attention in turn, one stack, no halves.
 *
 *   retention, attention, retention, attention …        each attention layer writes and reads keys and values of its own
 *
 * On quality it is YOCO's equal in the paper (table 6: loss 3.542 against 3.530). On memory it is not: L/2 caches instead
 * of one, and no early exit, because an attention layer's keys come from the layers below it at every position. The
 * comparison says what the halves are for: not a better loss, but the same loss with one cache.
 *
 * Made for that comparison: no cache, no file.
 * Source: YOCO, arXiv 2405.05254, section "Ablation studies", `interleaved hybrid`.
 */

import * as tf from '@tensorflow/tfjs';
import { SelfAttention } from '../attention/self-attention';
import { DecoderLayer, YOCO_LAYER } from '../layers/decoder-layer';
import type { Embedding } from '../layers/embedding';
import type { TokenMixer } from '../layers/mixer';
import { ParameterScope, ParameterStore } from '../layers/parameters';
import { checkConfig, type YocoConfig } from '../models/config';
import type { Tokens } from '../models/language-model';
import { tokenTensor } from '../models/tokens';
import { embeddingOf, LogitReader, rotaryOf } from '../models/yoco-ends';
import { GatedRetention } from '../retention/gated-retention';
import { SeededRandom } from '../tensor/random';

export class Interleaved {
  readonly parameters = new ParameterStore();
  private readonly embedding: Embedding;
  private readonly layers: DecoderLayer<TokenMixer>[];
  private readonly reader: LogitReader;

  /** @param config of a YOCO with gated retention: as many layers of each kind as it has in its halves, which must be equal. */
  constructor(
    readonly config: YocoConfig,
    { seed = 0 }: { seed?: number } = {},
  ) {
    checkConfig(config);
    const { dim, heads, kvHeads, selfHeads, selfLayers, crossLayers, normEps } = config;
    if (selfLayers !== crossLayers || config.selfDecoder !== 'gated-retention')
      throw new RangeError(
        `Interleaved: it takes turns between gated retention and attention; selfLayers is ${selfLayers}, crossLayers ${crossLayers}, selfDecoder ${config.selfDecoder}. Give equal halves and gated-retention.`,
      );
    const scope = new ParameterScope(this.parameters, new SeededRandom(seed));
    const {
      ropeTheta,
      rotaryFrequencies,
      gateTemperature,
      keyScale,
      retentionForm: form,
      chunkSize,
    } = config;
    const rotary = rotaryOf(config);
    this.embedding = embeddingOf(scope, config);
    this.layers = Array.from({ length: selfLayers + crossLayers }, (_, i) => {
      const layer = scope.within(`layers.${i}`);
      const mixer: TokenMixer =
        i % 2 === 0
          ? new GatedRetention(layer.within('mixer'), {
              ...{
                dim,
                heads: selfHeads,
                decay: 'gated',
                normEps,
                gateTemperature,
                keyScale,
                form,
                chunkSize,
                ropeTheta,
                rotaryFrequencies,
              },
            })
          : new SelfAttention(layer.within('mixer'), {
              dim,
              heads,
              kvHeads,
              headDim: dim / heads,
              rotary,
            });
      return new DecoderLayer(layer, mixer, { ...config, names: YOCO_LAYER });
    });
    this.reader = new LogitReader(scope, this.embedding, config);
  }

  /** Logits of every position, [B,N,vocab]. The caller owns them. */
  logits(tokens: Tokens): tf.Tensor3D {
    return tf.tidy(() => {
      const x = this.embedding.apply(tokenTensor('Interleaved.logits', tokens));
      const top = this.layers.reduce(
        (stream, layer) => layer.apply(stream, (mixer, normed) => mixer.mix(normed)),
        x,
      );
      return this.reader.read(top);
    });
  }
  dispose(): void {
    this.parameters.dispose();
  }
}
