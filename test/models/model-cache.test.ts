/** The cache of a model is a value that belongs to one model, one caller, and one lifetime. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { transformerConfig, type YocoConfig } from '../../src/models/config';
import type { LanguageModel } from '../../src/models/language-model';
import type { ModelCache } from '../../src/models/model-cache';
import { createModel, preset } from '../../src/models/presets';
import { GatedMemoryYoco } from '../../src/variants/gated-memory-yoco';
import { LoopedYoco } from '../../src/variants/looped-yoco';
import { expectClose, useTestEngine } from '../helpers';
import { drawTokens, modelKinds as kinds, lastLogits, tolerance } from './model-inputs';

beforeAll(useTestEngine);

const windowed = transformerConfig({ ...preset('tiny-transformer'), windowSize: 6 } as never);
const makers: [string, () => LanguageModel][] = [
  ...kinds.map((kind): [string, () => LanguageModel] => [kind, () => createModel(preset(kind))]),
  ['Transformer with a window', () => createModel(windowed)],
  ['looped YOCO', () => new LoopedYoco(preset('tiny-yoco') as YocoConfig)],
  ['YOCO with gated memory units', () => new GatedMemoryYoco(preset('tiny-yoco') as YocoConfig)],
];
/** Every way in which a caller can use a cache. */
const uses: [string, (model: LanguageModel, cache: ModelCache) => unknown][] = [
  ['forward', (model, cache) => model.forward([[1, 2]], cache)],
  ['prefill', (model, cache) => model.prefill([[1, 2]], cache)],
  ['step', (model, cache) => model.step([1], cache)],
  ['fork', (_, cache) => cache.fork()],
  ['snapshot', (_, cache) => cache.snapshot()],
  ['borrow', (_, cache) => cache.borrow('test')],
];

describe('a cache is refused', () => {
  it('by every other model, whatever its kind: all pairs of 7 models and 3 ways in', () => {
    const models = makers.map(([, make]) => make());
    const caches = models.map((model) => model.newCache());
    for (const [m, model] of models.entries()) {
      for (const [c, cache] of caches.entries()) {
        if (m === c) continue;
        for (const [name, use] of uses.slice(0, 3))
          expect(() => use(model, cache), `${makers[c][0]} in ${makers[m][0]}, ${name}`).toThrow(
            /this cache was made by another model; make one with newCache\(1\)/,
          );
        expect(cache.length).toBe(0);
      }
    }
    for (const cache of caches) cache.dispose();
    for (const model of models) model.dispose();
  });

  it('by a second model of the same config: its weights are others', () => {
    const [one, two] = [createModel(preset('tiny-yoco')), createModel(preset('tiny-yoco'))];
    const cache = one.newCache();
    expect(() => two.step([1], cache)).toThrow(/made by another model/);
    cache.dispose();
    one.dispose();
    two.dispose();
  });

  it.each(makers)('%s: after dispose, in every use', (_, make) => {
    const model = make();
    const cache = model.newCache();
    model.prefill([[1, 2, 3]], cache).dispose();
    cache.dispose();
    const before = tf.memory().numTensors;
    for (const [name, use] of uses)
      expect(() => use(model, cache), name).toThrow(/the cache was disposed; make a new one/);
    cache.dispose(); // twice is allowed
    expect(tf.memory().numTensors).toBe(before);
    model.dispose();
  });

  it.each(makers)('%s: while another caller has borrowed it, in every use', (_, make) => {
    const model = make();
    const cache = model.newCache();
    model.prefill([[1, 2, 3]], cache).dispose();
    const mine = cache.borrow('generate');
    model.step([4], mine).dispose();
    for (const [name, use] of [...uses, ['dispose', () => cache.dispose()] as const])
      expect(() => use(model, cache), name).toThrow(
        /generate is still using this cache; let it finish first, or give it a fork\(\)/,
      );
    expect([cache.length, cache.bytes]).toEqual([4, mine.bytes]); // reading is allowed
    cache.giveBack();
    const got = model.step([5], cache);
    const want = lastLogits(model, [[1, 2, 3, 4, 5]]);
    expectClose(got, want, tolerance);
    tf.dispose([got, want]);
    cache.dispose();
    model.dispose();
  });

  it('for another number of sequences, and for no cache at all', () => {
    const model = createModel(preset('tiny-yoco'));
    const cache = model.newCache(2);
    expect(() => model.prefill([[1, 2]], cache)).toThrow(
      /tokens hold 1 sequences, the cache 2; make one with newCache\(1\)/,
    );
    for (const nothing of [null, {}, 7])
      expect(() => model.prefill([[1, 2]], nothing as never)).toThrow(
        /cache is .*; give what newCache\(1\) returned/,
      );
    for (const batch of [0, '2', null, 1.5])
      expect(() => model.newCache(batch as never)).toThrow(/batch is .*; give a whole number/);
    cache.dispose();
    model.dispose();
  });

  it('a disposed model says so', () => {
    const model = createModel(preset('tiny-yoco'));
    model.dispose();
    expect(() => model.forward([[1]])).toThrow(/the model was disposed; make or load it again/);
  });
});

