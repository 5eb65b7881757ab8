import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  chunkwiseAsPrinted,
  chunkwiseForgettingTheState,
  decayMatrix,
  dividingProducts,
  maskingAfterExp,
  recurrentRetention,
} from '../../src/retention/index';
import { expectClose, leakedBy, useTestEngine } from '../helpers';
import { drawInputs, small } from './retention-inputs';

beforeAll(useTestEngine);
const even = (gate: number, c: number) => tf.fill([1, 1, c], gate) as tf.Tensor3D;

describe('mistakes that look right', () => {
  it('dividing products and masking late agree with the matrix while gates are weak', () => {
    tf.tidy(() => {
      const want = decayMatrix(even(-0.1, 20));
      expectClose(dividingProducts(even(-0.1, 20)), want, { ofLargest: 4e-6, absolute: 0 });
      expectClose(maskingAfterExp(even(-0.1, 20)), want, { ofLargest: 4e-6, absolute: 0 });
    });
  });
  it('dividing products gives NaN once the product is 0: gates of 0.6 over 256 tokens', () => {
    tf.tidy(() => {
      const gates = even(Math.log(0.6), 256);
      expect(dividingProducts(gates).dataSync().some(Number.isNaN)).toBe(true);
      expect(decayMatrix(gates).dataSync().every(Number.isFinite)).toBe(true);
    });
  });
  it('masking after the exponential gives NaN once a future gate overflows', () => {
    tf.tidy(() => {
      expect(maskingAfterExp(even(-2, 64)).dataSync().some(Number.isNaN)).toBe(true);
      expect(decayMatrix(even(-2, 64)).dataSync().every(Number.isFinite)).toBe(true);
    });
  });
  it('D as printed differs by more than 1 on unit-normal data; so do chunks without a carried state', () => {
    tf.tidy(() => {
      const inputs = drawInputs({ ...small, N: 24, Dk: 8, Dv: 8, gateLogit: 2 });
      const want = recurrentRetention(inputs).output;
      const off = (got: tf.Tensor) => got.sub(want).abs().max().dataSync()[0];
      expect(off(chunkwiseAsPrinted(inputs, { chunkSize: 8 }).output)).toBeGreaterThan(1);
      expect(off(chunkwiseForgettingTheState(inputs, { chunkSize: 8 }).output)).toBeGreaterThan(1);
    });
  });
  it('leak nothing all the same', () => {
    const inputs = drawInputs(small);
    expect(leakedBy(() => dividingProducts(inputs.logDecay))).toBe(0);
    expect(leakedBy(() => maskingAfterExp(inputs.logDecay))).toBe(0);
    expect(leakedBy(() => ({ ...chunkwiseAsPrinted(inputs, { chunkSize: 4 }) }))).toBe(0);
  });
});
