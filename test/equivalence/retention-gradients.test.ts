import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { recurrenceByDefinition } from '../../src/retention/definition';
import {
  forms,
  parallelRetention,
  type RetentionForm,
  recurrentRetention,
} from '../../src/retention/index';
import { chunkwiseAsPrinted, maskingAfterExp } from '../../src/retention/pitfalls';
import { expectClose, type Tolerance, useTestEngine } from '../helpers';
import {
  asList,
  type DrawnInputs,
  drawInputs,
  gradients,
  lossWeights,
  names,
  perHead,
  sizes,
  small,
} from '../retention/retention-inputs';

beforeAll(useTestEngine);
/** float32: 6e-7 of the largest gradient is the worst of 500 draws, on wasm and cpu. */
const tolerance: Tolerance = { ofLargest: 6e-6, absolute: 1e-6 };
const allForms = Object.entries(forms) as [string, RetentionForm][];

describe('the gradients of the three forms are those of the definition', () => {
  it.each(allForms)('%s, against central differences in float64', (name, form) => {
    for (const drawn of [
      { ...small, N: 5, carried: true },
      { ...small, B: 2, H: 2, N: 4, gateLogit: 4 },
      { ...small, N: 6, Dk: 2, carried: true, gateLogit: -4 },
      { ...small, N: 1, carried: true },
    ])
      tf.tidy(() => {
        const inputs = drawInputs(drawn);
        const want = centralDifferences(inputs);
        expectAllClose(
          gradients(form, inputs, 3).map((g) => g.flatten()),
          want,
          name,
        );
      });
  });
  it('form against form, for any sizes, gates, carried state and chunk size', () => {
    fc.assert(
      fc.property(sizes(13), fc.integer({ min: 1, max: 15 }), (drawn, chunkSize) =>
        tf.tidy(() => {
          const inputs = drawInputs(drawn);
          const want = gradients(recurrentRetention, inputs);
          for (const form of [forms.parallel, forms.chunkwise])
            expectAllClose(gradients(form, inputs, chunkSize), want, form.name);
        }),
      ),
      { numRuns: 30 },
    );
  });
  it('can it fail? a transposed D is noticed', () => {
    tf.tidy(() => {
      const inputs = drawInputs(small);
      const want = gradients(recurrentRetention, inputs);
      expect(() =>
        expectAllClose(gradients(chunkwiseAsPrinted, inputs, 4), want, 'as printed'),
      ).toThrow(/worst error/);
    });
  });
});

describe('gradients stay finite and right where exponentials are tempted to overflow', () => {
  const gates: [string, (n: number) => number][] = [
    ['gates of exactly 1', () => 0],
    ['gates that forget everything at once', () => -1e4],
    ['a total reset among weak gates', (n) => (n % 7 === 3 ? -1e4 : -0.01)],
    ['strong gates over a long piece', () => -8],
  ];
  it.each(gates)('%s', (_, gate) => {
    tf.tidy(() => {
      const drawn = drawInputs({ ...small, N: 100, carried: true });
      const inputs = {
        ...drawn,
        logDecay: tf.tensor3d(
          Array.from({ length: 100 }, (_, n) => gate(n)),
          [1, 1, 100],
        ),
      };
      const want = gradients(recurrentRetention, inputs);
      // expectClose refuses NaN and ∞ on either side.
      for (const [name, form] of allForms) expectAllClose(gradients(form, inputs, 64), want, name);
    });
  });
  it('can it fail? with the mask after the exponential the gradient is NaN', () => {
    tf.tidy(() => {
      const inputs = drawInputs({ ...small, N: 100 });
      const strong = tf.fill([1, 1, 100], -8) as tf.Tensor3D;
      const late = tf.grad((logDecay) => maskingAfterExp(logDecay as tf.Tensor3D).sum())(strong);
      expect(late.dataSync().some(Number.isNaN)).toBe(true);
      const early = tf.grad((logDecay) =>
        parallelRetention({ ...inputs, logDecay: logDecay as tf.Tensor3D }).output.sum(),
      )(strong);
      expect(early.dataSync().every(Number.isFinite)).toBe(true);
    });
  });
});

function expectAllClose(got: tf.Tensor[], want: (tf.Tensor | number[])[], what: string): void {
  expect(got.length).toBe(want.length);
  for (const [i, g] of got.entries()) expectClose(g, want[i], tolerance, `${what} d${names[i]}`);
}

/** (loss(x + h) − loss(x − h)) / 2h for every input number, all in float64: off by about h² = 1e-10. */
function centralDifferences(inputs: DrawnInputs): number[][] {
  const { a, b } = lossWeights(inputs);
  const [A, S] = [a.arraySync(), b.arraySync()];
  const heads = perHead(inputs);
  const weighted = (x: number[][], w: number[][]) =>
    x.reduce((sum, row, i) => sum + row.reduce((s, value, j) => s + value * w[i][j], 0), 0);
  return asList(inputs).map((_, which) =>
    heads.flatMap((row, h0) =>
      row.flatMap((head, h1) => {
        const loss = () => {
          const { output, state } = recurrenceByDefinition(head, head.initialState);
          return weighted(output, A[h0][h1]) + weighted(state, S[h0][h1]);
        };
        const slope = (list: number[], i: number) => {
          const [x, step] = [list[i], 1e-5];
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
