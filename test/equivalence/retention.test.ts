import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { rmsNorm } from '../../src/layers/rms-norm';
import { retentionByDefinition } from '../../src/retention/definition';
import {
  chunkwiseAsPrinted,
  chunkwiseRetention,
  forms,
  parallelRetention,
  type RetentionForm,
  recurrentRetention,
} from '../../src/retention/index';
import { expectClose, leakedBy, type Tolerance, useTestEngine } from '../helpers';
import {
  type DrawnInputs,
  drawInputs,
  drawnSizes,
  inFloat64,
  perHead,
  small,
} from '../retention/retention-inputs';
import {
  chunkwiseNormedTwice,
  chunkwiseWithoutState,
  decayBeforeReading,
  parallelWithInfiniteProduct,
  readBeforeAdding,
  stateDecayedTwice,
  withoutMask,
} from '../retention/wrong-forms';

beforeAll(useTestEngine);
/** float32 on these sizes: the worst error of 1500 draws on wasm and cpu is 5e-7 of the largest. */
const tolerance: Tolerance = { ofLargest: 4e-6, absolute: 1e-7 };
const allForms = Object.entries(forms);
const drawnChunkSizes = fc.integer({ min: 1, max: 24 });

/** Output and state against the definition in float64; NaN and ∞ fail too. */
function compareWithDefinition(form: RetentionForm, inputs: DrawnInputs, chunkSize?: number): void {
  const want = inFloat64(inputs);
  const got = form(inputs, { initialState: inputs.initialState, chunkSize });
  expectClose(got.output, want.output, tolerance, 'output');
  expectClose(got.state, want.state, tolerance, 'state');
}

describe('parallel, recurrent and chunkwise retention are one function', () => {
  it.each(allForms)(
    '%s equals the definition, for any sizes, gates, initial state and chunk size',
    (_, form) => {
      const property = fc.property(drawnSizes(19), drawnChunkSizes, (sizes, chunkSize) =>
        tf.tidy(() => compareWithDefinition(form, drawInputs(sizes), chunkSize)),
      );
      fc.assert(property, { numRuns: 150 });
    },
  );

  it.each(allForms)('%s resumed from a state equals the whole', (name, form) => {
    const compare = (
      sizes: Parameters<typeof drawInputs>[0],
      chunkSize: number,
      cutAt: number,
    ): void => {
      const N = sizes.N + 1;
      const inputs = drawInputs({ ...sizes, N });
      const first = 1 + (cutAt % sizes.N);
      const { initialState } = inputs;
      const whole = form(inputs, { initialState, chunkSize });
      const head = form(part(inputs, 0, first), { initialState, chunkSize });
      const tail = form(part(inputs, first, N - first), { initialState: head.state, chunkSize });
      const output = tf.concat([head.output, tail.output], 2);
      expectClose(output, whole.output, tolerance, `${name} output`);
      expectClose(tail.state, whole.state, tolerance, `${name} state`);
    };
    const property = fc.property(
      drawnSizes(19),
      drawnChunkSizes,
      fc.nat(18),
      (sizes, chunkSize, cutAt) => tf.tidy(() => compare(sizes, chunkSize, cutAt)),
    );
    fc.assert(property, { numRuns: 50 });
  });

  it('after the norm too, where a small output counts as much as a large one', () => {
    // The norm multiplies the smallest outputs by up to 1/√eps ≈ 300, and their rounding with
    // them: the worst error of 1500 draws is 2.6e-5.
    const normed: Tolerance = { ofLargest: 2e-4, absolute: 1e-6 };
    const property = fc.property(drawnSizes(19), drawnChunkSizes, (sizes, chunkSize) =>
      tf.tidy(() => {
        const inputs = drawInputs(sizes);
        const options = { initialState: inputs.initialState, chunkSize };
        const want = rmsNorm(recurrentRetention(inputs, options).output, 1e-5);
        for (const form of [parallelRetention, chunkwiseRetention])
          expectClose(rmsNorm(form(inputs, options).output, 1e-5), want, normed, 'normed');
      }),
    );
    fc.assert(property, { numRuns: 50 });
  });

  it('over 3000 tokens the error does not grow: sums start again in every chunk', () => {
    tf.tidy(() => {
      for (const gateLogit of [-1, 4, 9]) {
        const inputs = drawInputs({ ...small, N: 3000, gateLogit });
        const want = inFloat64(inputs);
        for (const form of [chunkwiseRetention, recurrentRetention]) {
          const got = form(inputs);
          // TensorFlow's exp is off by −5e-9 on average just below 0 (wasm's by 2e-11), a graphics
          // card's may be off by 3 units in the last place: nothing once, but 1.5e-5 and 4e-5 in a
          // product of 3000 gates of nearly 1. The chunkwise form takes exp of sums instead.
          const drift = { tensorflow: 2e-5, webgpu: 1e-4 }[tf.getBackend()];
          const steady =
            form === recurrentRetention && drift ? { ...tolerance, ofLargest: drift } : tolerance;
          // 1.1e-6 for the recurrent form and the weakest gates, where thousands of roundings add
          // up; 3e-7 chunkwise.
          expectClose(got.output, want.output, steady, 'output');
          expectClose(got.state, want.state, steady, 'state');
        }
      }
    });
  });
});

