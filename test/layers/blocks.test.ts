/** The parts every model shares, against their definitions in plain numbers. */
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  linearByDefinition,
  rmsNormByDefinition,
  rotaryByDefinition,
  swigluByDefinition,
} from '../../src/layers/definition';
import { Embedding } from '../../src/layers/embedding';
import { fastRotary } from '../../src/layers/fast-rotary';
import { Linear } from '../../src/layers/linear';
import { ParameterScope, ParameterStore } from '../../src/layers/parameters';
import { RMSNorm, rmsNorm } from '../../src/layers/rms-norm';
import { BASELINE_ROTARY, rotary, rotaryAngles, YOCO_ROTARY } from '../../src/layers/rotary';
import { swiglu } from '../../src/layers/swiglu';
import { expectClose, float32, normal, SeededRandom, useTestEngine } from '../helpers';

beforeAll(useTestEngine);
const scoped = () => {
  const store = new ParameterStore();
  return { store, scope: new ParameterScope(store, new SeededRandom(11)) };
};

describe('linear, RMSNorm, SwiGLU', () => {
  it('a linear layer is x W for every position', () => {
    tf.tidy(() => {
      const { store, scope } = scoped();
      const layer = new Linear(scope, 5, 3);
      const x = normal<tf.Tensor3D>(new SeededRandom(1), [2, 4, 5]);
      const W = layer.weight.arraySync();
      expectClose(
        layer.forward(x),
        x.arraySync().map((rows) => rows.map((row) => linearByDefinition(row, W))),
      );
      expect(() => layer.forward(tf.ones([2, 4]))).toThrow(
        /the weight is \[5, 3\]; x needs 5 features/,
      );
      store.dispose();
    });
  });
  it('RMSNorm with and without weight, large and small', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.constantFrom(1e-4, 1, 1e4),
        fc.constantFrom(1e-6, 1e-5, 1),
        fc.nat(999),
        (dim, size, eps, seed) => {
          tf.tidy(() => {
            const random = new SeededRandom(seed);
            const x = normal<tf.Tensor2D>(random, [3, dim], size);
            const weight = normal<tf.Tensor1D>(random, [dim]);
            const rows = x.arraySync();
            expectClose(
              rmsNorm(x, eps),
              rows.map((row) => rmsNormByDefinition(row, eps)),
            );
            expectClose(
              rmsNorm(x, eps, weight),
              rows.map((row) => rmsNormByDefinition(row, eps, weight.arraySync())),
            );
          });
        },
      ),
    );
    tf.tidy(() => {
      const { store, scope } = scoped();
      expect(() => new RMSNorm(scope, 4, 1e-5).forward(tf.ones([2, 3]))).toThrow(
        /the weight has 4 features/,
      );
      store.dispose();
    });
  });
  it('negative controls: a mean that is subtracted, an eps outside the root', () => {
    const x = [[0.001, 0.003, -0.002]];
    const got = tf.tidy(() => rmsNorm(tf.tensor2d(x), 1e-5).arraySync());
    const root = Math.sqrt((1e-6 + 9e-6 + 4e-6) / 3);
    expect(() => expectClose(got, [x[0].map((v) => v / (root + 1e-5))])).toThrow(/worst error/);
    expect(() =>
      expectClose(got, [
        rmsNormByDefinition(
          x[0].map((v) => v - 0.002 / 3),
          1e-5,
        ),
      ]),
    ).toThrow(/worst error/);
  });
  it('SwiGLU applies swish to its first argument only, and is right for large values', () => {
    const a = [-200, -30, -1, 0, 0.5, 30, 200];
    const b = [1, 2, -3, 4, 0.25, -1, 2];
    const got = tf.tidy(() => swiglu(tf.tensor1d(a), tf.tensor1d(b)).arraySync());
    expectClose(got, swigluByDefinition(a, b));
    expect(() => expectClose(got, swigluByDefinition(b, a))).toThrow(/worst error/);
  });
});

