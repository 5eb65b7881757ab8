import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { ParameterScope, ParameterStore } from '../../src/layers/parameters';
import { retNetGammas } from '../../src/retention/decay';
import { recurrenceByDefinition } from '../../src/retention/definition';
import {
  chunkwiseRetention,
  GatedRetention,
  type GatedRetentionOptions,
  maskPadding,
  type RetentionInputs,
} from '../../src/retention/index';
import {
  expectClose,
  leakedBy,
  normal,
  SeededRandom,
  type Tolerance,
  useTestEngine,
} from '../helpers';
import { drawInputs, small } from './retention-inputs';

beforeAll(useTestEngine);
/** Five products in a row in float32: the worst of 200 draws on wasm is 1.2e-6 of the largest. */
const tolerance: Tolerance = { ofLargest: 8e-6, absolute: 1e-6 };

function newLayer(options: Partial<GatedRetentionOptions> = {}): {
  layer: GatedRetention;
  store: ParameterStore;
} {
  const store = new ParameterStore();
  const layer = new GatedRetention(new ParameterScope(store, new SeededRandom(11), 'mixer'), {
    dim: 16,
    heads: 2,
    chunkSize: 3,
    ...options,
  });
  return { layer, store };
}
const draw = (B: number, N: number, seed = 1) =>
  normal<tf.Tensor3D>(new SeededRandom(seed), [B, N, 16]);
/** Tokens start … start + n − 1 of x [B, N, dim]. */
const part = (x: tf.Tensor3D, start: number, n: number) =>
  x.slice<tf.Tensor3D>([0, start, 0], [-1, n, -1]);

/** The layer in float64 loops, for one sequence: every line of its header, nothing else. */
function inLoops(
  x: number[][],
  store: ParameterStore,
  options: Required<GatedRetentionOptions>,
): number[][] {
  const { dim, heads, decay, gateTemperature, keyScale, ropeTheta, normEps } = options;
  const D = dim / heads;
  const times = (rows: number[][], name: string) => {
    const W = store.get(`mixer.${name}.weight`)!.variable.arraySync() as number[][];
    return rows.map((row) =>
      W[0].map((_, j) => row.reduce((sum, value, i) => sum + value * W[i][j], 0)),
    );
  };
  const rotated = (rows: number[][]) =>
    rows.map((row, n) =>
      row.map((value, j) => {
        const i = Math.floor(j / 2);
        const angle = n * ropeTheta ** -(i / (D / 2 - 1));
        return j % 2 === 0
          ? value * Math.cos(angle) - row[j + 1] * Math.sin(angle)
          : row[j - 1] * Math.sin(angle) + value * Math.cos(angle);
      }),
    );
  const silu = (z: number) => z / (1 + Math.exp(-z));
  const Q = times(x, 'q_proj');
  const K = times(x, 'k_proj');
  const V = times(x, 'v_proj');
  const G = times(x, 'g_proj');
  const Z = decay === 'gated' ? times(x, 'gt_proj') : undefined;
  const perHead = Array.from({ length: heads }, (_, h) => {
    const own = (rows: number[][]) => rows.map((row) => row.slice(h * D, (h + 1) * D));
    const logDecay = x.map((_, n) =>
      Z ? -Math.log1p(Math.exp(-Z[n][h])) / gateTemperature : Math.log(retNetGammas(heads)[h]),
    );
    const k = rotated(own(K)).map((row) => row.map((value) => value * (keyScale ? D ** -0.5 : 1)));
    const { output } = recurrenceByDefinition({ q: rotated(own(Q)), k, v: own(V), logDecay });
    return output.map((row) => {
      const rms = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0) / D + normEps);
      return row.map((value) => value / rms);
    });
  });
  const gated = x.map((_, n) => G[n].map((z, j) => silu(z) * perHead[Math.floor(j / D)][n][j % D]));
  return times(gated, 'out_proj');
}

