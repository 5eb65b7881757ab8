import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  chunkDecay,
  decayMatrix,
  fixedLogDecay,
  gateLogDecay,
  halfLife,
  retNetGammas,
} from '../../src/retention/decay';
import { expectClose, leakedBy, SeededRandom, useTestEngine } from '../helpers';

beforeAll(useTestEngine);
/** D entries are at most 1; a sum of c float32 logarithms is off by less than c roundings. */
const tolerance = { ofLargest: 1e-6, absolute: 0 };

const zero = Number.NEGATIVE_INFINITY; // the logarithm of a gate of exactly 0
const gates = (logDecays: number[]) => tf.tensor3d(logDecays, [1, 1, logDecays.length]);
/** The product of gates m + 1 … n in loops, of float32 inputs: only the arithmetic is judged. */
function inLoops(logDecays: number[]): number[][] {
  return logDecays.map((_, n) =>
    logDecays.map((_, m) => {
      let sum = 0;
      for (let i = m + 1; i <= n; i++) sum += Math.fround(logDecays[i]);
      return m > n ? 0 : Math.exp(sum);
    }),
  );
}

describe('the decay matrix', () => {
  it('for gates of ½ is the triangle 1, ½, ¼, ⅛', () => {
    tf.tidy(() => {
      const D = decayMatrix(gates(Array(4).fill(Math.log(1 / 2))));
      expectClose(
        D,
        [
          [
            [
              [1, 0, 0, 0],
              [1 / 2, 1, 0, 0],
              [1 / 4, 1 / 2, 1, 0],
              [1 / 8, 1 / 4, 1 / 2, 1],
            ],
          ],
        ],
        tolerance,
      );
    });
  });
  it('[n, m] is the product of gates m + 1 … n, for any gates', () => {
    fc.assert(
      fc.property(
        fc.nat(9999),
        fc.integer({ min: 1, max: 40 }),
        fc.constantFrom(1e-6, 0.1, 3, 200),
        fc.constantFrom(0, 0.3),
        (seed, c, strength, zeros) =>
          tf.tidy(() => {
            const random = new SeededRandom(seed);
            const draw = () => (random.uniform() < zeros ? zero : -strength * random.uniform());
            const logDecays = Array.from({ length: c }, draw);
            expectClose(decayMatrix(gates(logDecays)), [[inLoops(logDecays)]], tolerance);
          }),
      ),
      { numRuns: 40 },
    );
  });
  it('loses no digits beside ln γ = −10⁴, where the difference of two running sums does', () => {
    tf.tidy(() => {
      const logDecays = Array.from({ length: 60 }, (_, n) => (n === 5 ? -1e4 : -0.013));
      const want = [[inLoops(logDecays)]];
      expectClose(decayMatrix(gates(logDecays)), want, tolerance);
      const g = tf.cumsum(gates(logDecays), 2);
      const triangle = tf.tensor2d(inLoops(Array(60).fill(0)));
      const subtracted = g.expandDims(3).sub(g.expandDims(2)).minimum(0).exp().mul(triangle);
      expect(() => expectClose(subtracted, want, { ofLargest: 1e-4, absolute: 0 })).toThrow(
        /worst error/,
      );
    });
  });
  it('has a gradient that is finite for the strongest and the weakest gates', () => {
    tf.tidy(() => {
      const slope = tf.grad((x) => decayMatrix(x as tf.Tensor3D).sum());
      for (const gate of [0, -1e-6, -8, -1e4, zero]) {
        const got = slope(gates(Array(100).fill(gate))).dataSync();
        expect(got.every(Number.isFinite), `gate ${gate}`).toBe(true);
      }
    });
  });
  it.each([
    ['weak gates', [-0.3, -0.2, -1, -0.05, -0.7]],
    ['a gate of exactly 0 in the middle', [-0.3, -0.2, zero, -0.05, -0.7]],
    ['a gate of exactly 0 at the front', [zero, -0.2, -1, 0, -0.7]],
    ['gates of exactly 0 only', [zero, zero, zero, zero, zero]],
  ] as [string, number[]][])('agrees with the vectors of chunkDecay: %s', (_, logDecays) => {
    tf.tidy(() => {
      const { D, beta, decayToEnd, chunkDecayTotal } = chunkDecay(gates(logDecays));
      const rows = inLoops(logDecays);
      const first = Math.exp(logDecays[0]);
      const firstColumn = rows.map((row) => row[0] * first);
      expectClose(D, [[rows]], tolerance);
      expectClose(decayToEnd.flatten(), rows[4], tolerance);
      expectClose(beta.flatten(), firstColumn, tolerance);
      expectClose(chunkDecayTotal.flatten(), [firstColumn[4]], tolerance);
    });
  });
  it('leaks nothing', () => {
    const logDecay = gates([-1, -2, -3]);
    expect(leakedBy(() => decayMatrix(logDecay))).toBe(0);
    expect(leakedBy(() => ({ ...chunkDecay(logDecay) }))).toBe(0);
    expect(leakedBy(() => gateLogDecay(logDecay, 16))).toBe(0);
    expect(leakedBy(() => fixedLogDecay([0.5], 2, 3))).toBe(0);
  });
});

