/**
 * The gradient of a product whose batches were broadcast.
 *
 * Stock TensorFlow.js forgets that an entry used four times collects four gradients, and returns one of the wrong shape.
 * The fix is a sum over the axes that were stretched. It holds on every engine, because gradients are not an engine's.
 */
import * as tf from '@tensorflow/tfjs';

let installed = false;

export function mendMatMulGradient(): void {
  if (installed) return;
  installed = true;
  tf.unregisterGradient('BatchMatMul');
  tf.registerGradient({
    kernelName: 'BatchMatMul',
    inputsToSave: ['a', 'b'],
    gradFunc: (dy, saved, attrs) => {
      const [a, b] = saved as [tf.Tensor, tf.Tensor];
      const { transposeA, transposeB } = attrs as unknown as { transposeA: boolean; transposeB: boolean };
      const dOut = dy as tf.Tensor;
      return {
        a: () => unbroadcast(transposeA ? tf.matMul(b, dOut, transposeB, true) : tf.matMul(dOut, b, false, !transposeB), a.shape),
        b: () => unbroadcast(transposeB ? tf.matMul(dOut, a, true, transposeA) : tf.matMul(a, dOut, !transposeA, false), b.shape),
      };
    },
  });
}

/** Sums over the batch axes that `shape` does not have or has as 1. */
function unbroadcast(x: tf.Tensor, shape: number[]): tf.Tensor {
  const extra = x.rank - shape.length;
  const stretched = x.shape.map((n, i) => (i < extra || (shape[i - extra] === 1 && n !== 1) ? i : -1)).filter((i) => i >= 0);
  return stretched.length === 0 ? x : x.sum(stretched).reshape(shape);
}
