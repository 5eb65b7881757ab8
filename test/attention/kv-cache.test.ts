/**
 * The caches: plain, paged and rolling, against lists of tokens and attention without a cache, over
 * random sequences of appends, padding and forks.
 */
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { attention } from '../../src/attention/attention';
import {
  type KeysValues,
  type KvCache,
  newKvCache,
  PlainKvCache,
} from '../../src/attention/kv-cache';
import { PagedKvCache } from '../../src/attention/paged-kv-cache';
import { RollingKvCache } from '../../src/attention/rolling-kv-cache';
import { expectClose, normal, SeededRandom, type Tolerance, useTestEngine } from '../helpers';
import { drawKeysValues, partOf, tokensOf } from './attention-inputs';

beforeAll(useTestEngine);
/** float32: 7e-7 of the largest number is the worst yet seen, on wasm and cpu. */
const tolerance: Tolerance = { ofLargest: 5e-6, absolute: 2e-7 };
const exact: Tolerance = { ofLargest: 0, absolute: 0 };
const makers: [string, (batch: number) => KvCache][] = [
  ['plain', (batch) => new PlainKvCache(batch)],
  ['paged', (batch) => new PagedKvCache(batch)],
];
const Hkv = 2;
const G = 2;
const Dk = 3;

/** k and v of one row, all its tokens: what a cache must hold, kept without one. */
type Row = KeysValues[];
const joined = (row: Row): KeysValues => ({
  k: tf.concat(
    row.map(({ k }) => k),
    1,
  ),
  v: tf.concat(
    row.map(({ v }) => v),
    1,
  ),
});
const rowOf = (x: tf.Tensor4D, b: number, from: number): tf.Tensor4D =>
  x.slice([b, from, 0, 0], [1, -1, -1, -1]);

interface Step {
  tokens: number;
  padLengths?: number[];
  fork: boolean; // go on with a fork, and dispose the cache it was made from
}
const drawnSteps = (batch: number, sizes: fc.Arbitrary<number>): fc.Arbitrary<Step[]> => {
  const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), {
    minLength: batch,
    maxLength: batch,
  });
  const step = fc
    .record({ tokens: sizes, shares, padded: fc.boolean(), fork: fc.boolean() })
    .map(({ tokens, shares, padded, fork }) => {
      const padLengths = shares.map((share, row) => (row === 0 ? 0 : Math.floor(share * tokens)));
      return { tokens, padLengths: padded ? padLengths : undefined, fork };
    });
  return fc.array(step, { minLength: 1, maxLength: 6 });
};

/** Runs the steps on a cache and on lists of tokens; `check` compares the two after each step. */
function follow<C extends { append: KvCache['append']; fork(): C; dispose(): void }>(
  first: C,
  batch: number,
  steps: Step[],
  check: (cache: C, rows: Row[], added: KeysValues, padLengths?: number[]) => void,
): void {
  const before = tf.memory().numTensors;
  let cache = first;
  const rows: Row[] = Array.from({ length: batch }, () => []);
  tf.tidy(() => {
    for (const [i, { tokens, padLengths, fork }] of steps.entries()) {
      const added = drawKeysValues(batch, tokens, Hkv, Dk, i + 1);
      if (fork) {
        const copy = cache.fork();
        cache.append(added, padLengths); // the copy must not see this
        cache.dispose();
        cache = copy;
      }
      check(cache, rows, added, padLengths);
      for (let b = 0; b < batch; b++) {
        const from = padLengths?.[b] ?? 0;
        rows[b].push({ k: rowOf(added.k, b, from), v: rowOf(added.v, b, from) });
      }
    }
  });
  cache.dispose();
  expect(tf.memory().numTensors, 'tensors left').toBe(before);
}

/** Attention of q [B, N, H, Dk] to each row alone, without padding and without a cache. */
function attendWithoutCache(q: tf.Tensor4D, rows: Row[]): tf.Tensor4D {
  const outputs = rows.map((row, b) => attention({ q: rowOf(q, b, 0), ...joined(row) }));
  return tf.concat(outputs, 0);
}

