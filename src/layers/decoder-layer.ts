/**
 * One layer of any decoder here: mix positions, then think about each one.
 *
 *   y = x + mixer(norm(x))         the only line in which positions meet
 *   z = y + FFN(norm(y))
 *
 * The stream x runs straight through; both halves only add to it (pre-norm).
 * Source: YOCO, arXiv 2405.05254, eqs. 1 and 3: self- and cross-decoder differ in the mixer alone.
 */
import * as tf from '@tensorflow/tfjs';
import type { ParameterScope } from './parameters';
import { RMSNorm } from './rms-norm';
import { BASELINE_FFN, SwiGLU, type SwiGLUNames, YOCO_FFN } from './swiglu';

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

export class DecoderLayer<Mixer> {
  private readonly mixerNorm: RMSNorm;
  private readonly ffnNorm: RMSNorm;
  private readonly ffn: SwiGLU;
  constructor(
    scope: ParameterScope,
    readonly mixer: Mixer,
    {
      dim,
      ffnDim,
      normEps,
      names,
    }: { dim: number; ffnDim: number; normEps: number; names: LayerNames },
  ) {
    this.mixerNorm = new RMSNorm(scope.within(names.mixerNorm), dim, normEps);
    this.ffn = new SwiGLU(scope.within(names.ffn), dim, ffnDim, names.ffnWeights);
    this.ffnNorm = new RMSNorm(scope.within(names.ffnNorm), dim, normEps);
  }

  /** x [B,N,dim] → [B,N,dim]; `mix` calls the mixer with whatever memory it needs. */
  apply(x: tf.Tensor3D, mix: (mixer: Mixer, normed: tf.Tensor3D) => tf.Tensor3D): tf.Tensor3D {
    return tf.tidy(() => {
      const y = x.add<tf.Tensor3D>(mix(this.mixer, this.mixerNorm.apply(x)));
      return y.add<tf.Tensor3D>(this.ffn.apply(this.ffnNorm.apply(y)));
    });
  }
}