describe('gates of exactly 0 (logDecay −∞) and exactly 1', () => {
  const zero = Number.NEGATIVE_INFINITY;
  const gates: [string, (n: number) => number][] = [
    ['every gate is 0', () => zero],
    ['every gate is 1', () => 0],
    ['0 and 1 in turns', (n) => (n % 2 === 0 ? zero : 0)],
    ['a single 0 among weak gates', (n) => (n === 4 ? zero : -0.01)],
    ['0 at the first and the last token', (n) => (n === 0 || n === 8 ? zero : -0.3)],
    ['0, 1, e^-10000 and weak gates', (n) => [zero, 0, -1e4, -0.01][n % 4]],
  ];
  const withGates = (gate: (n: number) => number): DrawnInputs => ({
    ...drawInputs({ ...small, carried: true }),
    logDecay: tf.tensor3d(
      Array.from({ length: 9 }, (_, n) => gate(n)),
      [1, 1, 9],
    ),
  });

  for (const [name, form] of allForms)
    it.each(gates)(`${name} equals the definition for all chunk sizes: %s`, (_, gate) => {
      tf.tidy(() => {
        const inputs = withGates(gate);
        const definition = retentionByDefinition(perHead(inputs)[0][0]);
        expectClose(form({ ...inputs }).output, [[definition]], tolerance, 'output');
        for (let chunkSize = 1; chunkSize <= 10; chunkSize++)
          compareWithDefinition(form, inputs, chunkSize);
      });
    });
  it('negative control: a mask that multiplies by 0 gives NaN', () => {
    tf.tidy(() => {
      const inputs = { ...withGates(() => zero), initialState: undefined };
      const compare = () => compareWithDefinition(parallelWithInfiniteProduct, inputs);
      expect(compare).toThrow(/not finite/);
      inputs.logDecay = withGates(() => -1).logDecay;
      expect(compare).not.toThrow();
    });
  });
});

describe('padding with k = 0 and ln γ = 0 changes nothing', () => {
  it.each(allForms)('%s, on either side, before and after the norm', (_, form) => {
    tf.tidy(() => {
      for (const exactGates of [0, 0.4]) {
        const inputs = drawInputs({ ...small, B: 2, H: 2, carried: true, exactGates });
        const { initialState } = inputs;
        const want = form(inputs, { initialState, chunkSize: 4 });
        for (const [left, right] of [
          [3, 0],
          [0, 5],
          [4, 3],
        ] as const) {
          const got = form(padded(inputs, left, right, 0), { initialState, chunkSize: 4 });
          const output = got.output.slice([0, 0, left, 0], [-1, -1, 9, -1]);
          expectClose(output, want.output, tolerance, 'output');
          expectClose(rmsNorm(output, 1e-5), rmsNorm(want.output, 1e-5), tolerance, 'normed');
          expectClose(got.state, want.state, tolerance, 'state');
        }
      }
    });
  });
  it('negative control: padding that decays is noticed on either side', () => {
    tf.tidy(() => {
      const inputs = drawInputs({ ...small, carried: true });
      const { initialState } = inputs;
      const want = chunkwiseRetention(inputs, { initialState });
      const left = chunkwiseRetention(padded(inputs, 3, 0, -0.1), { initialState });
      expect(() => expectClose(left.output.slice([0, 0, 3, 0]), want.output, tolerance)).toThrow(
        /worst error/,
      );
      const right = chunkwiseRetention(padded(inputs, 0, 3, -0.1), { initialState });
      expectClose(right.output.slice([0, 0, 0, 0], [-1, -1, 9, -1]), want.output, tolerance);
      expect(() => expectClose(right.state, want.state, tolerance)).toThrow(/worst error/);
    });
  });
});