describe('the gated retention layer', () => {
  it.each([
    ['gated decay', {}],
    ['fixed decay', { decay: 'fixed' }],
    [
      'no key scale, another τ, θ and eps',
      { keyScale: false, gateTemperature: 4, ropeTheta: 100, normEps: 1e-3 },
    ],
    ['parallel', { form: 'parallel' }],
    ['recurrent', { form: 'recurrent' }],
    ['the plain implementation', { implementation: 'plain' }],
  ] as [string, Partial<GatedRetentionOptions>][])(
    'equals the loops of its definition: %s',
    (_, options) => {
      tf.tidy(() => {
        const { layer, store } = newLayer(options);
        const x = draw(2, 7);
        expectClose(
          layer.forward(x),
          x.arraySync().map((rows) => inLoops(rows, store, layer.options)),
          tolerance,
        );
        store.dispose();
      });
    },
  );
  it.each([
    ['another temperature', { gateTemperature: 1 }],
    ['fixed instead of gated decay', { decay: 'fixed' }],
    ['an eps a hundred times larger', { normEps: 1e-3 }],
    ['another rotary base', { ropeTheta: 100 }],
    ['the key scale left out', { keyScale: false }],
  ] as [string, Partial<GatedRetentionOptions>][])(
    'negative control: %s is noticed',
    (_, options) => {
      tf.tidy(() => {
        const { layer, store } = newLayer();
        const x = draw(1, 7);
        const wrong = inLoops(x.arraySync()[0], store, { ...layer.options, ...options });
        expect(() => expectClose(layer.forward(x), [wrong], tolerance)).toThrow(/worst error/);
        store.dispose();
      });
    },
  );

  it('chunks in turn, down to single tokens, give what the whole gives', () => {
    const { layer, store } = newLayer();
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 5 }),
        fc.nat(999),
        (chunks, seed) => {
          const cache = layer.newCache(2);
          tf.tidy(() => {
            const N = chunks.reduce((a, b) => a + b, 0);
            const x = draw(2, N, seed);
            const parts = chunks.map((n) => layer.forward(part(x, cache.length, n), cache));
            expectClose(tf.concat(parts, 1), layer.forward(x), tolerance);
            expect(cache.length).toBe(N);
          });
          cache.dispose();
        },
      ),
      { numRuns: 25 },
    );
    store.dispose();
  });
  it('a fork continues on its own', () => {
    tf.tidy(() => {
      const { layer, store } = newLayer();
      const x = draw(1, 6);
      const other = draw(1, 6, 2);
      const cache = layer.newCache(1);
      layer.forward(part(x, 0, 4), cache);
      const fork = cache.fork();
      layer.forward(part(other, 4, 1), fork);
      expectClose(layer.forward(part(x, 4, 2), cache), part(layer.forward(x), 4, 2), tolerance);
      for (const owner of [cache, fork, store]) owner.dispose();
    });
  });
  it('depends only on distances: a text shifted by tokens of zero gives the same', () => {
    tf.tidy(() => {
      const { layer, store } = newLayer();
      const x = draw(1, 5);
      // Tokens of zero add nothing to the state, and it is zero when they decay it.
      const shifted = layer.forward(
        x.pad([
          [0, 0],
          [9, 0],
          [0, 0],
        ]),
      );
      expectClose(part(shifted as tf.Tensor3D, 9, 5), layer.forward(x), tolerance);
      store.dispose();
    });
  });
  it('is causal: a change at token 4 changes the outputs of 4 and later only', () => {
    tf.tidy(() => {
      const { layer, store } = newLayer();
      const x = draw(1, 7);
      const changed = x.add<tf.Tensor3D>(
        tf.oneHot(tf.tensor1d([4], 'int32'), 7).reshape([1, 7, 1]),
      );
      const [a, b] = [layer.forward(x), layer.forward(changed)];
      expectClose(part(b, 0, 4), part(a, 0, 4), tolerance);
      for (const n of [4, 5, 6])
        expect(() => expectClose(part(b, n, 1), part(a, n, 1), tolerance)).toThrow(/worst error/);
      store.dispose();
    });
  });

  it('returns its intermediates: shapes, gates between 0 and 1, and the same output', () => {
    tf.tidy(() => {
      const { layer, store } = newLayer();
      const x = draw(2, 7);
      const steps = layer.forwardWithIntermediates(x);
      expect(
        Object.fromEntries(Object.entries(steps).map(([name, tensor]) => [name, tensor.shape])),
      ).toEqual({
        rotatedQ: [2, 2, 7, 8],
        rotatedK: [2, 2, 7, 8],
        v: [2, 2, 7, 8],
        logDecay: [2, 2, 7],
        retention: [2, 2, 7, 8],
        normed: [2, 7, 16],
        outputGate: [2, 7, 16],
        gated: [2, 7, 16],
        out: [2, 7, 16],
      });
      expect(steps.logDecay.max().dataSync()[0]).toBeLessThan(0);
      expectClose(steps.out, layer.forward(x), { ofLargest: 0, absolute: 0 });
      store.dispose();
    });
  });
  it('the plain and the fast implementation give the same output, state and gradients', () => {
    tf.tidy(() => {
      const x = draw(2, 7);
      const results = (['plain', 'fast'] as const).map((implementation) => {
        const { layer, store } = newLayer({ implementation });
        const cache = layer.newCache(2);
        const output = layer.forward(x, cache);
        const { value, grads } = tf.variableGrads(() => layer.forward(x).square().sum());
        const names = store.all().map(({ variable }) => variable.name);
        const result = [output, cache.snapshot().state, value, ...names.map((n) => grads[n])];
        cache.dispose();
        store.dispose();
        return result;
      });
      for (const [i, fast] of results[1].entries()) expectClose(fast, results[0][i], tolerance);
    });
  });
  it('every weight has a gradient, and it is finite', () => {
    const { layer, store } = newLayer();
    tf.tidy(() => {
      const x = draw(2, 7);
      const { grads } = tf.variableGrads(() => layer.forward(x).square().sum());
      for (const { name, variable } of store.all()) {
        const g = grads[variable.name];
        expect(g.dataSync().every(Number.isFinite), name).toBe(true);
        expect(g.abs().max().dataSync()[0], name).toBeGreaterThan(0);
      }
    });
    store.dispose();
  });

  it('has the official names, in cache [in, out], drawn within the official bounds', () => {
    const { store } = newLayer();
    const bound = (gain: number, fanOut: number) => gain * Math.sqrt(6 / (16 + fanOut));
    const drawn = store.all().map(({ name, variable }) => {
      const largest = Math.max(...Array.from(variable.dataSync(), Math.abs));
      const limit = name.includes('out_proj')
        ? bound(2 ** -1, 16)
        : bound(2 ** -2.5, variable.shape[1]!);
      expect(largest, name).toBeLessThanOrEqual(limit);
      expect(largest, name).toBeGreaterThan(0.8 * limit);
      return [name.replace('mixer.', ''), variable.shape];
    });
    const square = [16, 16];
    expect(drawn).toEqual([
      ['q_proj.weight', square],
      ['k_proj.weight', square],
      ['v_proj.weight', square],
      ['g_proj.weight', square],
      ['gt_proj.weight', [16, 2]],
      ['out_proj.weight', square],
    ]);
    store.dispose();
    const fixed = newLayer({ decay: 'fixed' });
    expect(fixed.store.get('mixer.gt_proj.weight')).toBeUndefined();
    fixed.store.dispose();
  });
  it('leaks no tensors, with a cache or without', () => {
    const { layer, store } = newLayer();
    const cache = layer.newCache(2);
    const x = draw(2, 1);
    const long = draw(2, 8);
    expect(leakedBy(() => layer.forward(x, cache))).toBe(0);
    expect(leakedBy(() => layer.forward(long, cache))).toBe(0);
    expect(leakedBy(() => ({ ...layer.forwardWithIntermediates(long) }))).toBe(0);
    tf.dispose([x, long]);
    cache.dispose();
    store.dispose();
  });
  it('refuses what does not fit, and leaves the cache as it was', () => {
    const { layer, store } = newLayer();
    const cache = layer.newCache(2);
    const held = tf.memory().numTensors;
    tf.tidy(() => {
      expect(() => layer.forward(draw(1, 3), cache)).toThrow(/B is 1 in x, but 2 in cache/);
      expect(() => layer.forward(tf.zeros([2, 3, 15]), cache)).toThrow(
        /x is \[2,3,15\], but the weight is \[16, 16\]; x needs 16 features/,
      );
      expect(() => layer.forward(tf.zeros([2, 0, 16]), cache)).toThrow(/N is 0/);
    });
    expect([cache.length, tf.memory().numTensors]).toEqual([0, held]);
    const scope = new ParameterScope(new ParameterStore(), new SeededRandom(1));
    expect(() => new GatedRetention(scope, { dim: 16, heads: 3 })).toThrow(
      /dim is 16, valueDim is 16 and heads is 3/,
    );
    expect(
      () => new GatedRetention(scope, { dim: 16, heads: 2, form: 'chunky' as 'chunkwise' }),
    ).toThrow(/form is "chunky"; allowed: parallel, recurrent, chunkwise/);
    expect(() => new GatedRetention(scope, { dim: 6, heads: 2 })).toThrow(/for keys an even one/);
    expect(() => new GatedRetention(scope, { dim: 16, heads: 2, chunkSize: 0 })).toThrow(
      /chunkSize is 0/,
    );
    expect(() => layer.newCache(0)).toThrow(/batch is 0/);
    cache.dispose();
    store.dispose();
  });
});