describe('rotary positions', () => {
  it.each([YOCO_ROTARY, BASELINE_ROTARY, { ...YOCO_ROTARY, frequencies: 'standard' as const }])(
    '%j: plain and fast rotate each pair by position × angle',
    (options) => {
      tf.tidy(() => {
        for (const [D, start] of [
          [2, 0],
          [6, 5],
          [16, 1_000_000],
        ] as const) {
          const x = normal<tf.Tensor4D>(new SeededRandom(D), [2, 3, 2, D]);
          const angles = rotaryAngles(D, options);
          const want = x
            .arraySync()
            .map((tokens) =>
              tokens.map((heads, n) =>
                heads.map((head) => rotaryByDefinition(head, start + n, angles, options.style)),
              ),
            );
          const what = `D ${D}, position ${start}`;
          expectClose(rotary(x, start, options), want, float32, what);
          expectClose(fastRotary(x, start, options), want, float32, `fast, ${what}`);
        }
      });
    },
  );
  it('angles run from 1 to 1/θ in YOCO, and stop short of 1/θ in the standard form', () => {
    expectClose(rotaryAngles(8, YOCO_ROTARY), [1, 10_000 ** (-1 / 3), 10_000 ** (-2 / 3), 1e-4]);
    expectClose(rotaryAngles(8, BASELINE_ROTARY), [1, 0.1, 0.01, 0.001]);
    expect(rotaryAngles(2, YOCO_ROTARY)).toEqual([1]);
    expect(() => rotaryAngles(5, YOCO_ROTARY)).toThrow(/D is 5/);
  });
  it('fast equals plain: outputs and gradients, one position or many, one start or one per row', () => {
    const cases = fc.record({
      N: fc.integer({ min: 1, max: 5 }),
      pairs: fc.integer({ min: 1, max: 4 }),
      start: fc.oneof(fc.nat(99), fc.tuple(fc.nat(99), fc.nat(99))),
      options: fc.constantFrom(YOCO_ROTARY, BASELINE_ROTARY),
      seed: fc.nat(999),
    });
    const property = fc.property(cases, ({ N, pairs, start, options, seed }) => {
      tf.tidy(() => {
        const x = normal<tf.Tensor4D>(new SeededRandom(seed), [2, N, 3, 2 * pairs]);
        const weights = normal<tf.Tensor4D>(new SeededRandom(seed + 1), [2, N, 3, 2 * pairs]);
        expectClose(fastRotary(x, start, options), rotary(x, start, options), float32);
        const [got, want] = [fastRotary, rotary].map((form) =>
          tf.grad((y) =>
            form(y as tf.Tensor4D, start, options)
              .mul(weights)
              .sum(),
          )(x),
        );
        expectClose(got, want, float32, 'gradient');
        const other = options === YOCO_ROTARY ? BASELINE_ROTARY : YOCO_ROTARY;
        if (pairs > 1 && N > 2)
          expect(() => expectClose(fastRotary(x, start, other), want)).toThrow(/worst error/);
      });
    });
    fc.assert(property);
  });
  it('q · k depends on the distance alone', () => {
    tf.tidy(() => {
      const random = new SeededRandom(4);
      const [q, k] = [
        normal<tf.Tensor4D>(random, [1, 1, 1, 8]),
        normal<tf.Tensor4D>(random, [1, 1, 1, 8]),
      ];
      const score = (n: number, m: number) =>
        rotary(q, n, YOCO_ROTARY)
          .mul(rotary(k, m, YOCO_ROTARY))
          .sum()
          .arraySync() as number;
      expectClose([score(9, 4), score(105, 100)], [score(5, 0), score(5, 0)], {
        ofLargest: 1e-5,
        absolute: 1e-6,
      });
      expect(Math.abs(score(9, 4) - score(9, 3))).toBeGreaterThan(1e-3);
    });
  });
  it('negative controls: the other pairing, the other frequencies', () => {
    tf.tidy(() => {
      const x = normal<tf.Tensor4D>(new SeededRandom(2), [1, 4, 1, 8]);
      const got = rotary(x, 3, YOCO_ROTARY);
      for (const wrong of [
        { ...YOCO_ROTARY, style: 'half-split' as const },
        { ...YOCO_ROTARY, frequencies: 'standard' as const },
      ])
        expect(() => expectClose(got, rotary(x, 3, wrong))).toThrow(/worst error/);
    });
  });
});

describe('the embedding', () => {
  it('looks rows up, scales them, and collects the gradients of a token that comes often', () => {
    tf.tidy(() => {
      const { store, scope } = scoped();
      const table = new Embedding(scope, 5, 3, 2);
      const ids = tf.tensor2d(
        [
          [1, 1, 4],
          [1, 0, 4],
        ],
        [2, 3],
        'int32',
      );
      const rows = table.weight.arraySync();
      expectClose(
        table.forward(ids),
        ids.arraySync().map((line) => line.map((id) => rows[id].map((x) => 2 * x))),
      );
      const { grads } = tf.variableGrads(() => table.forward(ids).sum(), [table.weight]);
      expectClose(
        grads[table.weight.name],
        [1, 3, 0, 0, 2].map((count) => [2 * count, 2 * count, 2 * count]),
      );
      expectClose(table.logits(tf.ones([1, 1, 3])), [
        [rows.map((row) => row.reduce((a, b) => a + b))],
      ]);
      store.dispose();
    });
  });
  it('names the first id outside the vocabulary', () => {
    tf.tidy(() => {
      const { store, scope } = scoped();
      const table = new Embedding(scope, 5, 3);
      for (const id of [5, -1])
        expect(() =>
          table.forward(
            tf.tensor2d(
              [
                [0, 1],
                [2, id],
              ],
              [2, 2],
              'int32',
            ),
          ),
        ).toThrow(`token 1 of sequence 1 is ${id}, but the vocabulary has ids 0 to 4`);
      store.dispose();
    });
  });
});
