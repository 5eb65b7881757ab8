/** Successors of YOCO under the early-exit test: sharing maps, Gated Memory Units, loops. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { swishByDefinition } from '../../src/layers/definition';
import { Embedding } from '../../src/layers/embedding';
import { ParameterScope, ParameterStore } from '../../src/layers/parameters';
import { type YocoConfig, yocoConfig } from '../../src/models/config';
import { CrossDecoder } from '../../src/models/cross-decoder';
import type { LanguageModel } from '../../src/models/language-model';
import { LmHead } from '../../src/models/lm-head';
import { createModel, preset } from '../../src/models/presets';
import { SelfDecoder } from '../../src/models/self-decoder';
import { Yoco } from '../../src/models/yoco';
import type { YocoCache } from '../../src/models/yoco-cache';
import {
  CrossLayerSharing,
  type SharingMap,
  sharingMaps,
} from '../../src/variants/cross-layer-sharing';
import { GatedMemoryUnit, GatedMemoryYoco } from '../../src/variants/gated-memory-yoco';
import { LoopedYoco } from '../../src/variants/looped-yoco';
import { loadStateDict, type StateTensor, toStateDict } from '../../src/weights/state-dict';
import { expectClose, float32, leakedBy, normal, SeededRandom, useTestEngine } from '../helpers';

beforeAll(useTestEngine);
/**
 * float32 through eight layers: below 5e-7 of the largest logit wherever it was measured, on wasm
 * and cpu.
 */
const tolerance = { ofLargest: 1e-5, absolute: 1e-6 };
const L = 8;
const draw = (seed: number, B: number, N: number): number[][] => {
  const random = new SeededRandom(seed + 700);
  return Array.from({ length: B }, () => Array.from({ length: N }, () => random.integer(64)));
};
const lastOf = (logits: tf.Tensor3D): tf.Tensor2D =>
  logits.slice([0, logits.shape[1] - 1, 0], [-1, 1, -1]).reshape([logits.shape[0], -1]);
const tokens = draw(1, 2, 20);
/**
 * Error of the last logits when only `upperPositions` positions go on, as a part of the largest
 * logit.
 */
function exitError(
  map: SharingMap,
  upperPositions: number,
  projections: 'shared' | 'own' = 'shared',
): number {
  const model = new CrossLayerSharing({ map, projections, seed: 2 });
  const error = tf.tidy(() => {
    const full = lastOf(model.forward(tokens).logits);
    return lastOf(model.forward(tokens, { upperPositions }).logits)
      .sub(full)
      .abs()
      .max()
      .div(full.abs().max())
      .dataSync()[0];
  });
  model.dispose();
  return error;
}

