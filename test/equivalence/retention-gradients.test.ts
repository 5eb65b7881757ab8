import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  recurrenceByDefinition,
  recurrenceGradientsByDefinition,
} from '../../src/retention/definition';
import {
  chunkwiseAsPrinted,
  chunkwiseGradients,
  forms,
  parallelRetention,
  recurrentRetention,
} from '../../src/retention/index';
import { centralDifference, expectClose, type Tolerance, useTestEngine } from '../helpers';
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

describe('the gradients by hand', () => {
  it('of the recurrence in float64 are those of central differences', () => {
    for (const sizes of [
      { ...small, B: 2, H: 2, N: 5, carried: true },
      { ...small, N: 7, carried: true, exactGates: 0.6 },
      { ...small, N: 1 },
    ])
      tf.tidy(() => {
        const inputs = drawInputs(sizes);
        const got = gradientsByDefinition(inputs);
        const want = centralDifferences(inputs);
        for (const [i, g] of got.entries()) expectClose(g, want[i], differences, `d${names[i]}`);
      });
  });
  it('in chunks are those of the definition and of automatic differentiation', () => {
    const drawnChunkSizes = fc.integer({ min: 1, max: 15 });
    const property = fc.property(drawnSizes(13), drawnChunkSizes, (sizes, chunkSize) =>
      tf.tidy(() => {
        const inputs = drawInputs(sizes);
        const got = byHand(inputs, chunkSize);
        const automatic = gradients(forms.chunkwise, inputs, chunkSize);
        expectByHandClose(inputs, got, automatic);
        const flat = got.map((g) => g.flatten());
        expectByHandClose(inputs, flat, gradientsByDefinition(inputs));
      }),
    );
    fc.assert(property, { numRuns: 60 });
  });
  it('are finite and right for 300 strong gates, and leave no tensor behind', () => {
    tf.tidy(() => {
      const drawn = drawInputs({ ...small, N: 300, carried: true });
      const inputs = { ...drawn, logDecay: tf.fill([1, 1, 300], -8) as tf.Tensor3D };
      const want = gradients(recurrentRetention, inputs);
      expectByHandClose(inputs, byHand(inputs, 64), want);
    });
    const inputs = drawInputs({ ...small, carried: true });
    const { a, b } = lossWeights(inputs);
    const before = tf.memory().numTensors;
    tf.dispose(chunkwiseGradients(inputs, { output: a, state: b }, { ...inputs, chunkSize: 4 }));
    expect(tf.memory().numTensors).toBe(before);
  });
  it('refuse an upstream gradient of another shape', () => {
    const inputs = drawInputs(small);
    const { a, b } = lossWeights(inputs);
    const short: tf.Tensor4D = a.slice([0, 0, 1, 0]);
    expect(() => chunkwiseGradients(inputs, { output: short, state: b })).toThrow(RangeError);
  });
  it.each([
    ['a gate summed from the left', (dG: tf.Tensor3D) => tf.cumsum(dG, 2)],
    ['a gate that feels its own token alone', (dG: tf.Tensor3D) => dG],
  ])('negative control: %s is noticed', (_, wrong) => {
    tf.tidy(() => {
      const inputs = drawInputs(small);
      const right = byHand(inputs, 4);
      const [dQ, dK] = right;
      const dG: tf.Tensor3D = inputs.q.mul(dQ).sub(inputs.k.mul(dK)).sum(3);
      const mistaken = [...right.slice(0, 3), wrong(dG)];
      const want = gradients(recurrentRetention, inputs);
      expect(() => expectByHandClose(inputs, mistaken, want)).toThrow(/worst error/);
    });
  });
});

/** The gradient of a gate is a difference of sums: it is as exact as the largest q · dq. */
function expectByHandClose(
  { q }: DrawnInputs,
  got: tf.Tensor[],
  want: (tf.Tensor | number[])[],
): void {
  const dQ = got[0].reshape(q.shape);
  const largest = q.mul(dQ).sum(3).abs().max().dataSync()[0];
  for (const [i, g] of got.entries()) {
    const absolute = names[i] === 'logDecay' ? 6e-6 * largest + 1e-6 : tolerance.absolute;
    expectClose(g, want[i], { ...tolerance, absolute }, `by hand d${names[i]}`);
  }
}

/** Central differences are off by about 1e-10. */
const differences: Tolerance = { ofLargest: 1e-8, absolute: 1e-8 };

function byHand(inputs: DrawnInputs, chunkSize: number): tf.Tensor[] {
  const { a, b } = lossWeights(inputs);
  const { initialState } = inputs;
  const upstream = { output: a, state: b };
  const got = chunkwiseGradients(inputs, upstream, { initialState, chunkSize });
  const list: tf.Tensor[] = [got.q, got.k, got.v, got.logDecay];
  return initialState ? [...list, got.initialState] : list;
}

/** The definition's, each as one list over all batches and heads. */
function gradientsByDefinition(inputs: DrawnInputs): number[][] {
  const { a, b } = lossWeights(inputs);
  const outputWeights = a.arraySync();
  const stateWeights = b.arraySync();
  const lists: number[][] = asList(inputs).map(() => []);
  for (const [batch, heads] of perHead(inputs).entries())
    for (const [h, head] of heads.entries()) {
      const upstream = { output: outputWeights[batch][h], state: stateWeights[batch][h] };
      const got = recurrenceGradientsByDefinition(head, upstream, head.initialState);
      const parts = [got.q, got.k, got.v, [got.logDecay], got.initialState];
      for (const [i, list] of lists.entries()) list.push(...parts[i].flat());
    }
  return lists;
}

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
        const slope = (list: number[], i: number) => centralDifference(loss, list, i);
        const input = [head.q, head.k, head.v, [head.logDecay], head.initialState ?? []][which];
        return input.flatMap((list) => list.map((_, i) => slope(list, i)));
      }),
    ),
  );
}
