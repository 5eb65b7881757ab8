/**
 * The table that turns a token's number into its vector, and, when the head is tied, vectors back into scores.
 *
 * Source: official `yoco.py`: each vector is multiplied by √dim, which the paper does not mention. Rows are drawn with
 * standard deviation dim^-½, so that what enters the first layer has entries of size 1.
 */
import * as tf from '@tensorflow/tfjs';
import { normalInit, type ParameterScope } from './parameters';

export class Embedding {
  /** [vocab, dim] */
  readonly weight: tf.Variable<tf.Rank.R2>;
  constructor(
    scope: ParameterScope,
    readonly vocabSize: number,
    dim: number,
    private readonly scale = 1,
  ) {
    this.weight = scope.table('weight', vocabSize, dim, normalInit(dim ** -0.5));
  }

  /** ids [B,N] int32 → [B,N,dim]. @throws RangeError naming the first id outside the vocabulary and where it stands. */
  apply(ids: tf.Tensor2D): tf.Tensor3D {
    const [B, N] = ids.shape;
    // The ids are read on the host: an engine would answer an id past the end with whatever lies there.
    const given = ids.dataSync();
    for (let i = 0; i < given.length; i++)
      if (!(given[i] >= 0 && given[i] < this.vocabSize))
        throw new RangeError(
          `Embedding: token ${i % N} of sequence ${Math.floor(i / N)} is ${given[i]}, but the vocabulary has ids 0 to ${this.vocabSize - 1}.`,
        );
    return tf.tidy(() => {
      const rows = tf.gather(this.weight as tf.Tensor2D, ids.reshape<tf.Tensor1D>([B * N]));
      const x = rows.reshape<tf.Tensor3D>([B, N, -1]);
      return this.scale === 1 ? x : x.mul(this.scale);
    });
  }

  /** The tied head: x [..., dim] → x Eᵀ [..., vocab]. */
  scores<T extends tf.Tensor>(x: T): T {
    const dim = this.weight.shape[1];
    return tf.tidy(() => {
      const rows = x.reshape<tf.Tensor2D>([-1, dim]);
      return tf
        .matMul(rows, this.weight as tf.Tensor2D, false, true)
        .reshape([...x.shape.slice(0, -1), this.vocabSize]) as T;
    });
  }
}
