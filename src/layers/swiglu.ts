/**
 * SwiGLU, the feed-forward half of a layer: (swish(x W₁) ⊙ x W₂) W₃.
 *
 * One branch decides how far the door opens (swish), the other is what walks through it.
 *
 * Source: YOCO, arXiv 2405.05254, eq. 1; official `feedforward_network.py`. The names differ between models: YOCO's
 * swish branch is called `fc1` and its linear branch `gate`, against what the words suggest; the baseline says w1, w3, w2.
 */
import * as tf from '@tensorflow/tfjs';
import { Linear } from './linear';
import type { ParameterScope } from './parameters';

/** swish(z) = z σ(z). σ neither overflows nor loses the tail, so neither does this. */
export const swish = <T extends tf.Tensor>(z: T): T => tf.tidy(() => z.mul(z.sigmoid()) as T);

/** swish(a) ⊙ b, same shapes. The order matters: only `a` is bent. */
export const swiglu = <T extends tf.Tensor>(a: T, b: T): T => tf.tidy(() => swish(a).mul(b) as T);

export interface SwiGLUNames {
  swished: string;
  linear: string;
  down: string;
}
export const YOCO_FFN: SwiGLUNames = { swished: 'fc1', linear: 'gate', down: 'fc2' };
export const BASELINE_FFN: SwiGLUNames = { swished: 'w1', linear: 'w3', down: 'w2' };

export class SwiGLU {
  private readonly swished: Linear;
  private readonly linear: Linear;
  private readonly down: Linear;
  constructor(scope: ParameterScope, dim: number, ffnDim: number, names: SwiGLUNames = YOCO_FFN) {
    this.swished = new Linear(scope.within(names.swished), dim, ffnDim);
    this.linear = new Linear(scope.within(names.linear), dim, ffnDim);
    this.down = new Linear(scope.within(names.down), ffnDim, dim);
  }
  /** x [..., dim] → [..., dim]. */
  apply<T extends tf.Tensor>(x: T): T {
    return tf.tidy(() => this.down.apply(swiglu(this.swished.apply(x), this.linear.apply(x))));
  }
}