describe('the map of cross-layer sharing', () => {
  const windowsAbove: SharingMap = [
    'window',
    'window',
    'window',
    'window',
    4,
    'window',
    4,
    'window',
  ];
  it.each([
    ['Transformer', 7, 8, 1],
    ['CLA', 6, 4, 1],
    ['YOCO', 4, 1, 1],
    ['LCKV', 7, 2, 1],
  ] as const)(
    '%s: exit at level %i, %i growing caches',
    (name, exitLevel, kvCacheCount, positionsNeeded) => {
      const model = new CrossLayerSharing({ map: sharingMaps[name](L) });
      expect([model.exitLevel, model.kvCacheCount, model.positionsNeeded]).toEqual([
        exitLevel,
        kvCacheCount,
        positionsNeeded,
      ]);
      const { logits, layerTokens } = model.forward(tokens, { upperPositions: 1, passes: 1 });
      expect(layerTokens).toBe(2 * (20 * exitLevel + (L - exitLevel)));
      logits.dispose();
      model.dispose();
    },
  );
  it.each(['Transformer', 'CLA', 'YOCO', 'LCKV'] as const)(
    '%s: one position above the exit level gives the last logits of the full pass',
    (name) => {
      expect(exitError(sharingMaps[name](L), 1)).toBeLessThan(tolerance.ofLargest);
    },
  );
  it('projections per layer leave the exit where it is, and cost a cache per reader', () => {
    expect(exitError(sharingMaps.YOCO(L), 1, 'own')).toBeLessThan(tolerance.ofLargest);
    const model = new CrossLayerSharing({ map: sharingMaps.YOCO(L), projections: 'own' });
    expect([model.exitLevel, model.kvCacheCount]).toEqual([4, 4]);
    model.dispose();
  });
  it('two windows above the exit need 2(C − 1) + 1 positions; one fewer is an approximation', () => {
    const model = new CrossLayerSharing({ map: windowsAbove });
    expect(model.positionsNeeded).toBe(7);
    model.dispose();
    expect(exitError(windowsAbove, 1)).toBeGreaterThan(0.01);
    expect(exitError(windowsAbove, 6)).toBeGreaterThan(10 * tolerance.ofLargest);
    for (const upperPositions of [7, 8, 20])
      expect(exitError(windowsAbove, upperPositions)).toBeLessThan(tolerance.ofLargest);
  });

  it('the map of YOCO is YOCO: with the same weights, the same logits', () => {
    const mapped = new CrossLayerSharing({ map: sharingMaps.YOCO(L), windowSize: 5, seed: 6 });
    const widths = {
      vocabSize: 64,
      dim: 32,
      ffnDim: 64,
      heads: 4,
      kvHeads: 2,
      selfHeads: 4,
      selfLayers: 4,
      crossLayers: 4,
    };
    const yoco = new Yoco(yocoConfig({ ...widths, selfDecoder: 'sliding-window', windowSize: 5 }));
    const renamed = [...toStateDict(mapped.parameters)].map(
      ([name, weight]): [string, StateTensor] => [
        name
          .replace(/^layers\.(\d)/, (_, l) =>
            Number(l) < 4 ? `self_decoder.layers.${l}` : `cross_decoder.layers.${Number(l) - 4}`,
          )
          .replace('keys_and_values.4', 'cross_decoder'),
        weight,
      ],
    );
    loadStateDict(yoco.parameters, new Map(renamed));
    tf.tidy(() => expectClose(mapped.forward(tokens).logits, yoco.forward(tokens), tolerance));
    mapped.dispose();
    yoco.dispose();
  });
  it('reading from above: pass p makes position p right, so N passes make all N right', () => {
    const model = new CrossLayerSharing({ map: sharingMaps.LCKV(L), seed: 3 });
    const N = 10;
    const ids = draw(4, 1, N);
    const exact = model.forward(ids).logits;
    const more = model.forward(ids, { passes: N + 3 }).logits;
    expectClose(more, exact, tolerance, 'more passes');
    for (const passes of [1, 4, 7]) {
      const got = model.forward(ids, { passes }).logits;
      const row = (x: tf.Tensor3D, n: number): tf.Tensor3D => x.slice([0, n, 0], [1, 1, -1]);
      for (let n = 0; n < passes; n++)
        tf.tidy(() =>
          expectClose(
            row(got, n),
            row(exact, n),
            tolerance,
            `position ${n} after ${passes} passes`,
          ),
        );
      // Later positions are closer after each pass, but not right.
      if (passes < 5)
        expect(() =>
          tf.tidy(() => expectClose(row(got, N - 1), row(exact, N - 1), tolerance)),
        ).toThrow(/worst error/);
      got.dispose();
    }
    // The result is causal: a prefix gives the same as the whole.
    const prefix = model.forward([ids[0].slice(0, 6)]).logits;
    tf.tidy(() => expectClose(prefix, exact.slice([0, 0, 0], [-1, 6, -1]), tolerance, 'causal'));
    tf.dispose([exact, more, prefix]);
    model.dispose();
  });
  it('refuses impossible maps and counts, and leaves no tensor', () => {
    const empty = tf.memory().numTensors;
    expect(() => new CrossLayerSharing({ map: [0, 8, 2] })).toThrow(
      /layer 1 reads level 8; give 0 to 2, or 'window'/,
    );
    expect(tf.memory().numTensors).toBe(empty);
    const model = new CrossLayerSharing({ map: sharingMaps.YOCO(4) });
    const before = tf.memory().numTensors;
    expect(() => model.forward(tokens, { upperPositions: 21 })).toThrow(
      /upperPositions is 21; give 1 \(the early exit\) to 20/,
    );
    model.forward(tokens).logits.dispose();
    expect(tf.memory().numTensors).toBe(before);
    expect(() => model.forward(tokens, { passes: 0 })).toThrow(/passes is 0/);
    model.dispose();
  });
});

