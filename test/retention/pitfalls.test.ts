import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  chunkwiseAsPrinted,
  decayByDivision,
  decayMatrix,
  recurrentRetention,
} from '../../src/retention/index';
import { expectClose, leakedBy, useTestEngine } from '../helpers';
import { drawInputs, small } from './retention-inputs';
import { chunkwiseWithoutState, decayMaskedAfterExp } from './wrong-forms';

beforeAll(useTestEngine);
const equalGates = (gate: number, c: number) => tf.fill([1, 1, c], gate) as tf.Tensor3D;

describe('pitfalls', () => {
  it('division and a late mask give the right matrix while gates are weak', () => {
    tf.tidy(() => {
      const want = decayMatrix(equalGates(-0.1, 20));
      expectClose(decayByDivision(equalGates(-0.1, 20)), want, { ofLargest: 4e-6, absolute: 0 });
      expectClose(decayMaskedAfterExp(equalGates(-0.1, 20)), want, {
        ofLargest: 4e-6,
        absolute: 0,
      });
    });
  });
  it('division gives NaN once the product is 0: gates of 0.6 over 256 tokens', () => {
    tf.tidy(() => {
      const gates = equalGates(Math.log(0.6), 256);
      expect(decayByDivision(gates).dataSync().some(Number.isNaN)).toBe(true);
      expect(decayMatrix(gates).dataSync().every(Number.isFinite)).toBe(true);
    });
  });
  it('a mask after exp gives NaN once exp overflows above the diagonal', () => {
    tf.tidy(() => {
      expect(decayMaskedAfterExp(equalGates(-2, 64)).dataSync().some(Number.isNaN)).toBe(true);
      expect(decayMatrix(equalGates(-2, 64)).dataSync().every(Number.isFinite)).toBe(true);
    });
  });
  it('D as printed is off by more than 1 on normal data; so are chunks without a state', () => {
    tf.tidy(() => {
      const inputs = drawInputs({ ...small, N: 24, Dk: 8, Dv: 8, gateLogit: 2 });
      const want = recurrentRetention(inputs).output;
      const off = (got: tf.Tensor) => got.sub(want).abs().max().dataSync()[0];
      expect(off(chunkwiseAsPrinted(inputs, { chunkSize: 8 }).output)).toBeGreaterThan(1);
      expect(off(chunkwiseWithoutState(inputs, { chunkSize: 8 }).output)).toBeGreaterThan(1);
    });
  });
  it('in chunks of one token D as printed is right: there is nothing to transpose', () => {
    tf.tidy(() => {
      const inputs = drawInputs({ ...small, B: 2, H: 3 });
      const want = recurrentRetention(inputs);
      const printed = chunkwiseAsPrinted(inputs, { chunkSize: 1 });
      expectClose(printed.output, want.output);
      expectClose(printed.state, want.state);
    });
  });
  it('leak no tensors', () => {
    const inputs = drawInputs(small);
    expect(leakedBy(() => decayByDivision(inputs.logDecay))).toBe(0);
    expect(leakedBy(() => decayMaskedAfterExp(inputs.logDecay))).toBe(0);
    expect(leakedBy(() => ({ ...chunkwiseAsPrinted(inputs, { chunkSize: 4 }) }))).toBe(0);
  });
});
