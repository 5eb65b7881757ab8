/** The promise of YOCO: leaving early changes no number, and the work is counted. */
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { type YocoConfig, yocoConfig } from '../../src/models/config';
import { createModel } from '../../src/models/create-model';
import type { LanguageModel } from '../../src/models/language-model';
import { preset } from '../../src/models/presets';
import { WindowedTop } from '../../src/variants/windowed-top';
import { expectClose, SeededRandom, useTestEngine } from '../helpers';

beforeAll(useTestEngine);
/** float32 through four layers: 1e-6 of the largest logit is the worst yet seen, on wasm and cpu. */
const tolerance = { ofLargest: 1e-5, absolute: 1e-6 };
const kinds = ['tiny-yoco', 'tiny-yoco-retention', 'tiny-yoco-window', 'tiny-transformer'];
const draw = (seed: number, B: number, N: number): number[][] => {
  const random = new SeededRandom(seed + 1000);
  return Array.from({ length: B }, () => Array.from({ length: N }, () => random.integer(64)));
};
const lastRow = (model: LanguageModel, tokens: number[][]): tf.Tensor2D =>
  tf.tidy(() =>
    model
      .logits(tokens)
      .slice([0, tokens[0].length - 1, 0], [-1, 1, -1])
      .reshape([tokens.length, -1]),
  );

describe('the early exit is exact', () => {
  it.each(kinds)(
    '%s: any batch, any pieces, any turns give the last logits of the full pass',
    (kind) => {
      const model = createModel(preset(kind), { seed: 3 });
      const cases = fc.record({
        B: fc.integer({ min: 1, max: 3 }),
        cuts: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 4 }),
        pieceSize: fc.integer({ min: 1, max: 9 }),
        seed: fc.nat(999),
      });
      fc.assert(
        fc.property(cases, ({ B, cuts, pieceSize, seed }) => {
          const tokens = draw(
            seed,
            B,
            cuts.reduce((a, b) => a + b),
          );
          const cache = model.newCache(B);
          let at = 0;
          for (const cut of cuts) {
            const got = model.prefill(
              tokens.map((row) => row.slice(at, at + cut)),
              cache,
              { pieceSize },
            );
            at += cut;
            const want = lastRow(
              model,
              tokens.map((row) => row.slice(0, at)),
            );
            expectClose(got, want, tolerance, `${kind} after ${at} tokens`);
            tf.dispose([got, want]);
          }
          expect(cache.length).toBe(at);
          cache.dispose();
        }),
        { numRuns: 12 },
      );
      model.dispose();
    },
  );

  it.each(kinds)(
    '%s: a step is the full pass with one token more, and holds no tensor beyond its cache',
    (kind) => {
      const model = createModel(preset(kind), { seed: 5 });
      const tokens = draw(7, 2, 20);
      const cache = model.newCache(2);
      model
        .prefill(
          tokens.map((row) => row.slice(0, 12)),
          cache,
        )
        .dispose();
      let held = -1;
      for (let n = 12; n < 20; n++) {
        const got = model.step(
          tokens.map((row) => row[n]),
          cache,
        );
        const want = lastRow(
          model,
          tokens.map((row) => row.slice(0, n + 1)),
        );
        expectClose(got, want, tolerance, `${kind} at ${n}`);
        tf.dispose([got, want]);
        if (held >= 0) expect(tf.memory().numTensors).toBe(held);
        held = tf.memory().numTensors;
      }
      cache.dispose();
      model.dispose();
    },
  );

  it('can it fail? a cache that lost one token gives other logits', () => {
    const model = createModel(preset('tiny-yoco'), { seed: 3 });
    const tokens = draw(1, 1, 10);
    const cache = model.newCache();
    model.prefill([tokens[0].slice(0, 4)], cache).dispose();
    const got = model.prefill([tokens[0].slice(5)], cache); // token 4 never arrives
    const want = lastRow(model, tokens);
    expect(() => expectClose(got, want, tolerance)).toThrow(/worst error/);
    tf.dispose([got, want]);
    cache.dispose();
    model.dispose();
  });
});