describe('padded positions', () => {
  const padLengths = [0, 3];
  it('leave the outputs and the state of a row as they are without padding, in every turn', () => {
    const { layer, store } = newLayer();
    tf.tidy(() => {
      const together = layer.newCache(2);
      const alone = layer.newCache(1);
      for (const seed of [1, 2]) {
        const x = draw(2, 7, seed);
        const row = x.slice<tf.Tensor3D>([1, 3, 0], [1, 4, -1]); // row 1 without its padding
        const got = layer.forward(x, together, padLengths).slice([1, 3, 0], [1, 4, -1]);
        expectClose(got, layer.forward(row, alone), tolerance, 'output');
        expectClose(together.state.slice([1], [1]), alone.state, tolerance, 'state');
      }
      expect(together.lengths).toEqual([14, 8]);
      together.dispose();
      alone.dispose();
    });
    store.dispose();
  });
  it('with a gate of exactly 0 keep the state too', () => {
    tf.tidy(() => {
      const inputs = drawInputs({ ...small, B: 2, carried: true });
      const zero = tf.fill([2, 1, 9], Number.NEGATIVE_INFINITY) as tf.Tensor3D;
      const masked = maskPadding({ ...inputs, logDecay: zero }, [9, 8]);
      const { initialState } = inputs;
      const { state } = chunkwiseRetention(masked, { initialState, chunkSize: 4 });
      const first = (x: tf.Tensor) => x.slice([0], [1]);
      expectClose(first(state), first(initialState as tf.Tensor4D), tolerance);
      expect(() => expectClose(state, initialState as tf.Tensor4D, tolerance)).toThrow(
        /worst error/, // row 1 has a token
      );
    });
  });
  it('negative control: both k and logDecay need the mask', () => {
    tf.tidy(() => {
      const inputs = drawInputs({ ...small, carried: true });
      const before = inputs.initialState as tf.Tensor4D;
      const masked = maskPadding(inputs, [9]);
      const stateAfter = (given: RetentionInputs, initialState?: tf.Tensor4D) =>
        chunkwiseRetention(given, { initialState }).state;
      expectClose(stateAfter(masked, before), before, tolerance);
      const keysOnly = { ...masked, logDecay: inputs.logDecay };
      expect(() => expectClose(stateAfter(keysOnly, before), before, tolerance)).toThrow(
        /worst error/,
      );
      expectClose(stateAfter(keysOnly), tf.zerosLike(before)); // not visible in a first prompt
      const gatesOnly = { ...masked, k: inputs.k };
      expect(() => expectClose(stateAfter(gatesOnly, before), before, tolerance)).toThrow(
        /worst error/,
      );
    });
  });
});
