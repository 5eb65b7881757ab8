/**
 * The Gated Memory Unit: an upper layer that looks at no other position at all.
 *
 *   y = (m ⊙ swish(x W₁)) W₂
 *
 * m is what a lower layer's memory has just answered at the same position. The unit asks nothing anew: it opens and closes
 * the features of an answer that is already there. So a decoded token reads dim numbers where cross-attention reads N keys.
 *
 * Picture cross-attention as walking to the archive, and this as looking again at the note you brought from there.
 *
 * Source: SambaY, arXiv 2507.06607, "gated memory unit"; official github.com/microsoft/ArchScale.
 */
import * as tf from '@tensorflow/tfjs';
import { Linear } from '../layers/linear';
import type { ParameterScope } from '../layers/parameters';

export class GatedMemoryUnit {
  private readonly gate: Linear;
  private readonly out: Linear;
  /** @param memoryDim features of m; the same as `dim` here. */
  constructor(scope: ParameterScope, dim: number, memoryDim = dim) {
    this.gate = new Linear(scope.within('in_proj'), dim, memoryDim);
    this.out = new Linear(scope.within('out_proj'), memoryDim, dim);
  }
  /** x [B,N,dim], already normed, and the memory of the same positions [B,N,memoryDim] → [B,N,dim]. @throws RangeError if positions differ. */
  apply(x: tf.Tensor3D, memory: tf.Tensor3D): tf.Tensor3D {
    if (x.shape[0] !== memory.shape[0] || x.shape[1] !== memory.shape[1])
      throw new RangeError(
        `GatedMemoryUnit: x is [${x.shape}], the memory [${memory.shape}]; give the memory of the same sequences and positions, no more and no fewer.`,
      );
    return tf.tidy(() => {
      const gate = this.gate.apply(x);
      return this.out.apply(gate.mul(gate.sigmoid()).mul<tf.Tensor3D>(memory));
    });
  }
}
