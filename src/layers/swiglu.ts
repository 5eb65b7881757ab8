/**
 * SwiGLU, the feed-forward half of a layer: (swish(x W₁) ⊙ x W₂) W₃.
 *
 * The swish branch gates the linear branch, feature by feature.
 *
 * Source: YOCO, arXiv 2405.05254, self-decoder (arXiv eq. 1); official `feedforward_network.py`.
 * The names differ between models: YOCO calls the swish branch `fc1` and the linear branch `gate`,
 * against what the words suggest; the baseline says w1, w3, w2.
 */
import * as tf from '@tensorflow/tfjs';
import { Linear } from './linear';
import type { ParameterScope } from './parameters';

/** swish(z) = z σ(z), of any shape. The caller owns the result. */
export const swish = <T extends tf.Tensor>(z: T): T => tf.tidy(() => z.mul(z.sigmoid()) as T);

/** swish(a) ⊙ b, of equal shapes. The order matters: only `a` goes through swish. */
export const swiglu = <T extends tf.Tensor>(a: T, b: T): T => tf.tidy(() => swish(a).mul(b) as T);

export interface SwiGLUNames {
  swish: string;
  linear: string;
  down: string;
}
export const YOCO_FFN: SwiGLUNames = { swish: 'fc1', linear: 'gate', down: 'fc2' };
export const BASELINE_FFN: SwiGLUNames = { swish: 'w1', linear: 'w3', down: 'w2' };

export class SwiGLU {
  private readonly swish: Linear;
  private readonly linear: Linear;
  private readonly down: Linear;
  constructor(scope: ParameterScope, dim: number, ffnDim: number, names: SwiGLUNames = YOCO_FFN) {
    this.swish = new Linear(scope.within(names.swish), dim, ffnDim);
    this.linear = new Linear(scope.within(names.linear), dim, ffnDim);
    this.down = new Linear(scope.within(names.down), ffnDim, dim);
  }

  /** x [..., dim] → [..., dim]. */
  forward<T extends tf.Tensor>(x: T): T {
    return tf.tidy(() => {
      const gated = swiglu(this.swish.forward(x), this.linear.forward(x)); // [..., ffnDim]
      return this.down.forward(gated);
    });
  }
}