describe('tokens are checked before anything is computed', () => {
  const bad: [string, unknown, RegExp][] = [
    ['no rows', [], /there are no tokens/],
    ['an empty row', [[], []], /there are no tokens/],
    ['rows of two lengths', [[1, 2], [3]], /sequence 1 has 1 tokens, .*leftPad\(rows\)/],
    ['a text', 'the sea', /tokens are "the sea"; give rows of ids/],
    ['one row without its batch', [1, 2], /tokens are \[1,2\]; give rows of ids such as/],
    ['rows of text', ['the', 'sea'], /tokens are \["the","sea"\]; give rows of ids/],
    ['an id beyond the vocabulary', [[1, 64]], /token 1 of sequence 0 is 64; .* from 0 to 63/],
    ['an id that an int32 would wrap round', [[2 ** 32 + 3]], /token 0 .* is 4294967299/],
    ['a negative id', [[-1]], /is -1/],
    ['a fraction', [[1.5]], /is 1.5/],
    ['NaN', [[Number.NaN]], /is NaN/],
  ];
  it.each(bad)('%s', (_, tokens, message) => {
    for (const kind of ['tiny-yoco', 'tiny-transformer']) {
      const model = createModel(preset(kind));
      const cache = model.newCache();
      const before = tf.memory().numTensors;
      expect(() => model.forward(tokens as never)).toThrow(message);
      expect(() => model.prefill(tokens as never, cache)).toThrow(message);
      expect([cache.length, cache.layerTokens, tf.memory().numTensors]).toEqual([0, 0, before]);
      cache.dispose();
      model.dispose();
    }
  });
  it('tensors of ids too', () => {
    const model = createModel(preset('tiny-yoco'));
    const tensors = [
      tf.tensor2d([[1, 64]], [1, 2], 'int32'),
      tf.tensor2d([[1, 2]]),
      tf.tensor1d([1, 2], 'int32'),
    ];
    expect(() => model.forward(tensors[0] as tf.Tensor2D)).toThrow(/is 64; .* from 0 to 63/);
    for (const tensor of tensors.slice(1))
      expect(() => model.forward(tensor as tf.Tensor2D)).toThrow(/give int32 ids as \[B, N\]/);
    tf.dispose(tensors);
    model.dispose();
  });
  it('a wrong id is found wherever it stands, and named alike in arrays and tensors', () => {
    const model = createModel(preset('tiny-yoco'));
    const [B, N] = [2, 3];
    for (let b = 0; b < B; b++)
      for (let n = 0; n < N; n++) {
        const rows = Array.from({ length: B }, () => new Array<number>(N).fill(1));
        rows[b][n] = 64;
        const tensor = tf.tensor2d(rows, [B, N], 'int32');
        for (const tokens of [rows, tensor])
          expect(() => model.forward(tokens)).toThrow(`token ${n} of sequence ${b} is 64;`);
        tensor.dispose();
      }
    model.dispose();
  });
  it('chunk sizes and steps', () => {
    const model = createModel(preset('tiny-yoco'));
    const cache = model.newCache();
    for (const prefillChunkSize of [0, -1, 1.5, '4'])
      expect(() =>
        model.prefill([[1]], cache, { prefillChunkSize: prefillChunkSize as number }),
      ).toThrow(/prefillChunkSize is/);
    for (const token of [[], 'a', 7, null])
      expect(() => model.step(token as never, cache)).toThrow(/give one id for each sequence/);
    cache.dispose();
    model.dispose();
  });
});

