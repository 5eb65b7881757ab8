import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { ParameterScope, ParameterStore } from '../../src/layers/parameters';
import { retNetGammas } from '../../src/retention/decay';
import { recurrenceByDefinition } from '../../src/retention/definition';
import { GatedRetention, type GatedRetentionOptions } from '../../src/retention/gated-retention';
import {
  expectClose,
  leakedBy,
  normal,
  SeededRandom,
  type Tolerance,
  useTestEngine,
} from '../helpers';

beforeAll(useTestEngine);
/** Five products in a row in float32: 1.2e-6 of the largest output is the worst between forms in 200 draws, on wasm. */
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
const piece = (x: tf.Tensor3D, start: number, n: number) =>
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
  const turned = (rows: number[][]) =>
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
  const [Q, K, V, G] = ['q_proj', 'k_proj', 'v_proj', 'g_proj'].map((name) => times(x, name)) as [
    number[][],
    number[][],
    number[][],
    number[][],
  ];
  const Z = decay === 'gated' ? times(x, 'gt_proj') : undefined;
  const perHead = Array.from({ length: heads }, (_, h) => {
    const own = (rows: number[][]) => rows.map((row) => row.slice(h * D, (h + 1) * D));
    const logDecay = x.map((_, n) =>
      Z ? -Math.log1p(Math.exp(-Z[n][h])) / gateTemperature : Math.log(retNetGammas(heads)[h]),
    );
    const k = turned(own(K)).map((row) => row.map((value) => value * (keyScale ? D ** -0.5 : 1)));
    const { output } = recurrenceByDefinition({ q: turned(own(Q)), k, v: own(V), logDecay });
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
  ] as [string, Partial<GatedRetentionOptions>][])(
    'is the loops of its definition: %s',
    (_, options) => {
      tf.tidy(() => {
        const { layer, store } = newLayer(options);
        const x = draw(2, 7);
        expectClose(
          layer.mix(x),
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
  ] as [string, Partial<GatedRetentionOptions>][])('can it fail? %s is noticed', (_, options) => {
    tf.tidy(() => {
      const { layer, store } = newLayer();
      const x = draw(1, 7);
      const wrong = inLoops(x.arraySync()[0], store, { ...layer.options, ...options });
      expect(() => expectClose(layer.mix(x), [wrong], tolerance)).toThrow(/worst error/);
      store.dispose();
    });
  });

  it('pieces in turn give what the whole gives, down to single tokens, whatever the form', () => {
    const { layer, store } = newLayer();
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 5 }),
        fc.nat(999),
        (pieces, seed) => {
          const memory = layer.newMemory(2);
          tf.tidy(() => {
            const N = pieces.reduce((a, b) => a + b, 0);
            const x = draw(2, N, seed);
            const parts = pieces.map((n) => layer.mix(piece(x, memory.length, n), memory));
            expectClose(tf.concat(parts, 1), layer.mix(x), tolerance);
            expect(memory.length).toBe(N);
          });
          memory.dispose();
        },
      ),
      { numRuns: 25 },
    );
    store.dispose();
  });
  it('a fork goes its own way', () => {
    tf.tidy(() => {
      const { layer, store } = newLayer();
      const x = draw(1, 6);
      const other = draw(1, 6, 2);
      const memory = layer.newMemory(1);
      layer.mix(piece(x, 0, 4), memory);
      const twin = memory.fork();
      layer.mix(piece(other, 4, 1), twin);
      expectClose(layer.mix(piece(x, 4, 2), memory), piece(layer.mix(x), 4, 2), tolerance);
      for (const held of [memory, twin, store]) held.dispose();
    });
  });
  it('sees only distances: shifted by any number of tokens of nothing, a text gives the same', () => {
    tf.tidy(() => {
      const { layer, store } = newLayer();
      const x = draw(1, 5);
      // Embeddings of zero write nothing, and fade what is not there.
      const shifted = layer.mix(
        x.pad([
          [0, 0],
          [9, 0],
          [0, 0],
        ]),
      );
      expectClose(piece(shifted as tf.Tensor3D, 9, 5), layer.mix(x), tolerance);
      store.dispose();
    });
  });
  it('is causal: a change at token 4 leaves 0 … 3 as they were and reaches 4 and later', () => {
    tf.tidy(() => {
      const { layer, store } = newLayer();
      const x = draw(1, 7);
      const changed = x.add<tf.Tensor3D>(
        tf.oneHot(tf.tensor1d([4], 'int32'), 7).reshape([1, 7, 1]),
      );
      const [a, b] = [layer.mix(x), layer.mix(changed)];
      expectClose(piece(b, 0, 4), piece(a, 0, 4), tolerance);
      for (const n of [4, 5, 6])
        expect(() => expectClose(piece(b, n, 1), piece(a, n, 1), tolerance)).toThrow(/worst error/);
      store.dispose();
    });
  });

  it('shows its steps: shapes, gates between 0 and 1, and the same output', () => {
    tf.tidy(() => {
      const { layer, store } = newLayer();
      const x = draw(2, 7);
      const steps = layer.explain(x);
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
      expectClose(steps.out, layer.mix(x), { ofLargest: 0, absolute: 0 });
      store.dispose();
    });
  });
  it('every weight has a gradient, and it is finite', () => {
    const { layer, store } = newLayer();
    tf.tidy(() => {
      const x = draw(2, 7);
      const { grads } = tf.variableGrads(() => layer.mix(x).square().sum());
      for (const { name, variable } of store.all()) {
        const g = grads[variable.name];
        expect(g.dataSync().every(Number.isFinite), name).toBe(true);
        expect(g.abs().max().dataSync()[0], name).toBeGreaterThan(0);
      }
    });
    store.dispose();
  });

  it('has the official names, in memory [in, out], drawn within the official bounds', () => {
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
  it('leaks nothing: a decoded token leaves the count of tensors where it was', () => {
    const { layer, store } = newLayer();
    const memory = layer.newMemory(2);
    const x = draw(2, 1);
    const long = draw(2, 8);
    expect(leakedBy(() => layer.mix(x, memory))).toBe(0);
    expect(leakedBy(() => layer.mix(long, memory))).toBe(0);
    expect(leakedBy(() => ({ ...layer.explain(long) }))).toBe(0);
    tf.dispose([x, long]);
    memory.dispose();
    store.dispose();
  });
  it('refuses what does not fit, and the memory stands where it stood', () => {
    const { layer, store } = newLayer();
    const memory = layer.newMemory(2);
    const held = tf.memory().numTensors;
    tf.tidy(() => {
      expect(() => layer.mix(draw(1, 3), memory)).toThrow(/B is 1 in x, but 2 in memory/);
      expect(() => layer.mix(tf.zeros([2, 3, 15]), memory)).toThrow(
        /x is \[2,3,15\], but the layer was made for dim 16/,
      );
      expect(() => layer.mix(tf.zeros([2, 0, 16]), memory)).toThrow(/N is 0/);
    });
    expect([memory.length, tf.memory().numTensors]).toEqual([0, held]);
    const scope = new ParameterScope(new ParameterStore(), new SeededRandom(1));
    expect(() => new GatedRetention(scope, { dim: 16, heads: 3 })).toThrow(
      /dim is 16 and heads is 3/,
    );
    expect(
      () => new GatedRetention(scope, { dim: 16, heads: 2, form: 'chunky' as 'chunkwise' }),
    ).toThrow(/form is "chunky"; allowed: parallel, recurrent, chunkwise/);
    expect(() => new GatedRetention(scope, { dim: 6, heads: 2 })).toThrow(
      /even number of features/,
    );
    memory.dispose();
    store.dispose();
  });
});
