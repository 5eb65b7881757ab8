/**
 * A linear layer: y = x W, without bias as everywhere in YOCO.
 *
 * All positions of all sequences become rows of one matrix, so the layer is one two-dimensional
 * product: the form in which every engine is fastest.
 */
import type * as tf from '@tensorflow/tfjs';
import { type Initializer, kaimingUniform, type ParameterScope } from './parameters';

export class Linear {
  /** [in, out] */
  readonly weight: tf.Variable<tf.Rank.R2>;
  constructor(
    scope: ParameterScope,
    fanIn: number,
    fanOut: number,
    init: Initializer = kaimingUniform,
  ) {
    this.weight = scope.matrix('weight', fanIn, fanOut, init);
  }

  /** x [..., in] → [..., out]. @throws RangeError if the last axis is not `in`. */
  forward<T extends tf.Tensor>(x: T): T {
    const [fanIn, fanOut] = this.weight.shape;
    if (x.shape.at(-1) !== fanIn)
      throw new RangeError(
        `Linear: x is [${x.shape}], but the weight is [${fanIn}, ${fanOut}]; ` +
          `x needs ${fanIn} features on its last axis.`,
      );
    const rows = x.reshape([-1, fanIn]); // [positions, in]
    const y = rows.matMul(this.weight as tf.Tensor2D); // [positions, out]
    return y.reshape([...x.shape.slice(0, -1), fanOut]) as T;
  }
}
