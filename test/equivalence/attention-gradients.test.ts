import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type AttentionInputs,
  type AttentionOptions,
  softmaxAttention,
} from '../../src/attention/blocked-attention';
import type { AttentionRule } from '../../src/attention/definition';
import { peakOf } from '../../src/tensor/ledger';
import {
  type Drawn,
  drawInputs,
  inFloat64,
  rules,
  sizes,
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
const names = ['q', 'k', 'v'] as const;
const asList = ({ q, k, v }: AttentionInputs): tf.Tensor[] => [q, k, v];
const fromList = ([q, k, v]: tf.Tensor[]): AttentionInputs => ({ q, k, v }) as AttentionInputs;

/** What arrives from above: a weight of its own for each number of the output. */
const arriving = ({ q, v }: AttentionInputs): tf.Tensor4D =>
  normal(new SeededRandom(77), [q.shape[0], q.shape[1], q.shape[2], v.shape[3]]);
const gradients = (inputs: AttentionInputs, options: AttentionOptions): tf.Tensor[] =>
  tf.grads((...given: tf.Tensor[]) => softmaxAttention(fromList(given), options))(
    asList(inputs),
    arriving(inputs),
  );

/** The whole square at once, heads repeated, from TensorFlow.js' own operations: its gradient is the engine's, not ours. */
function inOnePiece({ q, k, v }: AttentionInputs): tf.Tensor4D {
  const [B, N, H, D] = q.shape;
  const [, M, Hkv] = k.shape;
  const repeat = (x: tf.Tensor4D) =>
    x
      .reshape([B, M, Hkv, 1, -1])
      .mul(tf.ones([1, 1, 1, H / Hkv, 1]))
      .reshape<tf.Tensor4D>([B, M, H, -1])
      .transpose<tf.Tensor4D>([0, 2, 1, 3]);
  const hidden = tf.tensor2d(
    Array.from({ length: N }, (_, n) =>
      Array.from({ length: M }, (_, m) => (m <= n + M - N ? 0 : -1e30)),
    ),
  );
  const scores = tf.matMul(q.transpose([0, 2, 1, 3]), repeat(k), false, true).mul(D ** -0.5);
  return tf.softmax(scores.add(hidden)).matMul(repeat(v)).transpose([0, 2, 1, 3]);
}

/** (loss(x + h) − loss(x − h)) / 2h for every number, in float64: off by about h² = 1e-10. */
function centralDifferences(inputs: AttentionInputs, rule: AttentionRule): number[][] {
  const weights = arriving(inputs).dataSync();
  const loss = (given: AttentionInputs) =>
    (inFloat64(given, rule) as unknown as number[][])
      .flat(3 as 1)
      .reduce((sum, y, i) => sum + y * weights[i], 0);
  const step = 1e-5;
  return names.map((name) => {
    const x = inputs[name];
    const values = x.arraySync();
    // The loops take anything with a shape and an arraySync: numbers that a float32 tensor would round away.
    const shifted = (i: number, by: number): number => {
      let at = -1;
      const moved = values.map((a) =>
        a.map((b) => b.map((c) => c.map((number) => (++at === i ? number + by : number)))),
      );
      return loss({
        ...inputs,
        [name]: { shape: x.shape, arraySync: () => moved } as unknown as tf.Tensor4D,
      });
    };
    return Array.from(
      { length: x.size },
      (_, i) => (shifted(i, step) - shifted(i, -step)) / (2 * step),
    );
  });
}

function expectAllClose(got: tf.Tensor[], want: (tf.Tensor | number[])[]): void {
  for (const [i, name] of names.entries())
    expectClose(
      want[i] instanceof tf.Tensor ? got[i] : got[i].flatten(),
      want[i],
      tolerance,
      `d${name}`,
    );
}

describe('the gradient that is computed band by band is that of the definition', () => {
  const tiny: Drawn = { B: 1, G: 2, Hkv: 2, N: 4, past: 2, D: 3, Dv: 2, seed: 8 };
  it.each([
    ['causal', tiny, {}],
    ['a window', tiny, { windowSize: 2 }],
    ['not causal', tiny, { causal: false }],
    ['a scale of its own', { ...tiny, G: 1 }, { scale: 1 }],
    ['one query', { ...tiny, B: 2, N: 1 }, {}],
  ] as [string, Drawn, AttentionRule][])(
    '%s, against central differences in float64',
    (_, drawn, rule) => {
      tf.tidy(() => {
        const inputs = drawInputs(drawn);
        expectAllClose(
          gradients(inputs, { ...rule, blockSize: 3 }),
          centralDifferences(inputs, rule),
        );
      });
    },
  );
  it("is the engine's own gradient of the whole square, for any sizes and bands", () => {
    fc.assert(
      fc.property(sizes(11), fc.integer({ min: 1, max: 12 }), (drawn, blockSize) =>
        tf.tidy(() => {
          const inputs = drawInputs(drawn);
          const want = tf.grads((...given: tf.Tensor[]) => inOnePiece(fromList(given)))(
            asList(inputs),
            arriving(inputs),
          );
          expectAllClose(gradients(inputs, { blockSize }), want);
        }),
      ),
      { numRuns: 30 },
    );
  });
  it('does not depend on the bands, whatever the mask', () => {
    fc.assert(
      fc.property(sizes(11), rules(11), fc.integer({ min: 1, max: 12 }), (drawn, rule, blockSize) =>
        tf.tidy(() => {
          const inputs = drawInputs(drawn);
          expectAllClose(gradients(inputs, { ...rule, blockSize }), gradients(inputs, rule));
        }),
      ),
      { numRuns: 30 },
    );
  });
  it('stays finite for scores of thousands', () => {
    tf.tidy(() => {
      const drawn = drawInputs(small);
      const inputs = { ...drawn, q: drawn.q.mul<tf.Tensor4D>(1000) };
      for (const gradient of gradients(inputs, { windowSize: 3 }))
        expect(gradient.dataSync().every(Number.isFinite)).toBe(true);
    });
  });
  it.each([
    ['the scale forgotten on the way back', (g: tf.Tensor) => g.mul(2)],
    ['the gradient of a wider window', undefined],
  ])('can it fail? %s is noticed', (_, mistake) => {
    tf.tidy(() => {
      const inputs = drawInputs(tiny);
      const want = gradients(inputs, { windowSize: 2 });
      const wrong = mistake ? want.map(mistake) : gradients(inputs, { windowSize: 3 });
      expect(() => expectAllClose(wrong, want)).toThrow(/worst error/);
    });
  });
});

describe('the way back keeps to its means', () => {
  it('needs twice the memory for twice the tokens, not four times', () => {
    const needed = (N: number): number => {
      const inputs = drawInputs({ ...small, B: 1, N, past: 0 });
      const { result, needed } = peakOf(() => tf.tidy(() => gradients(inputs, { blockSize: 32 })));
      tf.dispose([...result, ...asList(inputs)]);
      return needed.bytes;
    };
    const [once, twice] = [needed(256), needed(512)];
    expect(twice / once).toBeLessThan(2.2);
    // 4 heads of 512 × 512 numbers would be 4.2 MB, and the way back needs four such squares.
    expect(twice).toBeLessThan(2.5e6 * viewsCount());
  });
  it('leaves nothing behind but its result', () => {
    const inputs = drawInputs(small);
    expect(leakedBy(() => tf.tidy(() => gradients(inputs, { blockSize: 3 })))).toBe(0);
    tf.dispose(asList(inputs));
  });
});