describe('a cache is a value', () => {
  it('two forks continue apart, and each is what a fresh run gives', () => {
    for (const kind of kinds) {
      const model = createModel(preset(kind), { seed: 9 });
      const before = tf.memory().numTensors;
      const [past] = drawTokens(4, 1, 11);
      const cache = model.newCache();
      model.prefill([past], cache).dispose();
      const fork = cache.fork();
      for (const [mine, more] of [
        [cache, [5, 6, 7]],
        [fork, [40, 41]],
      ] as const) {
        const got = model.prefill([more], mine);
        const want = lastLogits(model, [[...past, ...more]]);
        expectClose(got, want, tolerance, kind);
        tf.dispose([got, want]);
      }
      cache.dispose();
      fork.dispose();
      expect(tf.memory().numTensors).toBe(before);
      model.dispose();
    }
  });

  it('an error in the second layer leaves it as it was', () => {
    for (const [, make] of makers) {
      const model = make();
      const cache = model.newCache();
      model.prefill([[1, 2, 3]], cache).dispose();
      const state = [cache.length, cache.layerTokens, cache.bytes, tf.memory().numTensors];
      const failing = cache.transaction.bind(cache);
      expect(() =>
        failing((working) => {
          model.step([4], working).dispose();
          throw new Error('half-way');
        }),
      ).toThrow('half-way');
      expect([cache.length, cache.layerTokens, cache.bytes, tf.memory().numTensors]).toEqual(state);
      const got = model.prefill([[4]], cache);
      const want = lastLogits(model, [[1, 2, 3, 4]]);
      expectClose(got, want, tolerance);
      tf.dispose([got, want]);
      cache.dispose();
      model.dispose();
    }
  });

  it.each([
    ['tiny-transformer', (n: number) => 4 * 2 * n * 2 * 8 * 4],
    ['tiny-yoco', (n: number) => 2 * n * 2 * 8 * 4 + 2 * 2 * 16 * 16 * 4],
    ['tiny-yoco-retention', (n: number) => 2 * n * 2 * 8 * 4 + 2 * 2 * 16 * 16 * 4],
    ['tiny-yoco-window', (n: number) => 2 * n * 2 * 8 * 4 + 2 * 2 * Math.min(n, 8) * 32 * 4],
  ])('%s: its bytes are those of the formula', (kind, formula) => {
    const model = createModel(preset(kind));
    for (const B of [1, 3]) {
      const cache = model.newCache(B);
      let n = 0;
      for (const size of [1, 4, 3, 70, 1]) {
        model.prefill(drawTokens(n, B, size), cache).dispose();
        n += size;
        expect(cache.bytes).toBe(B * formula(n));
      }
      cache.dispose();
    }
    model.dispose();
  });
});

describe("implementation: 'plain' and 'fast' are one model", () => {
  it.each(kinds)('%s: logits, caches and gradients are equal', (kind) => {
    const [plain, fast] = (['plain', 'fast'] as const).map((implementation) =>
      createModel({ ...preset(kind), implementation }, { seed: 8 }),
    );
    const tokens = drawTokens(5, 2, 21);
    const compare = (use: (model: LanguageModel) => tf.TensorContainer, what: string): void => {
      const [got, want] = [use(fast), use(plain)] as Record<string, tf.Tensor>[];
      expect(Object.keys(got)).toEqual(Object.keys(want));
      for (const name in want) expectClose(got[name], want[name], tolerance, `${what} ${name}`);
      tf.dispose([got, want]);
    };
    compare((model) => ({ logits: model.forward(tokens) }), 'forward');
    compare((model) => {
      const cache = model.newCache(2);
      const prefilled = model.prefill(tokens, cache, { prefillChunkSize: 6 });
      const stepped = model.step([3, 4], cache);
      const held = cache.snapshot();
      cache.dispose();
      return { prefilled, stepped, ...held };
    }, 'cache');
    compare((model) => {
      const weights = model.parameters.all();
      const loss = () => model.forward(tokens).logSoftmax().square().mean() as tf.Scalar;
      const variables = weights.map(({ variable }) => variable);
      const { value, grads } = tf.variableGrads(loss, variables);
      value.dispose();
      return Object.fromEntries(weights.map(({ name, variable }) => [name, grads[variable.name]]));
    }, 'gradient of');
    plain.dispose();
    fast.dispose();
  });
});
