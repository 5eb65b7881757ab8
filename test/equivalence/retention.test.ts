import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { rmsNorm } from '../../src/layers/rms-norm';
import { byDefinition } from '../../src/retention/definition';
import {
  chunkwiseRetention,
  forms,
  parallelRetention,
  type RetentionForm,
  recurrentRetention,
} from '../../src/retention/index';
import {
  chunkwiseAsPrinted,
  chunkwiseForgettingTheState,
  chunkwiseNormalisedTwice,
} from '../../src/retention/pitfalls';
import { expectClose, leakedBy, type Tolerance, useTestEngine } from '../helpers';
import {
  type DrawnInputs,
  drawInputs,
  inFloat64,
  perHead,
  sizes,
  small,
} from '../retention/retention-inputs';

beforeAll(useTestEngine);
/** float32 on these sizes: 5e-7 of the largest number is the worst of 1500 draws, on wasm and cpu alike. */
const tolerance: Tolerance = { ofLargest: 4e-6, absolute: 1e-7 };
const allForms = Object.entries(forms) as [string, RetentionForm][];
const chunkSizes = fc.integer({ min: 1, max: 24 });

describe('parallel, recurrent and chunkwise retention are one function', () => {
  it.each(allForms)(
    '%s is the definition, for any sizes, gates, carried state and chunk size, ragged or not',
    (name, form) => {
      fc.assert(
        fc.property(sizes(19), chunkSizes, (drawn, chunkSize) =>
          tf.tidy(() => {
            const inputs = drawInputs(drawn);
            const want = inFloat64(inputs);
            const got = form(inputs, { initialState: inputs.initialState, chunkSize });
            expectClose(got.output, want.output, tolerance, `${name} output`);
            expectClose(got.state, want.state, tolerance, `${name} state`);
          }),
        ),
      );
    },
  );

  it.each(allForms)(
    '%s resumed from the state of the first part gives what the whole gives',
    (name, form) => {
      fc.assert(
        fc.property(sizes(19), chunkSizes, fc.nat(18), (drawn, chunkSize, cutAt) =>
          tf.tidy(() => {
            const inputs = drawInputs({ ...drawn, N: drawn.N + 1 });
            const first = 1 + (cutAt % drawn.N);
            const whole = form(inputs, { initialState: inputs.initialState, chunkSize });
            const head = form(part(inputs, 0, first), {
              initialState: inputs.initialState,
              chunkSize,
            });
            const tail = form(part(inputs, first, drawn.N + 1 - first), {
              initialState: head.state,
              chunkSize,
            });
            expectClose(
              tf.concat([head.output, tail.output], 2),
              whole.output,
              tolerance,
              `${name} output`,
            );
            expectClose(tail.state, whole.state, tolerance, `${name} state`);
          }),
        ),
        { numRuns: 50 },
      );
    },
  );

  it('after the norm too, where a small output counts as much as a large one', () => {
    // The norm lifts the smallest outputs by up to 1/√eps ≈ 300, and their rounding with them: 2.6e-5 is the worst of 1500 draws.
    const normed: Tolerance = { ofLargest: 2e-4, absolute: 1e-6 };
    fc.assert(
      fc.property(sizes(19), chunkSizes, (drawn, chunkSize) =>
        tf.tidy(() => {
          const inputs = drawInputs(drawn);
          const options = { initialState: inputs.initialState, chunkSize };
          const want = rmsNorm(recurrentRetention(inputs, options).output, 1e-5);
          for (const form of [parallelRetention, chunkwiseRetention])
            expectClose(rmsNorm(form(inputs, options).output, 1e-5), want, normed, 'normed');
        }),
      ),
      { numRuns: 50 },
    );
  });

  it('over 3000 tokens the error does not grow: sums start afresh in every chunk', () => {
    tf.tidy(() => {
      for (const gateLogit of [-1, 4, 9]) {
        const inputs = drawInputs({ ...small, N: 3000, gateLogit });
        const want = inFloat64(inputs);
        for (const form of [chunkwiseRetention, recurrentRetention]) {
          const got = form(inputs);
          // TensorFlow's exp is off by −5e-9 on average just below 0 (wasm's by 2e-11), a graphics card's may be off by 3 units
          // in the last place: nothing once, 1.5e-5 and 4e-5 after 3000 gates of nearly 1 multiplied up. The chunkwise form
          // takes exp of sums instead, and stays with everyone else.
          const drift = { tensorflow: 2e-5, webgpu: 1e-4 }[tf.getBackend()];
          const steady =
            form === recurrentRetention && drift ? { ...tolerance, ofLargest: drift } : tolerance;
          // 1.1e-6 for the recurrent form and the weakest gates, where thousands of roundings add up; 3e-7 chunkwise.
          expectClose(got.output, want.output, steady, 'output');
          expectClose(got.state, want.state, steady, 'state');
        }
      }
    });
  });
});

