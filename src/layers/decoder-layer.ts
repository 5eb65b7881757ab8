/**
 * One layer of every decoder here: mix positions, then transform each position alone.
 *
 *   y = x + Mixer(RMSNorm(x))         the only line in which positions meet
 *   z = y + SwiGLU(RMSNorm(y))
 *
 * Source: YOCO, arXiv 2405.05254, self-decoder (arXiv eq. 1) and cross-decoder (arXiv eq. 3): the
 * two differ in the mixer alone.
 */
import * as tf from '@tensorflow/tfjs';
import type { Mixer } from './mixer';
import type { PadLengths } from './padding';
import type { ParameterScope } from './parameters';
import { RMSNorm } from './rms-norm';
import { BASELINE_FFN, SwiGLU, type SwiGLUNames, YOCO_FFN } from './swiglu';

/** The official names of a layer's weights. */
export interface LayerNames {
  mixerNorm: string;
  ffnNorm: string;
  ffn: string;
  ffnWeights: SwiGLUNames;
}
export const YOCO_LAYER: LayerNames = {
  mixerNorm: 'mixer_layer_norm',
  ffnNorm: 'final_layer_norm',
  ffn: 'ffn',
  ffnWeights: YOCO_FFN,
};
export const BASELINE_LAYER: LayerNames = {
  mixerNorm: 'attention_norm',
  ffnNorm: 'ffn_norm',
  ffn: 'feed_forward',
  ffnWeights: BASELINE_FFN,
};

export interface DecoderLayerOptions {
  dim: number;
  ffnDim: number;
  normEps: number;
  names?: LayerNames;
}

export class DecoderLayer<Cache> {
  readonly mixerNorm: RMSNorm;
  readonly ffnNorm: RMSNorm;
  readonly ffn: SwiGLU;

  constructor(
    scope: ParameterScope,
    readonly mixer: Mixer<Cache>,
    { dim, ffnDim, normEps, names = YOCO_LAYER }: DecoderLayerOptions,
  ) {
    this.mixerNorm = new RMSNorm(scope.within(names.mixerNorm), dim, normEps);
    this.ffn = new SwiGLU(scope.within(names.ffn), dim, ffnDim, names.ffnWeights);
    this.ffnNorm = new RMSNorm(scope.within(names.ffnNorm), dim, normEps);
  }

  /** x [B, N, dim] → [B, N, dim]; the cache, if given, takes the N tokens in. */
  forward(x: tf.Tensor3D, cache?: Cache, padLengths?: PadLengths): tf.Tensor3D {
    return tf.tidy(() => {
      const mixed = this.mixer.forward(this.mixerNorm.forward(x), cache, padLengths);
      const y: tf.Tensor3D = x.add(mixed); // [B, N, dim]
      return y.add(this.ffn.forward(this.ffnNorm.forward(y)));
    });
  }
}