/** Appends, and compares lengths, bytes, what is held, and attention of one and of two queries. */
function compareWithRows(cache: KvCache, before: Row[], added: KeysValues, padLengths?: number[]) {
  cache.append(added, padLengths);
  const rows = before.map((row, b) => {
    const from = padLengths?.[b] ?? 0;
    return [...row, { k: rowOf(added.k, b, from), v: rowOf(added.v, b, from) }];
  });
  const lengths = rows.map((row) => joined(row).k.shape[1]);
  expect(cache.lengths).toEqual(lengths);
  expect(cache.length).toBe(Math.max(...lengths));

  const { k, v } = cache.snapshot() as KeysValues;
  expect(cache.bytes).toBe(4 * (k.size + v.size));
  const columns = k.shape[1];
  expect(columns).toBe(cache.length);
  for (const [b, row] of rows.entries()) {
    expectClose(rowOf(k, b, columns - lengths[b]), joined(row).k, exact, 'keys');
    expectClose(rowOf(v, b, columns - lengths[b]), joined(row).v, exact, 'values');
  }
  const most = Math.min(2, ...lengths);
  for (let N = 1; N <= most; N++) {
    const q = normal<tf.Tensor4D>(new SeededRandom(N), [rows.length, N, G * Hkv, Dk]);
    expectClose(cache.attend(q), attendWithoutCache(q, rows), tolerance, `${N} queries`);
  }
}

describe.each(makers)('the %s cache', (_, make) => {
  // 64 tokens are a full tail, 2048 a full page: sizes lie on both sides of both.
  const sizes = fc.oneof(
    fc.integer({ min: 1, max: 4 }),
    fc.constantFrom(63, 64, 65),
    fc.constantFrom(1983, 2047, 2048, 2050),
  );
  it('equals attention without a cache, over appends, padding and forks', () => {
    for (const batch of [1, 3]) {
      const property = fc.property(drawnSteps(batch, sizes), (steps) =>
        follow(make(batch), batch, steps, compareWithRows),
      );
      fc.assert(property, { numRuns: 12 });
    }
  });
  it.each([[[1, 1, 1]], [[63, 1, 1, 1]], [[64, 65]], [[2047, 1, 1]], [[2000, 100, 64, 1, 2000]]])(
    'holds and attends the same for chunks of %j',
    (chunks) => {
      const steps = chunks.map((tokens) => ({ tokens, fork: false }));
      follow(make(2), 2, steps, compareWithRows);
    },
  );
  it('has the window and the scale that attend is given', () => {
    tf.tidy(() => {
      const cache = make(1);
      const held = drawKeysValues(1, 9, Hkv, Dk);
      cache.append(held);
      for (const N of [1, 4]) {
        const q = normal<tf.Tensor4D>(new SeededRandom(N), [1, N, G * Hkv, Dk]);
        for (const options of [{ windowSize: 3 }, { scale: 0.2 }, { windowSize: 2, scale: 1 }])
          expectClose(cache.attend(q, options), attention({ q, ...held }, options), tolerance);
      }
      cache.dispose();
    });
  });
  it('has the gradients of attention without a cache, which training in chunks needs', () => {
    const held = drawKeysValues(2, 70, Hkv, Dk);
    const past = partOf(held, 0, 66);
    const added = partOf(held, 66, 70);
    for (const N of [1, 3]) {
      const q = normal<tf.Tensor4D>(new SeededRandom(N), [2, N, G * Hkv, Dk]);
      const through = (attend: (q: tf.Tensor4D, added: KeysValues) => tf.Tensor4D): tf.Tensor[] =>
        tf.grads((q, k, v) => attend(q as tf.Tensor4D, { k, v } as KeysValues).square())([
          q,
          added.k,
          added.v,
        ]);
      const expected = through((q, { k, v }) =>
        attention({ q, k: tf.concat([past.k, k], 1), v: tf.concat([past.v, v], 1) }),
      );
      for (const atOnce of [true, false]) {
        const cache = make(2);
        if (!atOnce) cache.append(past);
        const got = through((q, { k, v }) => {
          if (!atOnce) cache.append({ k, v });
          else cache.append({ k: tf.concat([past.k, k], 1), v: tf.concat([past.v, v], 1) });
          return cache.attend(q);
        });
        for (const [i, gradient] of got.entries())
          expectClose(gradient, expected[i], { ofLargest: 1e-5, absolute: 1e-6 }, `d${'qkv'[i]}`);
        cache.dispose();
      }
    }
  });
});

