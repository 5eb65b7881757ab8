/**
 * The table that maps a token id to its vector and, when embeddings are tied, vectors to logits.
 *
 * Source: official `yoco.py`: each vector is multiplied by √dim, which the paper does not mention.
 * Rows are drawn with standard deviation dim^-½, so the entries of the first layer's input are of
 * size 1.
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

  /** ids [B, N] int32 → [B, N, dim]. @throws RangeError naming the first id that is no token. */
  forward(ids: tf.Tensor2D): tf.Tensor3D {
    const [B, N] = ids.shape;
    // Checked on the host: an engine would read beyond the table without an error.
    const values = ids.dataSync();
    for (let i = 0; i < values.length; i++) {
      if (!(values[i] >= 0 && values[i] < this.vocabSize))
        throw new RangeError(
          `Embedding: token ${i % N} of sequence ${Math.floor(i / N)} is ${values[i]}, ` +
            `but the vocabulary has ids 0 to ${this.vocabSize - 1}.`,
        );
    }
    return tf.tidy(() => {
      const flatIds: tf.Tensor1D = ids.reshape([B * N]);
      const x: tf.Tensor3D = tf.gather(this.weight as tf.Tensor2D, flatIds).reshape([B, N, -1]);
      return this.scale === 1 ? x : x.mul(this.scale);
    });
  }

  /** The tied output projection: x [..., dim] → x Eᵀ [..., vocab]. */
  logits<T extends tf.Tensor>(x: T): T {
    return tf.tidy(() => {
      const rows: tf.Tensor2D = x.reshape([-1, this.weight.shape[1]]); // [positions, dim]
      const logits = tf.matMul(rows, this.weight as tf.Tensor2D, false, true);
      return logits.reshape([...x.shape.slice(0, -1), this.vocabSize]) as T;
    });
  }
}
