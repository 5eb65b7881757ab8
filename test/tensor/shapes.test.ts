import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkCount, readShapes } from '../../src/tensor/shapes';
import { useTestEngine } from '../helpers';

beforeAll(useTestEngine);

describe('shapes as they are read', () => {
  const q = () => tf.zeros([1, 2, 9, 3]);
  it('each letter is the size of its axis', () => {
    tf.tidy(() => {
      const sizes = readShapes(
        'attention',
        { q: 'B H N Dk', v: 'B H N Dv' },
        { q: q(), v: tf.zeros([1, 2, 9, 5]) },
      );
      expect(sizes).toEqual({ B: 1, H: 2, N: 9, Dk: 3, Dv: 5 });
    });
  });
  it('a letter means one number in all tensors, and the message names both places', () => {
    tf.tidy(() => {
      const k = tf.zeros([1, 2, 8, 3]);
      expect(() =>
        readShapes('chunkwiseRetention', { q: 'B H N Dk', k: 'B H N Dk' }, { q: q(), k }),
      ).toThrow(
        'chunkwiseRetention: N is 9 in q, but 8 in k [1,2,8,3]. Every tensor needs the same N; k is [B, H, N, Dk].',
      );
    });
  });
  it('a letter that stands twice in one tensor must agree with itself', () => {
    tf.tidy(() => {
      expect(() => readShapes('square', { x: 'N N' }, { x: tf.zeros([2, 3]) })).toThrow(
        /N is 2 in x, but 3 in x/,
      );
    });
  });
  it('another number of axes is refused with the axes that are needed', () => {
    tf.tidy(() => {
      expect(() => readShapes('f', { x: 'B N D' }, { x: tf.zeros([2, 3]) })).toThrow(
        'f: x has shape [2,3], but needs 3 axes: [B, N, D].',
      );
    });
  });
  it('a tensor that is not there is not asked', () => {
    tf.tidy(() => {
      expect(readShapes('f', { x: 'N', state: 'B H' }, { x: tf.zeros([4]) })).toEqual({ N: 4 });
    });
  });
});

describe('a count', () => {
  it('is a whole number, 1 or more', () => {
    expect(() => checkCount('f', 'chunkSize', 64, 'tokens')).not.toThrow();
    for (const wrong of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => checkCount('f', 'chunkSize', wrong, 'tokens')).toThrow(
        `f: chunkSize is ${wrong}; give a whole number of tokens, 1 or more.`,
      );
  });
});