describe('the Gated Memory Unit', () => {
  it('is y = (m ⊙ swish(x W₁)) W₂, by loops', () => {
    const store = new ParameterStore();
    const random = new SeededRandom(5);
    const unit = new GatedMemoryUnit(new ParameterScope(store, random), 3, 2);
    const [x, m] = [normal<tf.Tensor3D>(random, [1, 4, 3]), normal<tf.Tensor3D>(random, [1, 4, 2])];
    const [W1, W2] = ['in_proj.weight', 'out_proj.weight'].map(
      (name) => store.get(name)!.variable.arraySync() as number[][],
    );
    const [xs, ms] = [x.arraySync()[0], m.arraySync()[0]];
    const want = xs.map((row, n) => {
      const gated = ms[n].map(
        (memory, j) =>
          memory * swishByDefinition(row.reduce((sum, value, i) => sum + value * W1[i][j], 0)),
      );
      return [0, 1, 2].map((d) => gated.reduce((sum, value, j) => sum + value * W2[j][d], 0));
    });
    const got = unit.forward(x, m);
    expectClose(got, [want], float32);
    expect(() => unit.forward(x, m.slice([0, 1, 0], [1, 3, 2]))).toThrow(
      /memory \[1,3,2\]; give one per position/,
    );
    store.dispose();
  });
  it('needs a self-decoder with a state', () => {
    expect(() => new GatedMemoryYoco(preset('tiny-yoco-window') as YocoConfig)).toThrow(
      /sliding-window has no state; choose retention/,
    );
  });
});

const deep = (name: string): YocoConfig =>
  yocoConfig({ ...(preset(name) as YocoConfig), crossLayers: 4 });
const successors: [string, () => LanguageModel, { lower: number; upper: number }][] = [
  [
    'units above gated retention',
    () => new GatedMemoryYoco(deep('tiny-yoco'), { seed: 3 }),
    { lower: 2, upper: 4 },
  ],
  [
    'units above retention',
    () => new GatedMemoryYoco(deep('tiny-yoco-retention'), { seed: 3 }),
    { lower: 2, upper: 4 },
  ],
  [
    '3 rounds of gated retention',
    () => new LoopedYoco(deep('tiny-yoco'), { loops: 3, seed: 3 }),
    { lower: 6, upper: 4 },
  ],
  [
    '2 rounds of windows',
    () => new LoopedYoco(deep('tiny-yoco-window'), { loops: 2, seed: 3 }),
    { lower: 4, upper: 4 },
  ],
];
describe.each(successors)('%s', (_, make, { lower, upper }) => {
  it('prefill in any chunks and turns gives the last logits of the full pass; the work is counted', () => {
    const model = make();
    const ids = draw(6, 2, 17);
    for (const options of [{}, { prefillChunkSize: 3 }]) {
      const cache = model.newCache(2);
      let at = 0;
      for (const turn of [9, 1, 7]) {
        const rows = ids.map((row) => row.slice(at, at + turn));
        const got = model.prefill(rows, cache, options);
        at += turn;
        const all = model.forward(ids.map((row) => row.slice(0, at)));
        tf.tidy(() => expectClose(got, lastOf(all), tolerance, `after ${at} tokens`));
        tf.dispose([got, all]);
      }
      expect(cache.length).toBe(17);
      expect(cache.layerTokens).toBe(2 * (17 * lower + 3 * upper));
      cache.dispose();
    }
    model.dispose();
  });
  it('forward with a cache, then a step; no tensor is left behind, not even by a failure', () => {
    const model = make();
    const before = tf.memory().numTensors;
    const ids = draw(7, 1, 12);
    const all = model.forward(ids);
    const cache = model.newCache();
    const got = model.forward([ids[0].slice(0, 11)], cache, { prefillChunkSize: 4 });
    const next = model.step([ids[0][11]], cache);
    tf.tidy(() => {
      expectClose(got, all.slice([0, 0, 0], [-1, 11, -1]), tolerance, 'all');
      expectClose(next, lastOf(all), tolerance, 'step');
    });
    const held = tf.memory().numTensors;
    model.step([1], cache).dispose();
    expect(tf.memory().numTensors).toBe(held);
    expect(() => model.prefill([[1, 2, 64]], cache, { prefillChunkSize: 2 })).toThrow(/0 to 63/);
    expect([cache.length, tf.memory().numTensors]).toEqual([13, held]);
    tf.dispose([all, got, next]);
    cache.dispose();
    expect(tf.memory().numTensors).toBe(before);
    model.dispose();
  });
  it('negative control: a prompt without one of its tokens gives other logits', () => {
    const model = make();
    const ids = draw(8, 1, 9);
    const [cache, all] = [model.newCache(), model.forward(ids)];
    const got = model.prefill([ids[0].filter((_, n) => n !== 4)], cache);
    expect(() => tf.tidy(() => expectClose(got, lastOf(all), tolerance))).toThrow(/worst error/);
    tf.dispose([got, all]);
    cache.dispose();
    model.dispose();
  });
  it('every weight has a finite gradient that is not zero', () => {
    const model = make();
    const ids = draw(9, 1, 7);
    const weights = model.parameters.all();
    const grads = tf.variableGrads(
      () => tf.logSoftmax(model.forward(ids)).square().mean() as tf.Scalar,
      weights.map(({ variable }) => variable),
    );
    for (const { name, variable } of weights) {
      const [largest] = grads.grads[variable.name].abs().max().dataSync();
      expect(largest, name).toBeGreaterThan(0);
      expect(Number.isFinite(largest), name).toBe(true);
    }
    tf.dispose([grads.value, grads.grads]);
    model.dispose();
  });
});