describe('what the exit leaves out must be asked for', () => {
  it.each(kinds)(
    '%s: the full pass through the cache gives all logits, in any pieces, in any turn',
    (kind) => {
      const model = createModel(preset(kind), { seed: 6 });
      const tokens = draw(8, 2, 19);
      const whole = model.logits(tokens);
      for (const [turn, pieceSize] of [
        [19, 19],
        [19, 4],
        [7, 3],
      ] as const) {
        const cache = model.newCache(2);
        const parts: tf.Tensor[] = [];
        for (let at = 0; at < 19; at += turn) {
          const rows = tokens.map((row) => row.slice(at, at + turn));
          parts.push(model.prefill(rows, cache, { logits: 'all', earlyExit: false, pieceSize }));
        }
        const got = tf.concat(parts, 1);
        expectClose(got, whole, tolerance, `${kind}, turns of ${turn}, pieces of ${pieceSize}`);
        expect(cache.layerTokens).toBe(2 * 19 * 4); // N · L: nothing was left out
        tf.dispose([got, ...parts]);
        cache.dispose();
      }
      whole.dispose();
      model.dispose();
    },
  );

  it.each(kinds)(
    '%s: with and without the exit, the same last logits and the same cache; only the work differs',
    (kind) => {
      const model = createModel(preset(kind), { seed: 6 });
      const tokens = draw(9, 1, 15);
      const [early, full] = [model.newCache(), model.newCache()];
      const a = model.prefill(tokens, early, { pieceSize: 4 });
      const b = model.prefill(tokens, full, { pieceSize: 4, earlyExit: false });
      expectClose(a, b, tolerance, kind);
      const [held, wanted] = [early.read(), full.read()];
      expect(Object.keys(held)).toEqual(Object.keys(wanted));
      for (const name in held) expectClose(held[name], wanted[name], tolerance, name);
      expect(full.layerTokens).toBe(15 * 4);
      tf.dispose([a, b, held, wanted]);
      early.dispose();
      full.dispose();
      model.dispose();
    },
  );

  it('is refused in words otherwise, and nothing is taken in', () => {
    for (const kind of kinds) {
      const model = createModel(preset(kind));
      const cache = model.newCache();
      const before = tf.memory().numTensors;
      const ask = (options: object) => () => model.prefill([[1, 2, 3]], cache, options);
      expect(ask({ logits: 'all' })).toThrow(
        /early exit computes the upper half for the last position alone; say earlyExit: false/,
      );
      expect(ask({ logits: 'every' })).toThrow(/logits is "every"; allowed: last, all/);
      expect([cache.length, cache.layerTokens, tf.memory().numTensors]).toEqual([0, 0, before]);
      cache.dispose();
      model.dispose();
    }
  });
});

describe('the counter-example: a window layer on top', () => {
  const C = 4;
  const tokens = draw(12, 2, 24);
  const errors = (climbing: number[]): number[] => {
    const model = new WindowedTop(preset('tiny-yoco') as YocoConfig, C, { seed: 1 });
    const worst = climbing.map((count) =>
      tf.tidy(() => {
        const full = model.lastLogits(tokens, 24);
        const error = full.sub(model.lastLogits(tokens, count)).abs().max();
        return error.div(full.abs().max()).dataSync()[0];
      }),
    );
    model.dispose();
    return worst;
  };
  it('the exit is no longer exact: wrong by a tenth of the largest logit, not by rounding', () => {
    const [exit, ...more] = errors([1, 2, 3]);
    expect(exit).toBeGreaterThan(0.1);
    for (const error of more) expect(error).toBeGreaterThan(1000 * tolerance.ofLargest);
  });
  it('it is exact again as soon as C positions climb', () => {
    for (const error of errors([C, C + 1, 23])) expect(error).toBeLessThan(tolerance.ofLargest);
  });
  it('and says what it can do', () => {
    const model = new WindowedTop(preset('tiny-yoco') as YocoConfig, C);
    for (const climbing of [0, 25, 1.5])
      expect(() => model.lastLogits(tokens, climbing)).toThrow(
        /give 1 \(the early exit\) to 24 \(the full pass\) positions/,
      );
    model.dispose();
  });
});

