/**
 * RMSNorm: y = x / √(mean(x²) + eps) · weight, over the last axis.
 *
 * It scales a vector of any length to length √dim and keeps its direction; the weight then scales
 * each feature. Unlike LayerNorm it subtracts no mean. `eps` matters only for vectors near zero.
 *
 * Source: what YOCO calls LN, arXiv 2405.05254 (arXiv eq. 1); the official code takes eps 1e-5.
 */
import * as tf from '@tensorflow/tfjs';
import { ones, type ParameterScope } from './parameters';

/** x [..., dim] → [..., dim]; without `weight` as gated retention uses it for each head. */
export function rmsNorm<T extends tf.Tensor>(x: T, eps: number, weight?: tf.Tensor1D): T {
  return tf.tidy(() => {
    const meanSquare = x.square().mean(-1, true); // [..., 1]
    const normed = x.mul(meanSquare.add(eps).rsqrt()); // [..., dim]
    return (weight ? normed.mul(weight) : normed) as T;
  });
}

export class RMSNorm {
  readonly weight: tf.Variable<tf.Rank.R1>;
  constructor(
    scope: ParameterScope,
    dim: number,
    private readonly eps: number,
  ) {
    this.weight = scope.vector('weight', dim, ones);
  }

  /** x [..., dim] → [..., dim]. @throws RangeError if the last axis is not `dim`. */
  forward<T extends tf.Tensor>(x: T): T {
    const [dim] = this.weight.shape;
    if (x.shape.at(-1) !== dim)
      throw new RangeError(
        `RMSNorm: x is [${x.shape}], but the weight has ${dim} features; the last axis must match.`,
      );
    return rmsNorm(x, this.eps, this.weight as tf.Tensor1D);
  }
}
