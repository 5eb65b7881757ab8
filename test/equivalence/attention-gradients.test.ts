/**
 * Gradients: plain attention against central differences of the definition, blocked against plain.
 */
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { type AttentionInputs, attention } from '../../src/attention/attention';
import { blockedAttention } from '../../src/attention/blocked-attention';
import { peakOf } from '../../src/tensor/ledger';
import {
  definitionOfAllHeads,
  drawInputs,
  drawnOptions,
  drawnSizes,
  type Form,
  fitPadding,
  gradientsOf,
  numbersOf,
  realQueries,
  type Sizes,
  small,
} from '../attention/attention-inputs';
import {
  expectClose,
  leakedBy,
  normal,
  SeededRandom,
  type Tolerance,
  useTestEngine,
  viewsCount,
} from '../helpers';

beforeAll(useTestEngine);
/** float32: 6e-7 of the largest gradient is the worst of 300 draws, on wasm and cpu. */
const tolerance: Tolerance = { ofLargest: 6e-6, absolute: 1e-6 };
const tiny: Sizes = { B: 1, G: 2, Hkv: 2, N: 4, past: 2, Dk: 3, Dv: 2, seed: 8 };

/** A weight of its own for each number of the output; 0 at padded queries. */
function weightsOf(inputs: AttentionInputs, padLengths?: readonly number[]): tf.Tensor4D {
  const [B, N, H] = inputs.q.shape;
  const weights = normal<tf.Tensor4D>(new SeededRandom(77), [B, N, H, inputs.v.shape[3]]);
  return weights.mul(realQueries(inputs, padLengths));
}

type Gradients = (inputs: AttentionInputs, options: Parameters<Form>[1]) => tf.Tensor[];
const gradients =
  (form: Form): Gradients =>
  (inputs, options) =>
    gradientsOf((x) => form(x, options), inputs, weightsOf(inputs, options.padLengths));

/** (loss(x + h) − loss(x − h)) / 2h for every number, in float64: off by about h² = 1e-10. */
const centralDifferences: Gradients = (inputs, options) => {
  const weights = weightsOf(inputs, options.padLengths).dataSync();
  const numbers = numbersOf(inputs);
  const loss = () => {
    const output = definitionOfAllHeads(numbers, options).flat(3);
    return output.reduce((sum, y, i) => sum + y * weights[i], 0);
  };
  const step = 1e-5;
  return (['q', 'k', 'v'] as const).map((name) => {
    const slopes = numbers[name].map((tokens) =>
      tokens.map((heads) =>
        heads.map((features) =>
          features.map((x, d) => {
            features[d] = x + step;
            const above = loss();
            features[d] = x - step;
            const below = loss();
            features[d] = x;
            return (above - below) / (2 * step);
          }),
        ),
      ),
    );
    return tf.tensor4d(slopes);
  });
};

function compare(got: Gradients, expected: Gradients, sizes: Sizes, drawn: object): void {
  const options = fitPadding(drawn, sizes);
  tf.tidy(() => {
    const inputs = drawInputs(sizes);
    const reference = expected(inputs, options);
    for (const [i, gradient] of got(inputs, options).entries())
      expectClose(gradient, reference[i], tolerance, `d${'qkv'[i]}`);
  });
}

describe('gradients of q, k and v', () => {
  it.each<[string, Sizes, object]>([
    ['causal', tiny, {}],
    ['a window', tiny, { windowSize: 2 }],
    ['not causal', tiny, { causal: false }],
    ['a scale of its own', { ...tiny, G: 1 }, { scale: 1 }],
    ['one query', { ...tiny, B: 2, N: 1 }, {}],
    ['padding', { ...tiny, B: 2 }, { padLengths: [3, 0] }],
  ])('plain and blocked equal central differences of the definition: %s', (_, sizes, options) => {
    compare(gradients(attention), centralDifferences, sizes, options);
    compare(gradients(inBlocksOf(3)), centralDifferences, sizes, options);
  });
  it('blocked equal plain, for any sizes, mask, scale, padding and block size', () => {
    const blockSizes = fc.integer({ min: 1, max: 12 });
    const property = fc.property(
      drawnSizes(11),
      drawnOptions(11),
      blockSizes,
      (sizes, options, queryBlockSize) =>
        compare(gradients(inBlocksOf(queryBlockSize)), gradients(attention), sizes, options),
    );
    fc.assert(property, { numRuns: 60 });
  });
  it('are finite for scores of thousands', () => {
    tf.tidy(() => {
      const { q, k, v } = drawInputs(small);
      const inputs = { q: q.mul<tf.Tensor4D>(1000), k, v };
      for (const form of [attention, blockedAttention])
        for (const gradient of gradients(form)(inputs, { windowSize: 3 }))
          expect(gradient.dataSync().every(Number.isFinite)).toBe(true);
    });
  });
});

const inBlocksOf =
  (queryBlockSize: number): Form =>
  (inputs, options) =>
    blockedAttention(inputs, { ...options, queryBlockSize });

describe('both comparisons notice', () => {
  const halveGradientOfV: Form = ({ q, k, v }, options) => {
    const half: tf.Tensor4D = tf.customGrad((x) => ({
      value: (x as tf.Tensor4D).clone(),
      gradFunc: (dy: tf.Tensor) => dy.mul(0.5),
    }))(v) as tf.Tensor4D;
    return attention({ q, k, v: half }, options);
  };
  it.each<[string, Gradients]>([
    ['half of dv missing', gradients(halveGradientOfV)],
    ['no scale in the gradient', (x, o) => gradients(attention)(x, o).map((g) => g.mul(2))],
    ['the gradient of a wider window', (x) => gradients(attention)(x, { windowSize: 3 })],
  ])('%s', (_, mistaken) => {
    const windowed = { windowSize: 2 };
    expect(() => compare(mistaken, centralDifferences, tiny, windowed)).toThrow(/worst error/);
    expect(() => compare(mistaken, gradients(blockedAttention), tiny, windowed)).toThrow(
      /worst error/,
    );
  });
});

describe('memory of the blocked form', () => {
  const needed = (N: number, work: (inputs: AttentionInputs) => tf.TensorContainer): number => {
    const inputs = drawInputs({ ...small, B: 1, N, past: 0 });
    const peak = peakOf(() => tf.tidy(() => work(inputs)));
    tf.dispose([peak.result, inputs.q, inputs.k, inputs.v]);
    return peak.needed.bytes;
  };
  // 4 heads of 512 × 512 scores would be 4.2 MB; the gradient needs four such matrices.
  it.each([
    ['output', 1e6, inBlocksOf(32)],
    ['gradient', 2.5e6, (x: AttentionInputs) => gradients(inBlocksOf(32))(x, {})],
  ] as const)('%s: twice the tokens need twice the memory, not four times', (_, most, work) => {
    const run = (inputs: AttentionInputs) => work(inputs, {}) as tf.TensorContainer;
    const once = needed(256, run);
    const twice = needed(512, run);
    expect(twice / once).toBeLessThan(2.2);
    expect(twice).toBeLessThan(most * viewsCount());
  });
  it.each([
    ['plain', attention],
    ['blocked', inBlocksOf(3)],
  ] as [string, Form][])('%s: only the results are left', (_, form) => {
    const inputs = drawInputs(small);
    for (const options of [{}, { windowSize: 2 }, { padLengths: [3, 0] }]) {
      expect(leakedBy(() => form(inputs, options))).toBe(0);
      expect(leakedBy(() => tf.tidy(() => gradients(form)(inputs, options)))).toBe(0);
    }
    tf.dispose([inputs.q, inputs.k, inputs.v]);
  });
});
