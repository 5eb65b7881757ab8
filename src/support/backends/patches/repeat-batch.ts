/**
 * Products of two batches that both need broadcasting, [2,4,…]·[2,1,…], on cpu and webgpu.
 *
 * Upstream takes matrix number i modulo the batch size: right for equal batches, right for one
 * matrix against many, silently wrong otherwise. Here such batches are broadcast in full first, so
 * that matrix i is multiplied by matrix i. (wasm has the same fault; wasm/batch-mat-mul.ts repairs
 * it there.)
 */
import * as tf from '@tensorflow/tfjs';
import { broadcastPairs } from './broadcast-pairs';
import type { Kernel } from './replace-kernel';

export const repeatBatch =
  (upstream: Kernel): Kernel =>
  (call) => {
    const { a, b } = call.inputs as unknown as { a: tf.Tensor; b: tf.Tensor };
    const batchA = a.shape.slice(0, -2);
    const batchB = b.shape.slice(0, -2);
    const { shape, count, aCount, bCount } = broadcastPairs('matMul', batchA, batchB);
    const bothBroadcast = aCount > 1 && bCount > 1 && (aCount < count || bCount < count);
    if (!bothBroadcast) return upstream(call);

    const transposeA = Boolean(call.attrs?.transposeA);
    const transposeB = Boolean(call.attrs?.transposeB);
    return tf.tidy(() => {
      const wholeA = tf.broadcastTo(a, [...shape, ...a.shape.slice(-2)]);
      const wholeB = tf.broadcastTo(b, [...shape, ...b.shape.slice(-2)]);
      return tf.matMul(wholeA, wholeB, transposeA, transposeB);
    });
  };
