import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { leakedBy, ledger, peakOf } from '../../src/tensor/ledger';
import { useTestEngine, viewsCount } from '../helpers';

beforeAll(useTestEngine);

describe('the ledger', () => {
  it('counts tensors, and the bytes of a shared buffer once (on the native engine a view counts as a copy)', () => {
    const before = ledger();
    const x = tf.zeros([10, 10]);
    const view = x.reshape([100]);
    expect(ledger()).toEqual({
      tensors: before.tensors + 2,
      bytes: before.bytes + 400 * viewsCount(),
    });
    // The buffer lives as long as its last tensor.
    x.dispose();
    expect(ledger()).toEqual({ tensors: before.tensors + 1, bytes: before.bytes + 400 });
    view.dispose();
    expect(ledger()).toEqual(before);
  });
  it('follows a variable through its assignments', () => {
    const before = ledger();
    const v = tf.tidy(() => tf.variable(tf.zeros([50])));
    for (let i = 0; i < 3; i++) tf.tidy(() => v.assign(tf.ones([50])));
    expect(ledger()).toEqual({ tensors: before.tensors + 1, bytes: before.bytes + 200 });
    v.dispose();
    expect(ledger()).toEqual(before);
  });
  it('leakedBy is 0 for a function that cleans up, and counts what another leaves', () => {
    expect(leakedBy(() => tf.tidy(() => tf.ones([2]).add(1)))).toBe(0);
    let left: tf.Tensor | undefined;
    expect(
      leakedBy(() => {
        left = tf.ones([2]);
        return left.add(1);
      }),
    ).toBe(1);
    left?.dispose();
  });
});

describe('peakOf', () => {
  it('sees the worst moment, which is over when the work ends', () => {
    const { result, before, peak, needed } = peakOf(() =>
      tf.tidy(() =>
        tf
          .zeros([1000])
          .concat(tf.zeros([1000]))
          .sum(),
      ),
    );
    expect(needed.bytes).toBeGreaterThanOrEqual(16_000); // two halves and the whole
    expect(needed.bytes).toBeLessThan(16_100);
    expect(peak.tensors).toBe(before.tensors + needed.tensors);
    expect(ledger().bytes).toBe(before.bytes + 4);
    result.dispose();
  });
  it('nests: the outer work has the inner peak too', () => {
    let inner = 0;
    const outer = peakOf(() =>
      tf.tidy(() => {
        const mine = tf.zeros([500]);
        inner = peakOf(() => tf.tidy(() => tf.zeros([1000]).size)).needed.bytes;
        return mine.size;
      }),
    );
    expect(inner).toBe(4000);
    expect(outer.needed.bytes).toBe(6000);
  });
  it('stops watching when the work fails', () => {
    const before = ledger();
    expect(() =>
      peakOf(() => {
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(peakOf(() => 1)).toMatchObject({
      result: 1,
      peak: before,
      needed: { tensors: 0, bytes: 0 },
    });
  });
});