describe('what a cache holds', () => {
  const config = deep('tiny-yoco');
  const bytesOf = (model: LanguageModel, N: number): { self: number; cross: number } => {
    const cache = model.newCache();
    model.prefill(draw(10, 1, N), cache).dispose();
    const { layers, global } = cache as YocoCache;
    const sizes = {
      self: layers.reduce((bytes, layer) => bytes + layer.bytes, 0),
      cross: global.bytes,
    };
    cache.dispose();
    model.dispose();
    return sizes;
  };
  it.each([1, 2, 3])(
    '%i rounds: the layer caches are multiplied, the global cache is not',
    (loops) => {
      for (const N of [5, 50]) {
        const plain = bytesOf(createModel(config), N);
        expect(bytesOf(new LoopedYoco(config, { loops }), N)).toEqual({
          self: loops * plain.self,
          cross: plain.cross,
        });
      }
    },
  );
  it('units keep nothing: the cache is that of YOCO', () => {
    expect(bytesOf(new GatedMemoryYoco(config), 30)).toEqual(bytesOf(createModel(config), 30));
  });
  it('three rounds are the self-decoder applied three times, by hand', () => {
    const model = new LoopedYoco(config, { loops: 3, seed: 4 });
    // draws as the model does
    const scope = new ParameterScope(new ParameterStore(), new SeededRandom(4));
    const embedding = new Embedding(scope.within('embed_tokens'), 64, 32, Math.sqrt(32));
    const lower = new SelfDecoder(scope.within('self_decoder'), config);
    const upper = new CrossDecoder(scope.within('cross_decoder'), config);
    const head = new LmHead(scope, embedding, config);
    tf.tidy(() => {
      let x = embedding.forward(tf.tensor2d(tokens, undefined, 'int32'));
      for (let round = 0; round < 3; round++) x = lower.forward(x);
      const byHand = head.forward(upper.forward(x, upper.keysValues(x)));
      expectClose(model.forward(tokens), byHand, { ofLargest: 0, absolute: 0 });
    });
    scope.store.dispose();
    model.dispose();
  });
  it('one round is YOCO itself, exactly', () => {
    const [looped, plain] = [
      new LoopedYoco(config, { loops: 1, seed: 4 }),
      createModel(config, { seed: 4 }),
    ];
    tf.tidy(() =>
      expectClose(looped.forward(tokens), plain.forward(tokens), { ofLargest: 0, absolute: 0 }),
    );
    looped.dispose();
    plain.dispose();
  });
});

it.each(Object.keys(sharingMaps))('%s: a model that is disposed leaves no tensor', (name) => {
  const map = sharingMaps[name as keyof typeof sharingMaps](L);
  expect(leakedBy(() => new CrossLayerSharing({ map }).dispose())).toBe(0);
});
