import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { recurrenceByDefinition } from '../../src/retention/definition';
import {
  chunkwiseAsPrinted,
  forms,
  parallelRetention,
  recurrentRetention,
} from '../../src/retention/index';
import { expectClose, type Tolerance, useTestEngine } from '../helpers';
import {
  asList,
  type DrawnInputs,
  drawInputs,
  drawnSizes,
  gradients,
  lossWeights,
  names,
  perHead,
  small,
} from '../retention/retention-inputs';
import { decayMaskedAfterExp, parallelWithInfiniteProduct } from '../retention/wrong-forms';

beforeAll(useTestEngine);
/** float32: the worst error of 500 draws on wasm and cpu is 6e-7 of the largest gradient. */
const tolerance: Tolerance = { ofLargest: 6e-6, absolute: 1e-6 };
const allForms = Object.entries(forms);
const zero = Number.NEGATIVE_INFINITY; // the logarithm of a gate of exactly 0

describe('the gradients of the three forms are those of the definition', () => {
  it.each(allForms)('%s, against central differences in float64', (name, form) => {
    for (const sizes of [
      { ...small, N: 5, carried: true },
      { ...small, B: 2, H: 2, N: 4, gateLogit: 4 },
      { ...small, N: 6, Dk: 2, carried: true, gateLogit: -4 },
      { ...small, N: 1, carried: true },
    ])
      tf.tidy(() => {
        const inputs = drawInputs(sizes);
        const got = gradients(form, inputs, 3).map((g) => g.flatten());
        expectAllClose(got, centralDifferences(inputs), name);
      });
  });
  it.each(allForms)('%s with gates of exactly 0, 1 and both', (name, form) => {
    for (const logDecays of [
      [zero, zero, zero, zero, zero],
      [0, 0, 0, 0, 0],
      [zero, 0, zero, 0, 0],
      [0, -0.01, zero, -0.01, -1e4],
    ])
      tf.tidy(() => {
        const drawn = drawInputs({ ...small, N: 5, carried: true });
        const inputs = { ...drawn, logDecay: tf.tensor3d(logDecays, [1, 1, 5]) };
        const want = centralDifferences(inputs);
        for (const chunkSize of [1, 2, 3, 5]) {
          const got = gradients(form, inputs, chunkSize).map((g) => g.flatten());
          expectAllClose(got, want, name);
        }
      });
  });
  it('form against form, for any sizes, gates, initial state and chunk size', () => {
    const drawnChunkSizes = fc.integer({ min: 1, max: 15 });
    const property = fc.property(drawnSizes(13), drawnChunkSizes, (sizes, chunkSize) =>
      tf.tidy(() => {
        const inputs = drawInputs(sizes);
        const want = gradients(recurrentRetention, inputs);
        for (const form of [forms.parallel, forms.chunkwise])
          expectAllClose(gradients(form, inputs, chunkSize), want, form.name);
      }),
    );
    fc.assert(property, { numRuns: 40 });
  });
  it('negative control: a transposed D is noticed', () => {
    tf.tidy(() => {
      const inputs = drawInputs(small);
      const want = gradients(recurrentRetention, inputs);
      const printed = gradients(chunkwiseAsPrinted, inputs, 4);
      expect(() => expectAllClose(printed, want, 'as printed')).toThrow(/worst error/);
    });
  });
});

describe('gradients stay finite and right where exp could overflow', () => {
  const gates: [string, (n: number) => number][] = [
    ['gates of exactly 1', () => 0],
    ['gates of exactly 0', () => zero],
    ['gates of e^-10000', () => -1e4],
    ['e^-10000 among weak gates', (n) => (n % 7 === 3 ? -1e4 : -0.01)],
    ['exactly 0 among weak gates', (n) => (n % 7 === 3 ? zero : -0.01)],
    ['exactly 0, exactly 1 and e^-10000', (n) => [zero, 0, 0, -1e4, 0][n % 5]],
    ['strong gates over a long text', () => -8],
  ];
  it.each(gates)('%s', (_, gate) => {
    tf.tidy(() => {
      const drawn = drawInputs({ ...small, N: 100, carried: true });
      const logDecays = Array.from({ length: 100 }, (_, n) => gate(n));
      const inputs = { ...drawn, logDecay: tf.tensor3d(logDecays, [1, 1, 100]) };
      const want = gradients(recurrentRetention, inputs);
      // expectClose refuses NaN and ∞ on either side.
      for (const [name, form] of allForms) expectAllClose(gradients(form, inputs, 64), want, name);
    });
  });
  it('negative control: with the mask after exp the gradient is NaN', () => {
    tf.tidy(() => {
      const inputs = drawInputs({ ...small, N: 100 });
      const strong: tf.Tensor3D = tf.fill([1, 1, 100], -8);
      const late = tf.grad((logDecay) => decayMaskedAfterExp(logDecay as tf.Tensor3D).sum());
      expect(late(strong).dataSync().some(Number.isNaN)).toBe(true);
      const early = tf.grad((logDecay) =>
        parallelRetention({ ...inputs, logDecay: logDecay as tf.Tensor3D }).output.sum(),
      );
      expect(early(strong).dataSync().every(Number.isFinite)).toBe(true);
    });
  });
  it('negative control: with a mask that multiplies −∞ by 0 it is NaN too', () => {
    tf.tidy(() => {
      const drawn = drawInputs({ ...small, N: 5 });
      const inputs = { ...drawn, logDecay: tf.tensor3d([0, zero, 0, 0, 0], [1, 1, 5]) };
      const got = gradients(parallelWithInfiniteProduct, inputs);
      const want = gradients(recurrentRetention, inputs);
      expect(() => expectAllClose(got, want, 'infinite product')).toThrow(/not finite/);
    });
  });
});

function expectAllClose(got: tf.Tensor[], want: (tf.Tensor | number[])[], what: string): void {
  expect(got.length).toBe(want.length);
  for (const [i, g] of got.entries()) expectClose(g, want[i], tolerance, `${what} d${names[i]}`);
}

/** (loss(x + h) − loss(x − h)) / 2h for every input number, in float64: off by about h² = 1e-10. */
function centralDifferences(inputs: DrawnInputs): number[][] {
  const { a, b } = lossWeights(inputs);
  const outputWeights = a.arraySync();
  const stateWeights = b.arraySync();
  const heads = perHead(inputs);
  const weighted = (x: number[][], weights: number[][]): number => {
    let sum = 0;
    for (const [i, row] of x.entries())
      for (const [j, value] of row.entries()) sum += value * weights[i][j];
    return sum;
  };
  return asList(inputs).map((_, which) =>
    heads.flatMap((row, batch) =>
      row.flatMap((head, h) => {
        const loss = () => {
          const { output, state } = recurrenceByDefinition(head, head.initialState);
          return (
            weighted(output, outputWeights[batch][h]) + weighted(state, stateWeights[batch][h])
          );
        };
        const slope = (list: number[], i: number) => {
          const x = list[i];
          const step = 1e-5;
          list[i] = x + step;
          const above = loss();
          list[i] = x - step;
          const below = loss();
          list[i] = x;
          return (above - below) / (2 * step);
        };
        const input = [head.q, head.k, head.v, [head.logDecay], head.initialState ?? []][which];
        return input.flatMap((list) => list.map((_, i) => slope(list, i)));
      }),
    ),
  );
}