describe('the comparison notices', () => {
  const steps = [3, 2, 70].map((tokens) => ({ tokens, fork: true }));
  class WrongCache extends PlainKvCache {
    constructor(
      batch: number,
      private readonly mistake: Partial<Pick<KvCache, 'append' | 'attend'>>,
    ) {
      super(batch);
    }
    override append(...given: Parameters<KvCache['append']>): void {
      if (this.mistake.append) this.mistake.append.apply(this, given);
      else super.append(...given);
    }
    override attend(...given: Parameters<KvCache['attend']>): tf.Tensor4D {
      return this.mistake.attend?.apply(this, given) ?? super.attend(...given);
    }
    override fork(): WrongCache {
      return this.shareWith(new WrongCache(this.batch, this.mistake));
    }
  }
  const plainAppend = PlainKvCache.prototype.append;
  const attendWith = (change: (held: KeysValues) => KeysValues, options = {}) =>
    function (this: PlainKvCache, q: tf.Tensor4D): tf.Tensor4D {
      const held = change({ k: this.k as tf.Tensor4D, v: this.v as tf.Tensor4D });
      return attention({ q, ...held }, options);
    };
  it.each<[string, ConstructorParameters<typeof WrongCache>[1]]>([
    ['no scale', { attend: attendWith((held) => held, { scale: 1 }) }],
    [
      'a window of all keys but one',
      {
        attend(this: PlainKvCache, q) {
          const windowSize = Math.max(1, this.length - 1);
          return attendWith((held) => held, { windowSize }).call(this, q);
        },
      },
    ],
    [
      'heads exchanged',
      { attend: attendWith(({ k, v }) => ({ k: k.reverse(2), v: v.reverse(2) })) },
    ],
    [
      'the last token missing',
      {
        attend(this: PlainKvCache, q) {
          const last = Math.max(q.shape[1], this.length - 1);
          return attendWith((held) => partOf(held, 0, last)).call(this, q);
        },
      },
    ],
    [
      'padding kept as tokens',
      {
        append(this: PlainKvCache, added) {
          plainAppend.call(this, added);
        },
      },
    ],
    [
      'values of the chunk in reverse',
      {
        append(this: PlainKvCache, { k, v }, padLengths) {
          plainAppend.call(this, { k, v: v.reverse(1) }, padLengths);
        },
      },
    ],
  ])('%s', (_, mistake) => {
    const padded = steps.map((step) => ({ ...step, padLengths: [0, 1] }));
    const run = () => follow(new WrongCache(2, mistake), 2, padded, compareWithRows);
    expect(run).toThrow(/worst error|expected .* to (deeply equal|be)/);
  });
  it('nothing, if nothing is wrong', () => {
    const padded = steps.map((step) => ({ ...step, padLengths: [0, 1] }));
    follow(new WrongCache(2, {}), 2, padded, compareWithRows);
  });
  it.each(makers)('a fork that changes with its source, or lags behind it: %s', (_, make) => {
    tf.tidy(() => {
      const held = drawKeysValues(1, 8, Hkv, Dk);
      const q = normal<tf.Tensor4D>(new SeededRandom(3), [1, 1, G * Hkv, Dk]);
      const cache = make(1);
      cache.append(partOf(held, 0, 5));
      const stale = cache.fork();
      cache.append(partOf(held, 5, 8));
      const expected = attention({ q, ...held });
      expectClose(cache.attend(q), expected, tolerance);
      expect(() => expectClose(stale.attend(q), expected, tolerance)).toThrow(/worst error/);
      expectClose(stale.attend(q), attention({ q, ...partOf(held, 0, 5) }), tolerance);
      cache.dispose();
      stale.dispose();
    });
  });
});

