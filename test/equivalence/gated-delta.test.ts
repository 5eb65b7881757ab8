import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { gatedDeltaByDefinition } from '../../src/delta-rule/definition';
import {
  chunkwiseGatedDelta,
  type GatedDeltaForm,
  recurrentGatedDelta,
  solveUnitTriangle,
} from '../../src/delta-rule/index';
import { recurrentRetention } from '../../src/retention/index';
import {
  type DrawnDelta,
  deltaGradients,
  deltaHeads,
  deltaInFloat64,
  deltaList,
  deltaLossWeights,
  deltaNames,
  drawDelta,
  wrongForms,
} from '../delta-rule/delta-inputs';
import {
  centralDifference,
  expectClose,
  leakedBy,
  normal,
  SeededRandom,
  type Tolerance,
  useTestEngine,
} from '../helpers';
import { drawnSizes, type Sizes, small } from '../retention/retention-inputs';

beforeAll(useTestEngine);
/**
 * float32: the worst error of 400 draws on wasm is 5e-7 of the largest number, 1.3e-6 of the
 * largest gradient.
 */
const tolerance: Tolerance = { ofLargest: 6e-6, absolute: 1e-6 };
const forms: [string, GatedDeltaForm][] = [
  ['recurrent', recurrentGatedDelta],
  ['chunkwise', chunkwiseGatedDelta],
];
const drawnChunkSizes = fc.integer({ min: 1, max: 24 });

function compareWithDefinition(form: GatedDeltaForm, inputs: DrawnDelta, chunkSize?: number) {
  const want = deltaInFloat64(inputs);
  const got = form(inputs, { initialState: inputs.initialState, chunkSize });
  expectClose(got.output, want.output, tolerance, 'output');
  expectClose(got.state, want.state, tolerance, 'state');
}

describe('both forms of the gated delta rule are one function', () => {
  it('the definition, by hand: β = 1 replaces, β = ½ moves half way, β = 0 leaves', () => {
    // One key, (1, 0), is written three times: with 8, with 4, with 100.
    const k = [
      [1, 0],
      [1, 0],
      [1, 0],
    ];
    const v = [[8], [4], [100]];
    const given = { q: k, k, v, beta: [1, 0.5, 0], logDecay: [0, 0, 0] };
    const { output, state } = gatedDeltaByDefinition(given);
    expect(output).toEqual([[8], [6], [6]]);
    expect(state).toEqual([[6], [0]]);
    // A gate of ½ halves what is found before it is corrected: 8 → 4 → 4 + ½ (4 − 4) = 4.
    const gated = gatedDeltaByDefinition({ ...given, logDecay: [0, Math.log(0.5), 0] });
    expect(gated.output[1][0]).toBeCloseTo(4, 12);
  });

  it.each(forms)('%s equals the definition, any sizes, gates, β, state, chunk size', (_, form) => {
    const property = fc.property(drawnSizes(19), drawnChunkSizes, (sizes, chunkSize) =>
      tf.tidy(() => compareWithDefinition(form, drawDelta(sizes), chunkSize)),
    );
    fc.assert(property, { numRuns: 120 });
  });

  it.each(forms)('%s resumed from a state equals the whole', (name, form) => {
    const compare = (sizes: Sizes, chunkSize: number, cutAt: number): void => {
      const N = sizes.N + 1;
      const inputs = drawDelta({ ...sizes, N });
      const first = 1 + (cutAt % sizes.N);
      const { initialState } = inputs;
      const whole = form(inputs, { initialState, chunkSize });
      const head = form(part(inputs, 0, first), { initialState, chunkSize });
      const tail = form(part(inputs, first, N - first), { initialState: head.state, chunkSize });
      const output = tf.concat([head.output, tail.output], 2);
      expectClose(output, whole.output, tolerance, `${name} output`);
      expectClose(tail.state, whole.state, tolerance, `${name} state`);
    };
    const property = fc.property(drawnSizes(19), drawnChunkSizes, fc.nat(18), (sizes, size, cut) =>
      tf.tidy(() => compare(sizes, size, cut)),
    );
    fc.assert(property, { numRuns: 40 });
  });

  it('the same key again and again, β = 1, nothing fades: the hardest system of a chunk', () => {
    // A is all ones below the diagonal; a series of its powers would reach 10¹⁷ at 64 tokens.
    tf.tidy(() => {
      const inputs = drawDelta({ ...small, N: 64, gateLogit: 60 });
      const k: tf.Tensor4D = tf.tile(inputs.k.slice([0, 0, 0], [1, 1, 1]), [1, 1, 64, 1]);
      const repeated = { ...inputs, k, beta: tf.onesLike(inputs.beta) };
      for (const [, form] of forms) compareWithDefinition(form, repeated, 64);
    });
  });

  it('what is written with β = 1 is found again whole, whatever the key found before', () => {
    tf.tidy(() => {
      const inputs = drawDelta({ ...small, carried: true });
      const asked = { ...inputs, q: inputs.k, beta: tf.onesLike(inputs.beta) };
      for (const [, form] of forms) {
        const { output } = form(asked, { initialState: inputs.initialState, chunkSize: 4 });
        expectClose(output, inputs.v, { ofLargest: 1e-5, absolute: 1e-5 }, 'found');
      }
    });
  });

  it('with keys at right angles it is retention: there is nothing to correct', () => {
    tf.tidy(() => {
      const drawn = drawDelta({ ...small, N: 3, Dk: 3 });
      const k: tf.Tensor4D = tf.eye(3).reshape([1, 1, 3, 3]);
      const inputs = { ...drawn, k, beta: tf.onesLike(drawn.beta) };
      const want = recurrentRetention(inputs);
      for (const [name, form] of forms)
        expectClose(form(inputs).state, want.state, tolerance, name);
    });
  });

  it.each(Object.entries(wrongForms))('negative control: %s', (_, wrong) => {
    tf.tidy(() => {
      const inputs = drawDelta({ ...small, carried: true });
      expect(() => compareWithDefinition(wrong, inputs, 4)).toThrow(/worst error/);
    });
  });

  it.each(forms)(
    '%s leaves nothing behind, and refuses bad input before it allocates',
    (_, form) => {
      tf.tidy(() => {
        const inputs = drawDelta({ ...small, carried: true });
        const run = () => {
          const { output, state } = form(inputs, {
            initialState: inputs.initialState,
            chunkSize: 4,
          });
          tf.dispose([output, state]);
        };
        expect(leakedBy(run)).toBe(0);
        const short = { ...inputs, beta: inputs.beta.slice([0, 0, 0], [1, 1, 8]) };
        const wrong = () => form(short);
        expect(wrong).toThrow(/beta/);
        expect(() => form(inputs, { chunkSize: 0 })).toThrow(/chunkSize/);
        const refused = () => void expect(wrong).toThrow(RangeError);
        expect(leakedBy(refused)).toBe(0);
      });
    },
  );
});

