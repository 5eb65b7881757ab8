/** From the last hidden state to one score per token of the vocabulary: a table of its own, or the embedding's again. */
import type * as tf from '@tensorflow/tfjs';
import type { Embedding } from '../layers/embedding';
import { Linear } from '../layers/linear';
import type { ParameterScope } from '../layers/parameters';

export class OutputHead {
  private readonly own?: Linear;
  constructor(
    scope: ParameterScope,
    name: string,
    embeddingName: string,
    private readonly embedding: Embedding,
    { dim, vocabSize, tiedEmbeddings }: { dim: number; vocabSize: number; tiedEmbeddings: boolean },
  ) {
    // The official file stores a tied table under both names.
    if (tiedEmbeddings) scope.store.alias(`${name}.weight`, `${embeddingName}.weight`);
    else this.own = new Linear(scope.within(name), dim, vocabSize);
  }
  /** x [B,N,dim], normed → logits [B,N,vocab]. */
  apply(x: tf.Tensor3D): tf.Tensor3D {
    return this.own ? this.own.apply(x) : this.embedding.scores(x);
  }
}
