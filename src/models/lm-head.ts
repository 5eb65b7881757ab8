/**
 * The top of every model: the last norm, then one logit per token of the vocabulary, from a matrix
 * of its own or, with tied embeddings, from the embedding table.
 */
import * as tf from '@tensorflow/tfjs';
import type { Embedding } from '../layers/embedding';
import { Linear } from '../layers/linear';
import type { ParameterScope } from '../layers/parameters';
import { RMSNorm } from '../layers/rms-norm';
import type { ModelConfig } from './config';
import type { Observer } from './language-model';

/** The official names of the weights. */
export interface HeadNames {
  norm: string;
  projection: string;
  embedding: string;
}
export const YOCO_HEAD: HeadNames = {
  norm: 'layer_norm',
  projection: 'output_projection',
  embedding: 'embed_tokens',
};
export const BASELINE_HEAD: HeadNames = {
  norm: 'norm',
  projection: 'output',
  embedding: 'tok_embeddings',
};

type HeadConfig = Pick<ModelConfig, 'dim' | 'vocabSize' | 'normEps' | 'tiedEmbeddings'>;

export class LmHead {
  private readonly norm: RMSNorm;
  /** Absent if embeddings are tied. */
  private readonly projection?: Linear;

  constructor(
    scope: ParameterScope,
    private readonly embedding: Embedding,
    { dim, vocabSize, normEps, tiedEmbeddings }: HeadConfig,
    names: HeadNames = YOCO_HEAD,
  ) {
    this.norm = new RMSNorm(scope.within(names.norm), dim, normEps);
    // The official file stores a tied table under both names.
    if (tiedEmbeddings)
      scope.store.alias(`${names.projection}.weight`, `${names.embedding}.weight`);
    else this.projection = new Linear(scope.within(names.projection), dim, vocabSize);
  }

  /** x [B, N, dim], the output of the last layer → logits [B, N, vocab]. */
  forward(x: tf.Tensor3D, observe?: Observer): tf.Tensor3D {
    return tf.tidy(() => {
      const normed = this.norm.forward(x); // [B, N, dim]
      observe?.('final_norm', normed);
      return this.projection?.forward(normed) ?? this.embedding.logits(normed);
    });
  }
}