describe('negative controls: the comparison notices', () => {
  it.each([
    ["the key's own gate counted", { from: 0 }],
    ["the query's gate left out", { to: -1 }],
  ])('%s', (_, mistake) => {
    tf.tidy(() => {
      const inputs = drawInputs(small);
      const { output } = parallelRetention(inputs);
      const head = perHead(inputs)[0][0];
      const wrong = retentionByDefinition(head, mistake);
      expectClose(output, [[retentionByDefinition(head)]], tolerance);
      expect(() => expectClose(output, [[wrong]], tolerance)).toThrow(/worst error/);
    });
  });

  it.each([
    ['D transposed, as printed', chunkwiseAsPrinted],
    ['the state not carried', chunkwiseWithoutState],
    ['the causal mask missing', withoutMask],
    ['the token added after it is read', readBeforeAdding],
    ['the token decayed before it is read', decayBeforeReading],
    ['the last state decayed once too often', stateDecayedTwice],
  ] as [string, RetentionForm][])('%s', (_, wrong) => {
    tf.tidy(() => {
      const inputs = drawInputs({ ...small, gateLogit: 2 });
      expect(() => compareWithDefinition(wrong, inputs, 4)).toThrow(/worst error/);
    });
  });
  it('the inside of a chunk normed first, and the sum again', () => {
    tf.tidy(() => {
      const inputs = drawInputs({ ...small, gateLogit: 2 });
      const once = rmsNorm(chunkwiseRetention(inputs, { chunkSize: 4 }).output, 1e-5);
      const twice = rmsNorm(chunkwiseNormedTwice(inputs, { chunkSize: 4 }).output, 1e-5);
      const loose: Tolerance = { ofLargest: 0.01, absolute: 0 };
      expect(() => expectClose(twice, once, loose)).toThrow(/worst error/);
    });
  });
  it('but with one token per chunk the transposed D is not visible', () => {
    tf.tidy(() => {
      const inputs = drawInputs(small);
      const printed = chunkwiseAsPrinted(inputs, { chunkSize: 1 });
      expectClose(printed.output, recurrentRetention(inputs).output, tolerance);
    });
  });
});

describe('memory and errors', () => {
  it.each(allForms)(
    '%s keeps only its result, and allocates nothing before it throws',
    (_, form) => {
      const inputs = drawInputs({ ...small, carried: true });
      const held = tf.memory().numTensors;
      const options = { initialState: inputs.initialState, chunkSize: 4 };
      expect(leakedBy(() => ({ ...form(inputs, options) }))).toBe(0);
      expect(() => form({ ...inputs, k: inputs.q.slice([0, 0, 0, 0], [-1, -1, 8, -1]) })).toThrow(
        /N is 9 in q, but 8 in k \[1,1,8,3\]/,
      );
      expect(tf.memory().numTensors).toBe(held + 1); // the slice above
      expect(() => form({ ...inputs, logDecay: inputs.q as unknown as tf.Tensor3D })).toThrow(
        /logDecay has shape \[1,1,9,3\], but needs 3 axes/,
      );
      expect(() => form(inputs, { initialState: inputs.q })).toThrow(/initialState/);
      expect(tf.memory().numTensors).toBe(held + 1);
    },
  );
  it.each(allForms)('%s refuses a wrong chunk size, and a text without tokens', (_, form) => {
    const inputs = drawInputs(small);
    for (const chunkSize of [0, -1, 2.5, Number.NaN])
      expect(() => form(inputs, { chunkSize })).toThrow(/give a whole number of tokens/);
    const nothing = {
      q: tf.zeros<tf.Rank.R4>([1, 1, 0, 3]),
      k: tf.zeros<tf.Rank.R4>([1, 1, 0, 3]),
      v: tf.zeros<tf.Rank.R4>([1, 1, 0, 2]),
      logDecay: tf.zeros<tf.Rank.R3>([1, 1, 0]),
    };
    expect(() => form(nothing)).toThrow(/N is 0; give a whole number of tokens/);
  });
});

/** Tokens start … start + n − 1. */
function part({ q, k, v, logDecay }: DrawnInputs, start: number, n: number): DrawnInputs {
  const cut = (x: tf.Tensor4D) => x.slice<tf.Tensor4D>([0, 0, start, 0], [-1, -1, n, -1]);
  return { q: cut(q), k: cut(k), v: cut(v), logDecay: logDecay.slice([0, 0, start], [-1, -1, n]) };
}
/** q is padded with ones, so that only k and logDecay can hide the padding. */
function padded(inputs: DrawnInputs, left: number, right: number, padDecay: number): DrawnInputs {
  const none: [number, number] = [0, 0];
  const time: [number, number] = [left, right];
  return {
    q: inputs.q.pad([none, none, time, none], 1),
    k: inputs.k.pad([none, none, time, none], 0),
    v: inputs.v.pad([none, none, time, none], 0),
    logDecay: inputs.logDecay.pad([none, none, time], padDecay),
  };
}