describe('work is counted in layer-tokens', () => {
  const count = (model: LanguageModel, B: number, N: number): number => {
    const cache = model.newCache(B);
    model.prefill(draw(2, B, N), cache, { pieceSize: 5 }).dispose();
    const { layerTokens } = cache;
    cache.dispose();
    model.dispose();
    return layerTokens;
  };
  it('YOCO: B · (N · selfLayers + crossLayers), whatever the pieces', () => {
    for (const kind of kinds.slice(0, 3))
      expect(count(createModel(preset(kind)), 2, 17)).toBe(2 * (17 * 2 + 2));
  });
  it('the Transformer: B · N · L', () => {
    expect(count(createModel(preset('tiny-transformer')), 2, 17)).toBe(2 * 17 * 4);
  });
  it.each([
    [3, 1],
    [1, 3],
    [0, 4],
    [4, 0],
  ])('a split of %i : %i layers runs, and is counted', (selfLayers, crossLayers) => {
    const config = yocoConfig({ ...(preset('tiny-yoco') as YocoConfig), selfLayers, crossLayers });
    expect(count(createModel(config), 1, 9)).toBe(9 * selfLayers + crossLayers);
    const model = createModel(config, { seed: 1 });
    const tokens = draw(3, 1, 9);
    const cache = model.newCache();
    const got = model.prefill(tokens, cache);
    const want = lastRow(model, tokens);
    expectClose(got, want, tolerance);
    tf.dispose([got, want]);
    cache.dispose();
    model.dispose();
  });
});

describe('a cache is a value', () => {
  it('two forks of one past live on apart, and each is what a fresh run gives', () => {
    for (const kind of kinds) {
      const model = createModel(preset(kind), { seed: 9 });
      const before = tf.memory().numTensors;
      const [past, left, right] = [draw(4, 1, 11)[0], [5, 6, 7], [40, 41]];
      const cache = model.newCache();
      model.prefill([past], cache).dispose();
      const fork = cache.fork();
      const a = model.prefill([left], cache);
      const b = model.prefill([right], fork);
      for (const [got, future] of [
        [a, left],
        [b, right],
      ] as const) {
        const want = lastRow(model, [[...past, ...future]]);
        expectClose(got, want, tolerance, kind);
        want.dispose();
      }
      tf.dispose([a, b]);
      cache.dispose();
      fork.dispose();
      expect(tf.memory().numTensors).toBe(before);
      model.dispose();
    }
  });

  it('an error half-way leaves it where it stood', () => {
    const model = createModel(preset('tiny-yoco'), { seed: 9 });
    const cache = model.newCache();
    model.prefill([[1, 2, 3]], cache).dispose();
    const { layerTokens, bytes } = cache;
    // The bad token stands in the second piece: the first has gone through all layers by then.
    expect(() => model.prefill([[4, 5, 6, 64]], cache, { pieceSize: 3 })).toThrow(
      /token 0 of sequence 0 is 64.*0 to 63/,
    );
    expect([cache.length, cache.layerTokens, cache.bytes]).toEqual([3, layerTokens, bytes]);
    const got = model.prefill([[4]], cache);
    const want = lastRow(model, [[1, 2, 3, 4]]);
    expectClose(got, want, tolerance);
    tf.dispose([got, want]);
    cache.dispose();
    model.dispose();
  });

  it.each([
    ['tiny-transformer', (n: number) => 4 * 2 * n * 2 * 8 * 4],
    ['tiny-yoco', (n: number) => 2 * n * 2 * 8 * 4 + 2 * 2 * 16 * 16 * 4],
    ['tiny-yoco-retention', (n: number) => 2 * n * 2 * 8 * 4 + 2 * 2 * 16 * 16 * 4],
    ['tiny-yoco-window', (n: number) => 2 * n * 2 * 8 * 4 + 2 * 2 * Math.min(n, 8) * 32 * 4],
  ])('%s: bytes are those of the formula, to the byte', (kind, formula) => {
    const model = createModel(preset(kind));
    for (const B of [1, 3]) {
      const cache = model.newCache(B);
      let n = 0;
      for (const size of [1, 4, 3, 70, 1]) {
        model.prefill(draw(n, B, size), cache).dispose();
        n += size;
        expect(cache.bytes).toBe(B * formula(n));
      }
      cache.dispose();
    }
    model.dispose();
  });

  it('another batch, an empty prompt, ragged rows are refused in words', () => {
    const model = createModel(preset('tiny-yoco'));
    const cache = model.newCache(2);
    expect(() => model.prefill([[1, 2]], cache)).toThrow(
      /tokens hold 1 sequences, the cache 2; make one with newCache\(1\)/,
    );
    expect(() => model.prefill([[], []], cache)).toThrow(/there are no tokens/);
    expect(() => model.prefill([[1, 2], [3]], cache)).toThrow(
      /sequence 1 has 1 tokens, sequence 0 has 2/,
    );
    expect(() => model.prefill([[1], [2]], cache, { pieceSize: 0 })).toThrow(/pieceSize is 0/);
    expect(cache.length).toBe(0);
    cache.dispose();
    model.dispose();
  });
});