describe('the rolling cache', () => {
  /** Each row's last tokens as a list: what is held before a step, and what is seen in it. */
  const compareWithList =
    (capacity: number) =>
    (cache: RollingKvCache, before: Row[], added: KeysValues, padLengths?: number[]): void => {
      const seen = cache.concatWith(added, padLengths);
      cache.append(added, padLengths);
      const held = cache.snapshot() as Partial<KeysValues>;
      const lengths: number[] = [];
      for (const [b, row] of before.entries()) {
        const from = padLengths?.[b] ?? 0;
        const old = row.length > 0 ? joined(row) : undefined;
        const news = { k: rowOf(added.k, b, from), v: rowOf(added.v, b, from) };
        const count = old?.k.shape[1] ?? 0;
        const visible = old && capacity > 0 && partOf(old, Math.max(0, count - capacity), count);
        const expected = visible ? joined([visible, news]) : news;
        const padded = seen.padLengths?.[b] ?? 0;
        expectClose(rowOf(seen.k, b, padded), expected.k, exact, 'keys seen');
        expectClose(rowOf(seen.v, b, padded), expected.v, exact, 'values seen');

        const length = count + news.k.shape[1];
        lengths.push(length);
        const kept = Math.min(length, capacity);
        if (kept === 0 || !held.k || !held.v) continue;
        const columns = held.k.shape[1];
        const all = old ? joined([old, news]) : news;
        const last = partOf(all, length - kept, length);
        expectClose(rowOf(held.k, b, columns - kept), last.k, exact, 'keys held');
        expectClose(rowOf(held.v, b, columns - kept), last.v, exact, 'values held');
      }
      expect(cache.lengths).toEqual(lengths);
      const columns = Math.min(capacity, Math.max(...lengths));
      expect(held.k?.shape[1] ?? 0).toBe(columns);
      expect(cache.bytes).toBe(4 * added.k.shape[0] * columns * Hkv * (Dk + Dk + 1));
    };
  it.each([0, 1, 3, 4])(
    'with a capacity of %i equals a list, over appends, padding, forks',
    (n) => {
      for (const batch of [1, 3]) {
        const steps = drawnSteps(batch, fc.integer({ min: 1, max: 6 }));
        const property = fc.property(steps, (steps) =>
          follow(new RollingKvCache(batch, n), batch, steps, compareWithList(n)),
        );
        fc.assert(property, { numRuns: 25 });
      }
    },
  );
  it('can it fail? A capacity one too small is noticed', () => {
    const steps = [4, 1].map((tokens) => ({ tokens, fork: false }));
    expect(() => follow(new RollingKvCache(1, 2), 1, steps, compareWithList(3))).toThrow();
  });
  it('resumes where another one stood', () => {
    tf.tidy(() => {
      const held = drawKeysValues(2, 3, Hkv, Dk);
      const cache = new RollingKvCache(2, 3);
      cache.resume(held, 1000);
      expect([cache.length, cache.lengths]).toEqual([1000, [1000, 1000]]);
      const fork = cache.fork();
      fork.append(drawKeysValues(2, 1, Hkv, Dk, 9));
      expect([fork.length, fork.bytes]).toEqual([1001, cache.bytes]);
      expectClose(tokensOf(fork.k as tf.Tensor4D, 0, 2), tokensOf(held.k, 1, 3), exact);
      expect(() => cache.resume(held, 7)).toThrow(/holds 1000 tokens; resume an empty one/);
      cache.dispose();
      fork.dispose();
    });
  });
  it.each([-1, 1.5, Number.NaN])('refuses a capacity of %d', (capacity) =>
    expect(() => new RollingKvCache(1, capacity)).toThrow(/capacity is .* 0 or more/),
  );
});

const all: [string, (batch: number) => PlainKvCache | PagedKvCache][] = [
  ['plain', (batch) => new PlainKvCache(batch)],
  ['paged', (batch) => new PagedKvCache(batch)],
  ['rolling', (batch) => new RollingKvCache(batch, 4)],
];

