/**
 * The patches of the webgpu engine on a device; skipped where there is none. Without a graphics
 * card, VK_ICD_FILENAMES can name a driver that emulates one (docs/engines.md).
 */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { useEngine } from '../../../src/support/backends/use-engine';
import { expectClose, float32 } from '../../helpers';
import { expectUpstreamFault } from './upstream';

const hasDevice = await useEngine('webgpu').then(
  () => true,
  () => false,
);

describe.skipIf(!hasDevice)('webgpu, with our patches', () => {
  it('reads synchronously', () => {
    const product = tf.tidy(() => tf.matMul([[1, 2]], [[3], [4]]).dataSync());
    expect(Array.from(product)).toEqual([11]);
  });
  it('computes exp to the last places, and its limits', () => {
    const xs = Array.from({ length: 371 }, (_, i) => -100 + i / 2);
    const inFloat32 = xs.map(Math.fround);
    const got = tf.tidy(() => tf.exp(tf.tensor1d(xs)).dataSync());
    for (const [i, x] of inFloat32.entries()) {
      const want = Math.fround(Math.exp(x));
      if (want < 1.2e-38)
        expect(got[i]).toBeLessThan(1.2e-38); // a card may round these to 0
      else if (want === Infinity) expect(got[i]).toBe(Infinity);
      else expect(Math.abs(got[i] / want - 1)).toBeLessThan(3e-7);
    }
  });
  it('sums fifty tensors', () => {
    const sum = tf.tidy(() => {
      const tensors = Array.from({ length: 50 }, (_, i) => tf.tensor1d([i, 1]));
      return tf.addN(tensors).dataSync();
    });
    expect(Array.from(sum)).toEqual([1225, 50]);
  });

  /** Reversed sums of 1, 2, … at two lengths: the second meets the program made for the first. */
  const reversedSumsAreRight = () =>
    [8, 13].every((N) => {
      const sums = tf.tidy(() => tf.cumsum(tf.range(1, N + 1), 0, false, true).dataSync());
      const last = (N * (N + 1)) / 2;
      return sums.every((sum, n) => sum === last - (n * (n + 1)) / 2);
    });
  it('sums in reverse at any length', () => expect(reversedSumsAreRight()).toBe(true));
  it('upstream sums in reverse only at the first length', () => {
    expectUpstreamFault('webgpu/cumsum.ts', reversedSumsAreRight);
  });

  const rows = [
    [1, 0, 1],
    [1, 1, 0],
  ];
  const allAlongRows = () =>
    tf.tidy(() => Array.from(tf.all(tf.tensor2d(rows, [2, 3], 'bool'), 0).dataSync()));
  it('reduces booleans along any axis', () => expect(allAlongRows()).toEqual([1, 0, 0]));

  const placeOfLargest = () => tf.tidy(() => tf.argMax(tf.tensor1d([1, 5, 2])));
  it('argMax of a vector is a scalar', () => {
    const place = placeOfLargest();
    expect(place.shape).toEqual([]);
    expect(place.dataSync()[0]).toBe(1);
    place.dispose();
  });
  it('upstream returns a vector from argMax of a vector', () => {
    expectUpstreamFault('argMax in webgpu/reductions.ts', () => placeOfLargest().rank === 0);
  });

  const broadcastProduct = () =>
    tf.tidy(() => {
      const a = tf.range(0, 12).reshape([2, 2, 1, 3]);
      const b = tf.range(0, 6).reshape([2, 1, 3, 1]);
      return Array.from(tf.matMul(a, b).dataSync());
    });
  it('multiplies batches that both broadcast', () =>
    expectClose(broadcastProduct(), [5, 14, 86, 122], float32));
  it('upstream pairs the wrong matrices when both batches broadcast', () => {
    expectUpstreamFault(
      'patches/repeat-batch.ts',
      () => broadcastProduct().join() === '5,14,86,122',
    );
  });
});
