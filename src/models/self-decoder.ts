/**
 * The lower half of YOCO: layers whose memory has a fixed size. It must see every token of a prompt.
 *
 * Which mixer it is made of is one word of the config; the paper measures gated retention and sliding-window attention.
 * Source: YOCO, arXiv 2405.05254, eq. 1.
 */
import type * as tf from '@tensorflow/tfjs';
import { SlidingWindowAttention } from '../attention/sliding-window';
import { DecoderLayer, YOCO_LAYER } from '../layers/decoder-layer';
import type { Memory } from '../layers/memory';
import type { TokenMixer } from '../layers/mixer';
import type { Padding } from '../layers/padding';
import type { ParameterScope } from '../layers/parameters';
import type { RotaryOptions } from '../layers/rotary';
import { GatedRetention } from '../retention/gated-retention';
import type { YocoConfig } from './config';
import type { Observer } from './language-model';

export class SelfDecoder {
  private readonly layers: DecoderLayer<TokenMixer>[];
  constructor(scope: ParameterScope, config: YocoConfig, rotary: RotaryOptions) {
    this.layers = Array.from({ length: config.selfLayers }, (_, i) => {
      const layer = scope.within(`layers.${i}`);
      return new DecoderLayer(layer, mixerOf(layer.within('mixer'), config, rotary), {
        ...config,
        names: YOCO_LAYER,
      });
    });
  }
  get depth(): number {
    return this.layers.length;
  }
  /** One empty memory per layer: `self.0`, `self.1`, … */
  newMemories(batch: number): [string, Memory][] {
    return this.layers.map((layer, i) => [`self.${i}`, layer.mixer.newMemory(batch)]);
  }
  /** x [B,N,dim] → [B,N,dim]; with memories, a continuation. */
  apply(
    x: tf.Tensor3D,
    {
      memories,
      padding,
      observe,
    }: { memories?: ReadonlyMap<string, Memory>; padding?: Padding; observe?: Observer } = {},
  ): tf.Tensor3D {
    return this.layers.reduce((stream, layer, i) => {
      const out = layer.apply(stream, (mixer, normed) =>
        mixer.mix(normed, memories?.get(`self.${i}`), padding),
      );
      observe?.(`self.${i}`, out);
      return out;
    }, x);
  }
}

function mixerOf(scope: ParameterScope, config: YocoConfig, rotary: RotaryOptions): TokenMixer {
  const {
    dim,
    selfHeads: heads,
    normEps,
    gateTemperature,
    keyScale,
    retentionForm: form,
    chunkSize,
  } = config;
  if (config.selfDecoder === 'sliding-window')
    return new SlidingWindowAttention(scope, {
      dim,
      heads,
      windowSize: config.windowSize!,
      rotary,
    });
  const { theta: ropeTheta, frequencies: rotaryFrequencies } = rotary;
  const decay = config.selfDecoder === 'gated-retention' ? 'gated' : 'fixed';
  return new GatedRetention(scope, {
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
  });
}