describe.each(all)('the %s cache refuses', (_, make) => {
  it.each([0, 1.5, -1])('a batch of %d', (batch) =>
    expect(() => make(batch)).toThrow(/batch is .*; give a whole number of sequences/),
  );
  it('what does not fit the tokens held, and stays as it was', () => {
    const held = drawKeysValues(2, 3, 2, Dk);
    const cache = make(2);
    cache.append(held);
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      const refused: [KeysValues, number[] | undefined, RegExp][] = [
        [drawKeysValues(2, 3, 1, Dk), undefined, /Hkv is 1 in k, but 2 in heldK \[2,3,2,3\]/],
        [drawKeysValues(2, 3, 2, 5), undefined, /Dk is 5 in k, but 3 in heldK/],
        [drawKeysValues(1, 3, 2, Dk), undefined, /B is 1 in k, but 2 in heldK/],
        [{ k: held.k, v: tokensOf(held.v, 0, 2) }, undefined, /N is 3 in k, but 2 in v/],
        [partOf(held, 0, 0), undefined, /the length of k is 0; give a whole number of tokens/],
        [held, [1], /padLengths is \[1\]; give one whole number from 0 to 3/],
        [held, [0, 4], /padLengths is \[0,4\]/],
      ];
      for (const [added, padLengths, message] of refused)
        expect(() => cache.append(added, padLengths)).toThrow(message);
    });
    expect(() => make(1).append(held)).toThrow(/k holds 2 sequences, the cache 1/);
    expect([cache.length, cache.lengths]).toEqual([3, [3, 3]]);
    expect(tf.memory().numTensors).toBe(before);
    cache.dispose();
    tf.dispose([held.k, held.v]);
  });
  it('queries that do not fit the keys held', () => {
    tf.tidy(() => {
      const cache = make(2);
      const queries = (...shape: [number, number, number, number]) => tf.zeros<tf.Rank.R4>(shape);
      expect(() => cache.attend(queries(2, 1, 2, Dk))).toThrow(/the cache is empty; append/);
      cache.append(drawKeysValues(2, 3, 2, Dk));
      expect(() => cache.attend(queries(1, 1, 2, Dk))).toThrow(/B is 1 in q, but 2 in k/);
      expect(() => cache.attend(queries(2, 1, 2, 5))).toThrow(/Dk is 5 in q, but 3 in k/);
      expect(() => cache.attend(queries(2, 1, 3, Dk))).toThrow(/q has 3 heads, k has 2/);
      expect(() => cache.attend(queries(2, 4, 2, Dk))).toThrow(/4 queries, but only 3 keys/);
      expect(() => cache.attend(queries(2, 0, 2, Dk))).toThrow(/q holds 0 queries/);
      cache.dispose();
    });
  });
  it('every use after dispose', () => {
    tf.tidy(() => {
      const held = drawKeysValues(1, 3, 2, Dk);
      const cache = make(1);
      cache.append(held);
      cache.dispose();
      const uses: Record<string, () => unknown> = {
        append: () => cache.append(held),
        attend: () => cache.attend(tf.zeros([1, 1, 2, Dk])),
        fork: () => cache.fork(),
        snapshot: () => cache.snapshot(),
      };
      if (cache instanceof PlainKvCache) uses.concatWith = () => cache.concatWith(held);
      for (const [method, use] of Object.entries(uses))
        expect(use).toThrow(`KvCache.${method}: the cache was disposed; make a new one.`);
      cache.dispose(); // a second time does nothing
      expect(cache.bytes).toBe(0);
    });
  });
  it('half an update: if an operation fails, the cache is as before and nothing leaks', () => {
    const held = drawKeysValues(2, 70, 2, Dk);
    const cache = make(2);
    cache.append(held);
    const before = tf.memory().numTensors;
    const concat = tf.getKernel('Concat', tf.getBackend()) as tf.KernelConfig;
    tf.unregisterKernel('Concat', tf.getBackend());
    try {
      expect(() => cache.append(held)).toThrow(/Concat/);
      expect(() => cache.append(held, [0, 2])).toThrow(/Concat/);
    } finally {
      tf.registerKernel(concat);
    }
    expect(tf.memory().numTensors).toBe(before);
    expect(cache.lengths).toEqual([70, 70]);
    tf.tidy(() => {
      const { k } = cache.snapshot() as KeysValues;
      expectClose(k, tokensOf(held.k, 70 - k.shape[1], 70), exact);
    });
    cache.dispose();
    tf.dispose([held.k, held.v]);
  });
});

it('newKvCache gives each tier its cache', () => {
  expect(newKvCache('plain', 1)).toBeInstanceOf(PlainKvCache);
  expect(newKvCache('fast', 1)).toBeInstanceOf(PagedKvCache);
});
