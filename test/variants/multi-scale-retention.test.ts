import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { ParameterScope, ParameterStore } from '../../src/layers/parameters';
import { rmsNorm } from '../../src/layers/rms-norm';
import { fixedLogDecay, forms, GatedRetention, retNetGammas } from '../../src/retention/index';
import {
  MultiScaleRetention,
  type MultiScaleRetentionOptions,
} from '../../src/variants/multi-scale-retention';
import { geometricSum, normalisedForms } from '../../src/variants/score-normalisation';
import {
  expectClose,
  leakedBy,
  normal,
  SeededRandom,
  type Tolerance,
  useTestEngine,
} from '../helpers';

beforeAll(useTestEngine);
const tolerance: Tolerance = { ofLargest: 8e-6, absolute: 1e-6 };
const gammas = retNetGammas(3);

function drawQKV(size = 1, N = 11): { q: tf.Tensor4D; k: tf.Tensor4D; v: tf.Tensor4D } {
  const random = new SeededRandom(4);
  return {
    q: normal(random, [2, 3, N, 4], size),
    k: normal(random, [2, 3, N, 4], size),
    v: normal(random, [2, 3, N, 6], size),
  };
}
const scopeOf = (store: ParameterStore) => new ParameterScope(store, new SeededRandom(2));
function newLayer(options: Partial<MultiScaleRetentionOptions> = {}): {
  layer: MultiScaleRetention;
  store: ParameterStore;
} {
  const store = new ParameterStore();
  const all = { dim: 12, heads: 3, chunkSize: 4, ...options };
  return { layer: new MultiScaleRetention(scopeOf(store), all), store };
}
const draw = (N: number) => normal<tf.Tensor3D>(new SeededRandom(9), [2, N, 12]);
const names = Object.keys(normalisedForms) as (keyof typeof normalisedForms)[];

describe('score normalisation', () => {
  it('geometricSum is 1 + γ + … + γ^(n−1)', () => {
    for (const gamma of [...retNetGammas(8), 0, 0.5, 1])
      for (const n of [0, 1, 2, 17, 300]) {
        let sum = 0;
        for (let i = 0; i < n; i++) sum += gamma ** i;
        expectClose(geometricSum(gamma, n), sum, { ofLargest: 1e-12, absolute: 0 });
      }
  });
  it.each(names)('%s divides each token and head by one positive number', (name) => {
    tf.tidy(() => {
      const qkv = drawQKV();
      const plain = forms[name]({ ...qkv, logDecay: fixedLogDecay(gammas, 2, 11) }).output;
      const divided = normalisedForms[name]({ ...qkv, gammas }, { chunkSize: 4 }).output;
      // The factor of the first feature must be that of all features.
      const factor = plain
        .slice([0, 0, 0, 0], [-1, -1, -1, 1])
        .div(divided.slice([0, 0, 0, 0], [-1, -1, -1, 1]));
      expect(factor.min().dataSync()[0]).toBeGreaterThanOrEqual(1 - 1e-5);
      // The factor itself is a quotient of two rounded numbers, one of them possibly small.
      expectClose(divided.mul(factor), plain, { ofLargest: 5e-5, absolute: 0 });
    });
  });
  it('before the norm no two forms agree, nor any with plain retention', () => {
    tf.tidy(() => {
      const qkv = drawQKV();
      const outputs = [
        forms.parallel({ ...qkv, logDecay: fixedLogDecay(gammas, 2, 11) }),
        ...names.map((name) => normalisedForms[name]({ ...qkv, gammas }, { chunkSize: 4 })),
      ];
      for (const [i, a] of outputs.entries())
        for (const b of outputs.slice(i + 1))
          expect(() => expectClose(b.output, a.output, { ofLargest: 0.01, absolute: 0 })).toThrow(
            /worst error/,
          );
    });
  });
  it('after the norm all agree, if eps is small beside the outputs', () => {
    tf.tidy(() => {
      const qkv = drawQKV(3);
      const want = rmsNorm(
        forms.parallel({ ...qkv, logDecay: fixedLogDecay(gammas, 2, 11) }).output,
        1e-12,
      );
      for (const name of names)
        expectClose(
          rmsNorm(normalisedForms[name]({ ...qkv, gammas }, { chunkSize: 4 }).output, 1e-12),
          want,
          { ofLargest: 1e-4, absolute: 0 },
          name,
        );
    });
  });
  it('negative control: with tiny activations eps counts, and the forms disagree', () => {
    tf.tidy(() => {
      const qkv = drawQKV(0.05);
      const want = rmsNorm(normalisedForms.parallel({ ...qkv, gammas }).output, 1e-6);
      const got = rmsNorm(
        forms.parallel({ ...qkv, logDecay: fixedLogDecay(gammas, 2, 11) }).output,
        1e-6,
      );
      expect(() => expectClose(got, want, { ofLargest: 0.01, absolute: 0 })).toThrow(/worst error/);
    });
  });
  it('returns the plain state, and continues from it', () => {
    tf.tidy(() => {
      const qkv = drawQKV();
      const { state } = forms.recurrent({ ...qkv, logDecay: fixedLogDecay(gammas, 2, 11) });
      for (const name of names)
        expectClose(
          normalisedForms[name]({ ...qkv, gammas }, { chunkSize: 4 }).state,
          state,
          tolerance,
          name,
        );
      const cut = (x: tf.Tensor4D, start: number, n: number) =>
        x.slice<tf.Tensor4D>([0, 0, start, 0], [-1, -1, n, -1]);
      const part = (start: number, n: number) => ({
        q: cut(qkv.q, start, n),
        k: cut(qkv.k, start, n),
        v: cut(qkv.v, start, n),
        gammas,
      });
      const whole = normalisedForms.recurrent({ ...qkv, gammas }).output;
      const first = normalisedForms.recurrent(part(0, 5));
      const rest = normalisedForms.recurrent(part(5, 6), {
        initialState: first.state,
        position: 5,
      });
      expectClose(tf.concat([first.output, rest.output], 2), whole, tolerance);
    });
  });
  it('refuses a wrong number of gammas, and leaks no tensors', () => {
    const qkv = drawQKV();
    for (const name of names) {
      expect(() => normalisedForms[name]({ ...qkv, gammas: retNetGammas(4) })).toThrow(
        /4 gammas for 3 heads/,
      );
      expect(leakedBy(() => ({ ...normalisedForms[name]({ ...qkv, gammas }) }))).toBe(0);
    }
    expect(() => normalisedForms.chunkwise({ ...qkv, gammas }, { chunkSize: 0 })).toThrow(
      /chunkSize is 0/,
    );
  });
});

