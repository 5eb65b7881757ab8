/**
 * The two ends that YOCO and its relatives share: tokens in at the bottom, logits out at the top. What lies between is what
 * makes each of them.
 *
 * The order in which a model makes its parts is the order in which weights are drawn from the seed: bottom, middle, top.
 */
import * as tf from '@tensorflow/tfjs';
import { Embedding } from '../layers/embedding';
import type { ParameterScope } from '../layers/parameters';
import { RMSNorm } from '../layers/rms-norm';
import type { RotaryOptions } from '../layers/rotary';
import type { YocoConfig } from './config';
import type { Observer } from './language-model';
import { OutputHead } from './output-head';

/** How positions turn queries and keys, in every layer alike. */
export const rotaryOf = ({
  rotaryFrequencies: frequencies,
  ropeTheta: theta,
}: YocoConfig): RotaryOptions => ({
  style: 'interleaved',
  frequencies,
  theta,
});

export const embeddingOf = (
  scope: ParameterScope,
  { vocabSize, dim, embeddingScale }: YocoConfig,
): Embedding =>
  new Embedding(scope.within('embed_tokens'), vocabSize, dim, embeddingScale ? Math.sqrt(dim) : 1);

/** The last norm, and the head. */
export class LogitReader {
  private readonly norm: RMSNorm;
  private readonly head: OutputHead;
  constructor(scope: ParameterScope, embedding: Embedding, config: YocoConfig) {
    this.norm = new RMSNorm(scope.within('layer_norm'), config.dim, config.normEps);
    this.head = new OutputHead(scope, 'output_projection', 'embed_tokens', embedding, config);
  }
  /** The top of the stack [B,N,dim] → logits [B,N,vocab]. */
  read(top: tf.Tensor3D, observe?: Observer): tf.Tensor3D {
    return tf.tidy(() => {
      const last = this.norm.apply(top);
      observe?.('final_norm', last);
      return this.head.apply(last);
    });
  }
}