describe('the gradients of both forms are those of the definition', () => {
  it.each(forms)('%s, against central differences in float64', (name, form) => {
    for (const sizes of [
      { ...small, N: 5, carried: true },
      { ...small, B: 2, H: 2, N: 4, gateLogit: 4 },
      { ...small, N: 6, Dk: 2, carried: true, gateLogit: -4 },
      { ...small, N: 1, carried: true },
      { ...small, N: 6, carried: true, exactGates: 1 },
    ])
      tf.tidy(() => {
        const inputs = drawDelta(sizes);
        const want = centralDifferences(inputs);
        const got = deltaGradients(form, inputs, 3).map((g) => g.flatten());
        expectAllClose(got, want, name);
      });
  });
  it('form against form, for any sizes, gates, β, initial state and chunk size', () => {
    const property = fc.property(drawnSizes(13), drawnChunkSizes, (sizes, chunkSize) =>
      tf.tidy(() => {
        const inputs = drawDelta(sizes);
        const want = deltaGradients(recurrentGatedDelta, inputs);
        expectAllClose(deltaGradients(chunkwiseGatedDelta, inputs, chunkSize), want, 'chunkwise');
      }),
    );
    fc.assert(property, { numRuns: 40 });
  });
  it('negative control: gradients of a form that reads nothing before writing are noticed', () => {
    tf.tidy(() => {
      const inputs = drawDelta({ ...small, N: 5 });
      const [, wrong] = Object.entries(wrongForms)[0];
      const got = deltaGradients(wrong, inputs).map((g) => g.flatten());
      expect(() => expectAllClose(got, centralDifferences(inputs), 'wrong')).toThrow(/worst error/);
    });
  });
});

it('solveUnitTriangle: (I + A) X gives R back, for any number of rows', () => {
  const property = fc.property(fc.integer({ min: 1, max: 40 }), fc.nat(999), (c, seed) =>
    tf.tidy(() => {
      const random = new SeededRandom(seed);
      const below = tf.linalg.bandPart(tf.ones([c, c]), -1, 0).sub(tf.eye(c));
      const A = normal<tf.Tensor4D>(random, [1, 2, c, c], 0.3).mul<tf.Tensor4D>(below);
      const R = normal<tf.Tensor4D>(random, [1, 2, c, 3]);
      const X = solveUnitTriangle(A, R);
      const back = X.add(tf.matMul(A, X));
      const size = X.abs().max().dataSync()[0];
      expectClose(back, R, { ofLargest: 0, absolute: 2e-6 * (1 + size) }, '(I + A) X');
    }),
  );
  fc.assert(property, { numRuns: 60 });
});

function part(inputs: DrawnDelta, start: number, size: number): DrawnDelta {
  const cut = <T extends tf.Tensor>(x: T): T => x.slice([0, 0, start], [-1, -1, size]) as T;
  return {
    q: cut(inputs.q),
    k: cut(inputs.k),
    v: cut(inputs.v),
    beta: cut(inputs.beta),
    logDecay: cut(inputs.logDecay),
  };
}

function expectAllClose(got: tf.Tensor[], want: (tf.Tensor | number[])[], what: string): void {
  expect(got.length).toBe(want.length);
  for (const [i, g] of got.entries())
    expectClose(g, want[i], tolerance, `${what} d${deltaNames[i]}`);
}

/** (loss(x + h) − loss(x − h)) / 2h for every input number, in float64. */
function centralDifferences(inputs: DrawnDelta): number[][] {
  const { a, b } = deltaLossWeights(inputs);
  const [outputWeights, stateWeights] = [a.arraySync(), b.arraySync()];
  const weighted = (x: number[][], weights: number[][]): number =>
    x.flat().reduce((sum, value, i) => sum + value * weights.flat()[i], 0);
  const slopes = deltaHeads(inputs).map((row, batch) =>
    row.map((head, h) => {
      const loss = () => {
        const { output, state } = gatedDeltaByDefinition(head, head.initialState);
        return weighted(output, outputWeights[batch][h]) + weighted(state, stateWeights[batch][h]);
      };
      const slope = (list: number[], i: number) => centralDifference(loss, list, i);
      const { q, k, v, beta, logDecay, initialState = [] } = head;
      const lists = [q, k, v, [beta], [logDecay], initialState];
      return lists.map((rows) => rows.flatMap((list) => list.map((_, i) => slope(list, i))));
    }),
  );
  return deltaList(inputs).map((_, which) => slopes.flatMap((row) => row.flatMap((s) => s[which])));
}