describe('gates', () => {
  it('from logits with τ = 16: with logit 0 half is left after exactly 16 tokens', () => {
    tf.tidy(() => {
      const gamma = Array.from(
        gateLogDecay(tf.tensor1d([-4, -2, 0, 2, 4]), 16)
          .exp()
          .dataSync(),
      );
      expectClose(gamma, [0.7779, 0.8755, 0.9576, 0.9921, 0.9989], {
        ofLargest: 0,
        absolute: 5.1e-5,
      });
      expectClose(gamma.map(halfLife), [2.8, 5.2, 16, 87.4, 611], {
        ofLargest: 1e-3,
        absolute: 0.05,
      });
      expect(halfLife(0.5 ** (1 / 16))).toBeCloseTo(16, 12);
    });
  });
  it('are finite for any logit, and so are their gradients', () => {
    tf.tidy(() => {
      const logits = tf.tensor1d([-1e4, -200, -104, 0, 104, 1e4]);
      // 1e4/16 = 625; ln σ(−200) = −200 to float32's last digit.
      expectClose(gateLogDecay(logits, 16), [-625, -12.5, -6.5, -Math.LN2 / 16, 0, 0], {
        ofLargest: 0,
        absolute: 1e-5,
      });
      const slope = tf.grad((z) => gateLogDecay(z, 16).sum())(logits);
      expectClose(slope, [1 / 16, 1 / 16, 1 / 16, 1 / 32, 0, 0], {
        ofLargest: 1e-6,
        absolute: 1e-9,
      });
    });
  });
  it('of RetNet: half-lives double from head to head', () => {
    const lives = retNetGammas(8).map(halfLife);
    expectClose(lives, [21.8, 44, 88, 177, 355, 709, 1419, 2839], {
      ofLargest: 3e-4,
      absolute: 0.5,
    });
    tf.tidy(() => {
      const logDecay = fixedLogDecay(retNetGammas(2), 3, 4);
      expect(logDecay.shape).toEqual([3, 2, 4]);
      expectClose(logDecay.slice([2, 1, 3], [1, 1, 1]).flatten(), [Math.log(1 - 1 / 64)]);
      expect(Array.from(fixedLogDecay([0, 1], 1, 1).dataSync())).toEqual([zero, 0]);
    });
  });
  it('outside 0 … 1 are refused', () => {
    expect(() => fixedLogDecay([0.5, 1.2], 1, 1)).toThrow(/a gamma is 1.2; give numbers from 0/);
    expect(() => fixedLogDecay([-0.1], 1, 1)).toThrow(/a gamma is -0.1/);
    expect(() => halfLife(0)).toThrow(/gamma is 0/);
    expect(halfLife(1)).toBe(Infinity);
    expect(() => retNetGammas(0)).toThrow(/heads is 0/);
    expect(() => gateLogDecay(tf.scalar(1), 0)).toThrow(/temperature τ is 0/);
  });
});
