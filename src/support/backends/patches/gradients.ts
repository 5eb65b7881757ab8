/**
 * Two gradients that TensorFlow.js 4.22 has wrong on every engine, replaced by their definitions.
 *
 * matMul.  C = A·B, so ∂A = ∂C·Bᵀ and ∂B = Aᵀ·∂C. Where one matrix was broadcast over a batch, each copy has its own share
 *          of the gradient, and the shares must be summed; stock returns them unsummed, under the wrong shape.
 * cumsum.  y_n = Σ_{m ≤ n} x_m, so ∂x_m = Σ_{n ≥ m} ∂y_n: the same sum, run backwards along the same axis. Stock also
 *          transposes the result, as if the axis had been moved: wrong numbers when sizes agree, an exception when not.
 */
import * as tf from '@tensorflow/tfjs';

/** Sums `gradient` over the axes along which a tensor of `shape` was broadcast. */
function sumBroadcast(gradient: tf.Tensor, shape: number[]): tf.Tensor {
  const extra = gradient.rank - shape.length;
  const axes = gradient.shape
    .map((_, axis) => axis)
    .filter((axis) => axis < extra || (shape[axis - extra] === 1 && gradient.shape[axis] !== 1));
  return axes.length === 0 ? gradient : gradient.sum(axes).reshape(shape);
}

const matMulGradient: tf.GradConfig = {
  kernelName: 'BatchMatMul',
  inputsToSave: ['a', 'b'],
  gradFunc: (given, saved, attrs) => {
    const dC = given as tf.Tensor;
    const [a, b] = saved as [tf.Tensor, tf.Tensor];
    const { transposeA: ta, transposeB: tb } = attrs as unknown as {
      transposeA: boolean;
      transposeB: boolean;
    };
    // One matrix for a whole batch: its gradient is one product over all rows, so the shares need not be held side by side.
    const shared = !ta && b.shape.slice(0, -2).every((n) => n === 1);
    const rows = (x: tf.Tensor) => (shared ? x.reshape([-1, x.shape.at(-1)!]) : x);
    return {
      a: () =>
        sumBroadcast(ta ? tf.matMul(b, dC, tb, true) : tf.matMul(dC, b, false, !tb), a.shape),
      b: () =>
        shared
          ? (tb
              ? tf.matMul(rows(dC), rows(a), true, false)
              : tf.matMul(rows(a), rows(dC), true, false)
            ).reshape(b.shape)
          : sumBroadcast(tb ? tf.matMul(dC, a, true, ta) : tf.matMul(a, dC, !ta, false), b.shape),
    };
  },
};

const cumsumGradient: tf.GradConfig = {
  kernelName: 'Cumsum',
  gradFunc: (dy, _, attrs) => {
    const { axis, exclusive, reverse } = attrs as unknown as {
      axis: number;
      exclusive: boolean;
      reverse: boolean;
    };
    return { x: () => tf.cumsum(dy as tf.Tensor, axis, exclusive, !reverse) };
  },
};

const stock = new Map<string, tf.GradConfig>();
const cures = [matMulGradient, cumsumGradient];

/** Installs both, on whatever engine; a second call changes nothing. */
export function installGradients(): void {
  for (const cure of cures) {
    if (!stock.has(cure.kernelName)) stock.set(cure.kernelName, tf.getGradient(cure.kernelName));
    tf.registerGradient(cure);
  }
}

/** Computes `work` with the gradients that TensorFlow.js ships. */
export function withStockGradients<T>(work: () => T): T {
  for (const config of stock.values()) tf.registerGradient(config);
  try {
    return work();
  } finally {
    installGradients();
  }
}