describe('padding that holds nothing (k = v = 0) and forgets nothing (ln γ = 0) changes nothing', () => {
  it.each(allForms)('%s, on either side, before and after the norm', (_, form) => {
    tf.tidy(() => {
      const inputs = drawInputs({ ...small, B: 2, H: 2, carried: true });
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
    });
  });
  it('can it fail? padding that decays is caught on the left by the outputs, on the right by the state', () => {
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

describe('can it fail? each of the famous mistakes is noticed', () => {
  it.each([
    ["the key's own gate counted", { from: 0 }],
    ["the query's gate left out", { to: -1 }],
  ])('%s', (_, mistake) => {
    tf.tidy(() => {
      const inputs = drawInputs(small);
      const { output } = parallelRetention(inputs);
      const head = perHead(inputs)[0][0];
      expectClose(output, [[byDefinition(head)]], tolerance);
      expect(() => expectClose(output, [[byDefinition(head, mistake)]], tolerance)).toThrow(
        /worst error/,
      );
    });
  });

  const leftOut: [string, RetentionForm][] = [
    ['D transposed, as printed', chunkwiseAsPrinted],
    ['the state not carried', chunkwiseForgettingTheState],
    ['the causal mask missing', withoutMask],
    ['the newcomer written after it is read', readBeforeWriting],
    [
      'the newcomer fading before it is read',
      (inputs, options) =>
        recurrentRetention(
          { ...inputs, v: inputs.v.mul(inputs.logDecay.exp().expandDims(3)) },
          options,
        ),
    ],
    [
      'the state of the end faded once too often',
      (inputs, options) => {
        const { output, state } = recurrentRetention(inputs, options);
        return { output, state: state.mul(0.9) };
      },
    ],
  ];
  it.each(leftOut)('%s', (_, wrong) => {
    tf.tidy(() => {
      const inputs = drawInputs({ ...small, gateLogit: 2 });
      const want = inFloat64(inputs);
      const got = wrong(inputs, { chunkSize: 4 });
      expect(() => {
        expectClose(got.output, want.output, tolerance);
        expectClose(got.state, want.state, tolerance);
      }).toThrow(/worst error/);
    });
  });
  it('normalised twice: the inside of the chunk first, the sum again', () => {
    tf.tidy(() => {
      const inputs = drawInputs({ ...small, gateLogit: 2 });
      const once = rmsNorm(chunkwiseRetention(inputs, { chunkSize: 4 }).output, 1e-5);
      const twice = rmsNorm(chunkwiseNormalisedTwice(inputs, { chunkSize: 4 }).output, 1e-5);
      expect(() => expectClose(twice, once, { ofLargest: 0.01, absolute: 0 })).toThrow(
        /worst error/,
      );
    });
  });
  it('one token per chunk hides the transposed D: a test needs ragged chunks of several tokens', () => {
    tf.tidy(() => {
      const inputs = drawInputs(small);
      expectClose(
        chunkwiseAsPrinted(inputs, { chunkSize: 1 }).output,
        recurrentRetention(inputs).output,
        tolerance,
      );
    });
  });
});

describe('manners', () => {
  it.each(allForms)(
    '%s keeps nothing but its result, and allocates nothing before it refuses',
    (_, form) => {
      const inputs = drawInputs({ ...small, carried: true });
      const held = tf.memory().numTensors;
      expect(
        leakedBy(() => ({ ...form(inputs, { initialState: inputs.initialState, chunkSize: 4 }) })),
      ).toBe(0);
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
  it('refuses a chunk size that is no count, and a text without tokens', () => {
    const inputs = drawInputs(small);
    for (const chunkSize of [0, -1, 2.5, Number.NaN])
      expect(() => chunkwiseRetention(inputs, { chunkSize })).toThrow(
        /give a whole number of tokens/,
      );
    const nothing = {
      ...inputs,
      q: tf.zeros<tf.Rank.R4>([1, 1, 0, 3]),
      k: tf.zeros<tf.Rank.R4>([1, 1, 0, 3]),
      v: tf.zeros<tf.Rank.R4>([1, 1, 0, 2]),
      logDecay: tf.zeros<tf.Rank.R3>([1, 1, 0]),
    };
    for (const [, form] of allForms)
      expect(() => form(nothing)).toThrow(/N is 0; give a whole number of tokens/);
  });
});

function part({ q, k, v, logDecay }: DrawnInputs, start: number, n: number): DrawnInputs {
  const cut = (x: tf.Tensor4D) => x.slice<tf.Tensor4D>([0, 0, start, 0], [-1, -1, n, -1]);
  return { q: cut(q), k: cut(k), v: cut(v), logDecay: logDecay.slice([0, 0, start], [-1, -1, n]) };
}
function padded(
  { q, k, v, logDecay }: DrawnInputs,
  left: number,
  right: number,
  padDecay: number,
): DrawnInputs {
  const pad = (x: tf.Tensor4D, value: number) =>
    x.pad<tf.Tensor4D>(
      [
        [0, 0],
        [0, 0],
        [left, right],
        [0, 0],
      ],
      value,
    );
  return {
    q: pad(q, 1),
    k: pad(k, 0),
    v: pad(v, 0),
    logDecay: logDecay.pad(
      [
        [0, 0],
        [0, 0],
        [left, right],
      ],
      padDecay,
    ),
  };
}
/** Decay by distance, on both sides: tokens read the future. */
function withoutMask(inputs: DrawnInputs): { output: tf.Tensor4D; state: tf.Tensor4D } {
  const g = tf.cumsum(inputs.logDecay, 2);
  const D = g.expandDims(3).sub(g.expandDims(2)).abs().neg().exp();
  const output = tf.matMul<tf.Tensor4D>(
    tf.matMul(inputs.q, inputs.k, false, true).mul(D),
    inputs.v,
  );
  return { output, state: recurrentRetention(inputs).state };
}
function readBeforeWriting(inputs: DrawnInputs): { output: tf.Tensor4D; state: tf.Tensor4D } {
  const { output, state } = recurrentRetention(inputs);
  const own = inputs.q.mul(inputs.k).sum(3, true).mul(inputs.v);
  return { output: output.sub(own), state };
}
