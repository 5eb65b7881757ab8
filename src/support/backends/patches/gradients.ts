/**
 * Gradients that TensorFlow.js 4.22 has wrong on every engine, replaced by their definitions.
 *
 * matMul.  C = A·B, so ∂A = ∂C·Bᵀ and ∂B = Aᵀ·∂C. Where one matrix is broadcast over a batch, each
 *          of its copies has a gradient, and its own gradient is their sum; upstream returns them
 *          unsummed, under the wrong shape.
 * cumsum.  y_n = Σ_{m ≤ n} x_m, so ∂x_m = Σ_{n ≥ m} ∂y_n: the same sum, run backwards along the
 *          same axis. Upstream also transposes the result, as if the axis had been moved: wrong
 *          numbers when sizes agree, an exception when not.
 * split.   The pieces of x, so ∂x is the concatenation of their gradients. Upstream throws when
 *          there is a single piece.
 */
import * as tf from '@tensorflow/tfjs';

/** Sums `gradient` over the axes along which a tensor of `shape` was broadcast. */
function sumBroadcast(gradient: tf.Tensor, shape: number[]): tf.Tensor {
  const added = gradient.rank - shape.length; // axes that broadcasting put in front
  const axes: number[] = [];
  for (let axis = 0; axis < gradient.rank; axis++) {
    const stretched = shape[axis - added] === 1 && gradient.shape[axis] !== 1;
    if (axis < added || stretched) axes.push(axis);
  }
  return axes.length === 0 ? gradient : gradient.sum(axes).reshape(shape);
}

/** [..., columns] → [rows, columns]. */
const asRows = (x: tf.Tensor): tf.Tensor => x.reshape([-1, x.shape[x.rank - 1]]);

interface Transposed {
  transposeA: boolean;
  transposeB: boolean;
}

const matMulGradient: tf.GradConfig = {
  kernelName: 'BatchMatMul',
  inputsToSave: ['a', 'b'],
  gradFunc: (gradients, saved, attrs) => {
    const dC = gradients as tf.Tensor;
    const [a, b] = saved as [tf.Tensor, tf.Tensor];
    const { transposeA, transposeB } = attrs as unknown as Transposed;
    // One matrix b for a whole batch: all rows of a and dC then form one product, whose result is
    // already the sum, so that the gradients of b's copies need not exist side by side.
    const bIsShared = !transposeA && b.shape.slice(0, -2).every((n) => n === 1);

    const gradientOfA = () => {
      const perCopy = transposeA
        ? tf.matMul(b, dC, transposeB, true)
        : tf.matMul(dC, b, false, !transposeB);
      return sumBroadcast(perCopy, a.shape);
    };
    const gradientOfB = () => {
      if (bIsShared) {
        const [left, right] = transposeB ? [dC, a] : [a, dC];
        return tf.matMul(asRows(left), asRows(right), true, false).reshape(b.shape);
      }
      const perCopy = transposeB
        ? tf.matMul(dC, a, true, transposeA)
        : tf.matMul(a, dC, !transposeA, false);
      return sumBroadcast(perCopy, b.shape);
    };
    return { a: gradientOfA, b: gradientOfB };
  },
};

const cumsumGradient: tf.GradConfig = {
  kernelName: 'Cumsum',
  gradFunc: (gradients, _, attrs) => {
    const dy = gradients as tf.Tensor;
    const { axis, exclusive, reverse } = attrs as unknown as {
      axis: number;
      exclusive: boolean;
      reverse: boolean;
    };
    return { x: () => tf.cumsum(dy, axis, exclusive, !reverse) };
  },
};

const splitGradient: tf.GradConfig = {
  kernelName: 'SplitV',
  gradFunc: (gradients, _, attrs) => {
    const pieces = Array.isArray(gradients) ? gradients : [gradients];
    const { axis } = attrs as unknown as { axis: number };
    return { x: () => tf.concat(pieces, axis) };
  },
};

const patches = [matMulGradient, cumsumGradient, splitGradient];
const upstream = new Map<string, tf.GradConfig>();

/** Installs them, on whatever engine; a second call changes nothing. */
export function installGradients(): void {
  for (const patch of patches) {
    if (!upstream.has(patch.kernelName))
      upstream.set(patch.kernelName, tf.getGradient(patch.kernelName));
    tf.registerGradient(patch);
  }
}

/** Runs `work` with the gradients that TensorFlow.js ships. */
export function withUpstreamGradients<T>(work: () => T): T {
  for (const config of upstream.values()) tf.registerGradient(config);
  try {
    return work();
  } finally {
    installGradients();
  }
}
