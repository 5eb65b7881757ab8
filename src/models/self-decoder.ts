/**
 * The lower half of YOCO: layers whose caches have a bounded size. It must see every token of a
 * prompt. One word of the config chooses its mixer; the paper measures gated retention and
 * sliding-window attention, and the gated delta rule came after it.
 *
 * Source: YOCO, arXiv 2405.05254, self-decoder (arXiv eq. 1).
 */
import type * as tf from '@tensorflow/tfjs';
import { SlidingWindowAttention } from '../attention/sliding-window';
import { GatedDelta } from '../delta-rule/gated-delta';
import { DecoderLayer } from '../layers/decoder-layer';
import type { LayerCache, TokenMixer } from '../layers/mixer';
import type { PadLengths } from '../layers/padding';
import type { ParameterScope } from '../layers/parameters';
import { GatedRetention } from '../retention/gated-retention';
import { rotaryOf, unknownSelfDecoder, type YocoConfig } from './config';
import type { Observer } from './language-model';

export class SelfDecoder {
  readonly mixers: TokenMixer[] = [];
  readonly layers: DecoderLayer<LayerCache>[] = [];

  constructor(scope: ParameterScope, config: YocoConfig) {
    for (let i = 0; i < config.selfLayers; i++) {
      const layerScope = scope.within(`layers.${i}`);
      const mixer = newMixer(layerScope.within('mixer'), config);
      this.mixers.push(mixer);
      this.layers.push(new DecoderLayer(layerScope, mixer, config));
    }
  }

  /** One empty cache per layer. */
  newCaches(batch: number): LayerCache[] {
    return this.mixers.map((mixer) => mixer.newCache(batch));
  }

  /** x [B, N, dim] → [B, N, dim]; with caches, the tokens continue them. */
  forward(
    x: tf.Tensor3D,
    caches?: readonly LayerCache[],
    padLengths?: PadLengths,
    observe?: Observer,
  ): tf.Tensor3D {
    for (const [i, layer] of this.layers.entries()) {
      x = layer.forward(x, caches?.[i], padLengths);
      observe?.(`self.${i}`, x);
    }
    return x;
  }
}

function newMixer(scope: ParameterScope, config: YocoConfig): TokenMixer {
  const { dim, selfHeads: heads, implementation, selfDecoder } = config;
  switch (selfDecoder) {
    case 'gated-retention':
    case 'retention':
      return newRetention(scope, config);
    case 'sliding-window': {
      const windowSize = config.windowSize as number; // checkConfig requires it
      const options = { dim, heads, windowSize, rotary: rotaryOf(config), implementation };
      return new SlidingWindowAttention(scope, options);
    }
    case 'gated-delta': {
      const { gateTemperature, normEps, retentionForm: form, chunkSize } = config;
      return new GatedDelta(scope, { dim, heads, gateTemperature, normEps, form, chunkSize });
    }
    default:
      return unknownSelfDecoder('SelfDecoder', selfDecoder);
  }
}

/** The retention layer of a config: gated, or with RetNet's fixed decay. */
export function newRetention(scope: ParameterScope, config: YocoConfig): GatedRetention {
  return new GatedRetention(scope, {
    dim: config.dim,
    heads: config.selfHeads,
    decay: config.selfDecoder === 'gated-retention' ? 'gated' : 'fixed',
    normEps: config.normEps,
    gateTemperature: config.gateTemperature,
    keyScale: config.keyScale,
    form: config.retentionForm,
    chunkSize: config.chunkSize,
    ropeTheta: config.ropeTheta,
    rotaryFrequencies: config.rotaryFrequencies,
    implementation: config.implementation,
  });
}
