/** AdamW against its formula in float64 loops; the mistakes below still learn, only differently. */
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { ParameterStore } from '../../src/layers/parameters';
import { AdamW, type AdamWOptions, type AdamWState } from '../../src/training/adamw';
import { expectClose, SeededRandom, useTestEngine } from '../helpers';

beforeAll(useTestEngine);

type Recipe = Required<AdamWOptions> & { rate: number };
interface Mistake {
  coupledDecay?: boolean;
  noBiasCorrection?: boolean;
  epsInsideRoot?: boolean;
  decayAfterUpdate?: boolean;
  swappedBetas?: boolean;
  lateStepCount?: boolean;
}

/** p after all gradients, one weight at a time: PyTorch's AdamW. */
function byLoops(
  p0: number[],
  gradients: number[][],
  { beta1, beta2, eps, weightDecay, rate }: Recipe,
  mistake: Mistake = {},
): number[] {
  if (mistake.swappedBetas) [beta1, beta2] = [beta2, beta1];
  return p0.map((start, i) => {
    let [p, m, v] = [start, 0, 0];
    gradients.forEach((row, step) => {
      const g = row[i] + (mistake.coupledDecay ? weightDecay * p : 0);
      m = beta1 * m + (1 - beta1) * g;
      v = beta2 * v + (1 - beta2) * g * g;
      const t = step + (mistake.lateStepCount ? 2 : 1);
      const [mHat, vHat] = mistake.noBiasCorrection
        ? [m, v]
        : [m / (1 - beta1 ** t), v / (1 - beta2 ** t)];
      const update = mistake.epsInsideRoot
        ? mHat / Math.sqrt(vHat + eps)
        : mHat / (Math.sqrt(vHat) + eps);
      const decay = mistake.coupledDecay ? 0 : rate * weightDecay;
      p = mistake.decayAfterUpdate
        ? (p - rate * update) * (1 - decay)
        : p * (1 - decay) - rate * update;
    });
    return p;
  });
}

function byAdamW(
  p0: number[],
  gradients: number[][],
  { rate, ...options }: Recipe,
  pauseAfter?: number,
): number[] {
  const store = new ParameterStore();
  store.add('w', 'vector', [p0.length], Float32Array.from(p0));
  let optimizer = new AdamW(store, options);
  gradients.forEach((row, step) => {
    if (step === pauseAfter) {
      const state = structuredClone(optimizer.state());
      optimizer.dispose();
      optimizer = new AdamW(store, options);
      optimizer.restore(state);
    }
    tf.tidy(() => optimizer.update({ w: tf.tensor1d(row) }, rate));
  });
  const result = Array.from(store.get('w')!.variable.dataSync());
  optimizer.dispose();
  store.dispose();
  return result;
}

const number = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const runs = fc.integer({ min: 1, max: 5 }).chain((size) =>
  fc.record({
    p0: fc.array(number(-2, 2), { minLength: size, maxLength: size }),
    // Gradients near 0 are left out: there the update is ±rate by the sign of rounding.
    gradients: fc.array(
      fc.array(
        number(0.01, 3).chain((g) => fc.constantFrom(g, -g)),
        { minLength: size, maxLength: size },
      ),
      { minLength: 1, maxLength: 8 },
    ),
    beta1: number(0, 0.95),
    beta2: number(0.5, 0.999),
    eps: fc.constantFrom(1e-8, 1e-3),
    weightDecay: fc.constantFrom(0, 0.1, 0.5),
    rate: number(1e-4, 0.1),
  }),
);
/** Eight steps of float32: the worst error measured was 4e-7. */
const tolerance = { ofLargest: 2e-6, absolute: 2e-6 };
const fixed: Recipe = { beta1: 0.9, beta2: 0.95, eps: 1e-2, weightDecay: 0.3, rate: 0.05 };
const random = new SeededRandom(11);
const start = Array.from(random.normals(6));
const slopes = Array.from({ length: 6 }, () => Array.from(random.normals(6)));