describe("RetNet's multi-scale retention layer", () => {
  it('after the norm equals gated retention with a fixed decay and values as wide', () => {
    tf.tidy(() => {
      // Large inputs, so that eps does not count.
      const x = draw(11).mul<tf.Tensor3D>(20);
      const { layer, store } = newLayer({ form: 'recurrent' });
      const options = { dim: 12, heads: 3, valueDim: 24, decay: 'fixed', normEps: 1e-6 } as const;
      const plainStore = new ParameterStore();
      const plain = new GatedRetention(scopeOf(plainStore), options);
      const loose: Tolerance = { ofLargest: 1e-3, absolute: 0 };
      expectClose(layer.forward(x), plain.forward(x), loose);
      const before = layer.forwardWithIntermediates(x).retention;
      const plainBefore = plain.forwardWithIntermediates(x).retention;
      expect(() => expectClose(before, plainBefore, loose)).toThrow(/worst error/);
      store.dispose();
      plainStore.dispose();
    });
  });
  it('takes no padding', () => {
    const { layer, store } = newLayer();
    tf.tidy(() => {
      expect(() => layer.forward(draw(4), undefined, [0, 2])).toThrow(
        /padLengths is \[0,2\]; give rows of equal length/,
      );
    });
    store.dispose();
  });
  it('decoding token by token equals the recurrent form, and the others up to eps', () => {
    tf.tidy(() => {
      const x = draw(11).mul<tf.Tensor3D>(20);
      const { layer } = newLayer({ form: 'recurrent' });
      const cache = layer.newCache(2);
      const steps = Array.from({ length: 11 }, (_, n) =>
        layer.forward(x.slice([0, n, 0], [-1, 1, -1]), cache),
      );
      cache.dispose();
      expectClose(tf.concat(steps, 1), layer.forward(x), tolerance);
      for (const form of ['parallel', 'chunkwise'] as const)
        expectClose(
          newLayer({ form }).layer.forward(x),
          layer.forward(x),
          { ofLargest: 1e-3, absolute: 0 },
          form,
        );
    });
  });
  it('has values twice as wide by default, and a state of Dk × Dv for each head', () => {
    const { layer, store } = newLayer();
    const cache = layer.newCache(2);
    expect(cache.state.shape).toEqual([2, 3, 4, 8]);
    expect(store.get('v_proj.weight')!.variable.shape).toEqual([12, 24]);
    expect(store.get('out_proj.weight')!.variable.shape).toEqual([24, 12]);
    cache.dispose();
    store.dispose();
  });
  it('every weight has a finite gradient, and no tensor leaks', () => {
    const { layer, store } = newLayer();
    const x = draw(6);
    tf.tidy(() => {
      const { grads } = tf.variableGrads(() => layer.forward(x).square().sum());
      for (const { name, variable } of store.all())
        expect(grads[variable.name].dataSync().every(Number.isFinite), name).toBe(true);
    });
    const cache = layer.newCache(2);
    expect(leakedBy(() => layer.forward(x, cache))).toBe(0);
    expect(leakedBy(() => ({ ...layer.forwardWithIntermediates(x) }))).toBe(0);
    cache.dispose();
    store.dispose();
  });
  it('refuses widths that do not divide', () => {
    expect(() => newLayer({ valueDim: 10 })).toThrow(/valueDim is 10 and heads is 3/);
    expect(() => newLayer({ heads: 5 })).toThrow(/MultiScaleRetention: dim is 12/);
    expect(() => newLayer({ chunkSize: 0 })).toThrow(/chunkSize is 0/);
  });
});
