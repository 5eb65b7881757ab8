/**
 * Products of batches that broadcast both ways, [2,4,…]·[2,1,…], on the cpu engine.
 *
 * The stock kernel takes the matrix number i modulo the batch size: right for equal batches, right for one matrix against
 * many, silently wrong for the rest. Here those are written out in full first, so that entry i meets entry i.
 * (wasm has the same fault, and its own cure in wasm/batch-mat-mul.ts.)
 */
import * as tf from '@tensorflow/tfjs';
import { broadcastPairs } from './broadcast-pairs';
import type { Kernel } from './replace-kernel';

export const repeatBatch =
  (stock: Kernel): Kernel =>
  (call) => {
    const { a, b } = call.inputs as unknown as { a: tf.Tensor; b: tf.Tensor };
    const { shape, count, aCount, bCount } = broadcastPairs(
      'matMul',
      a.shape.slice(0, -2),
      b.shape.slice(0, -2),
    );
    const bothBroadcast = aCount > 1 && bCount > 1 && (aCount < count || bCount < count);
    if (!bothBroadcast) return stock(call);
    return tf.tidy(() => {
      const whole = (x: tf.Tensor) => tf.broadcastTo(x, [...shape, ...x.shape.slice(-2)]);
      const inputs = { a: whole(a), b: whole(b) };
      return tf.matMul(
        inputs.a,
        inputs.b,
        Boolean(call.attrs?.transposeA),
        Boolean(call.attrs?.transposeB),
      );
    });
  };