describe('AdamW', () => {
  it('equals its formula', () => {
    fc.assert(
      fc.property(
        runs,
        ({ p0, gradients, ...recipe }) =>
          void expectClose(
            byAdamW(p0, gradients, recipe),
            byLoops(p0, gradients, recipe),
            tolerance,
          ),
      ),
      {
        numRuns: 60,
      },
    );
  });
  it('without weight decay equals Adam', () => {
    const adam = { ...fixed, weightDecay: 0 };
    expectClose(
      byAdamW(start, slopes, adam),
      byLoops(start, slopes, adam, { coupledDecay: true }),
      tolerance,
    );
  });
  it.each<[string, Mistake]>([
    ['decay added to the gradient', { coupledDecay: true }],
    ['no bias correction', { noBiasCorrection: true }],
    ['eps under the square root', { epsInsideRoot: true }],
    ['decay after the update', { decayAfterUpdate: true }],
    ['β₁ and β₂ exchanged', { swappedBetas: true }],
    ['step count from 2', { lateStepCount: true }],
  ])('the comparison notices: %s', (_, mistake) => {
    expect(() =>
      expectClose(byAdamW(start, slopes, fixed), byLoops(start, slopes, fixed, mistake), tolerance),
    ).toThrow(/worst error/);
  });
  it('resumes from its state with bit-identical results', () => {
    expect(byAdamW(start, slopes, fixed, 3)).toEqual(byAdamW(start, slopes, fixed));
  });
  it('refuses a state in which a moment is missing or of another size, and changes nothing', () => {
    const store = new ParameterStore();
    store.add('w', 'vector', [2], new Float32Array(2));
    const optimizer = new AdamW(store);
    const two = new Float32Array(2);
    const broken: AdamWState['moments'][] = [{}, { w: { m: two, v: new Float32Array(3) } }];
    for (const moments of broken)
      expect(() => optimizer.restore({ steps: 5, moments })).toThrow(
        'AdamW.restore: the state of w is missing or of another size',
      );
    expect(optimizer.stepCount).toBe(0);
    optimizer.dispose();
    store.dispose();
  });
  it('holds the same number of tensors after every step', () => {
    const store = new ParameterStore();
    store.add('w', 'vector', [6], Float32Array.from(start));
    const optimizer = new AdamW(store);
    const held = slopes.map((row) => {
      tf.tidy(() => optimizer.update({ w: tf.tensor1d(row) }, 0.1));
      return tf.memory().numTensors;
    });
    expect(new Set(held).size).toBe(1);
    optimizer.dispose();
    store.dispose();
    expect(tf.memory().numTensors).toBe(held[0] - 3); // the weight and its two moments
  });
  it.each<[AdamWOptions, string]>([
    [{ beta1: 1 }, 'beta1 is 1; give 0 or more, but less than 1'],
    [{ beta2: -0.1 }, 'beta2 is -0.1'],
    [{ eps: 0 }, 'eps is 0; give a number above 0'],
    [{ weightDecay: Number.NaN }, 'weightDecay is NaN; give 0 or more'],
  ])('refuses %j', (options, word) => {
    const before = tf.memory().numTensors;
    expect(() => new AdamW(new ParameterStore(), options)).toThrow(word);
    expect(tf.memory().numTensors).toBe(before);
  });
  it('changes no weight if a gradient is missing or the rate is not a number', () => {
    const store = new ParameterStore();
    store.add('a', 'vector', [1], Float32Array.of(1));
    store.add('b', 'vector', [1], Float32Array.of(2));
    const optimizer = new AdamW(store);
    tf.tidy(() => {
      expect(() => optimizer.update({ a: tf.ones([1]) }, 0.1)).toThrow(
        'there is no gradient for b',
      );
      expect(() => optimizer.update({ a: tf.ones([1]), b: tf.ones([1]) }, Number.NaN)).toThrow(
        'the learning rate is NaN',
      );
    });
    expect([
      store.get('a')!.variable.dataSync()[0],
      store.get('b')!.variable.dataSync()[0],
      optimizer.stepCount,
    ]).toEqual([1, 2, 0]);
    optimizer.dispose();
    store.dispose();
  });
});
