/**
 * What a token costs a KV cache: appending it, and attending to everything before it.
 *
 * What to expect: in the paged cache an append costs the same however long the past is; the plain
 * cache copies the past for every token. Attention grows with the past in both. Pages have the
 * layout that the products need, so a step over them costs less than attention over one tensor
 * that never changes, the append included.
 */
import * as tf from '@tensorflow/tfjs';
import { type KeysValues, type KvCache, newKvCache } from '../../src/attention/kv-cache';
import type { Implementation } from '../../src/layers/mixer';
import { normal } from './inputs';
import type { Goal, Rival, Row, Table } from './measure';

type Ms = Parameters<Goal['value']>[0];
const HEADS = 4;
const HEAD_DIM = 64;
/** Tokens appended per run: enough that the tail is merged into the open page. */
const TOKENS = 128;
const LENGTHS = [1024, 4096, 16_384, 32_768];

const paged = 'paged cache: append and attend';
const fixed = 'softmax(q kᵀ) v over fixed tensors';
const copy = 'a copy of K and V';

const random = (seed: number, tokens: number): tf.Tensor4D =>
  normal<tf.Tensor4D>(seed, [1, tokens, HEADS, HEAD_DIM]);
const filled = (implementation: Implementation, past: KeysValues): KvCache => {
  const cache = newKvCache(implementation, 1);
  cache.append(past);
  return cache;
};
const label = (tokens: number): string => `${tokens.toLocaleString('en')} tokens held`;

function appending(tokens: number): Row {
  const past = { k: random(1, tokens), v: random(2, tokens) };
  const token = { k: random(3, 1), v: random(4, 1) };
  const caches = { paged: filled('fast', past), plain: filled('plain', past) };
  const append = (cache: KvCache, count: number): void => {
    const copy = cache.fork();
    for (let i = 0; i < count; i++) copy.append(token);
    copy.dispose();
  };
  return {
    name: `append ${TOKENS} tokens, ${label(tokens)}`,
    rivals: [
      { name: 'paged', run: () => append(caches.paged, TOKENS) },
      // A few show what one costs; all of them would take minutes.
      { name: `plain, ${TOKENS / 16} tokens`, run: () => append(caches.plain, TOKENS / 16) },
    ],
    dispose: () => {
      caches.paged.dispose();
      caches.plain.dispose();
      tf.dispose([past.k, past.v, token.k, token.v]);
    },
  };
}

function step(tokens: number): Row {
  const past = { k: random(1, tokens), v: random(2, tokens) };
  const token = { k: random(3, 1), v: random(4, 1) };
  const q = random(5, 1);
  const cache = filled('fast', past);
  // Heads already first, nothing is appended: what attention alone costs.
  const [Q, K, V] = [q, past.k, past.v].map((x) =>
    tf.tidy(() => x.transpose([0, 2, 1, 3]).clone()),
  ) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
  const rivals: Rival[] = [
    {
      name: paged,
      run: () => {
        cache.append(token);
        return cache.attend(q);
      },
    },
    {
      name: fixed,
      run: () => tf.softmax(tf.matMul(Q, K, false, true).mul(HEAD_DIM ** -0.5)).matMul(V),
    },
    { name: copy, run: () => [past.k.add(0), past.v.add(0)] },
  ];
  return {
    name: `decode a token, ${label(tokens)}`,
    rivals,
    dispose: () => {
      cache.dispose();
      tf.dispose([past.k, past.v, token.k, token.v, q, Q, K, V]);
    },
  };
}

export const kvCacheTable: Table = {
  name: 'kv-cache',
  title: `The KV cache: ${HEADS} heads of ${HEAD_DIM}`,
  note: 'Appending must not depend on how much is held; attention grows with it.',
  rows: ({ quick }) => {
    const lengths = quick ? LENGTHS.filter((tokens) => tokens <= 16_384) : LENGTHS;
    return [
      ...lengths.map((tokens) => () => appending(tokens)),
      ...lengths.map((tokens) => () => step(tokens)),
    ];
  },
  goals: [
    {
      says: 'appending at 16K / appending at 1K, at most 1.3',
      value: (ms) =>
        ms(`append ${TOKENS} tokens, ${label(16_384)}`, 'paged') /
        ms(`append ${TOKENS} tokens, ${label(1024)}`, 'paged'),
      atMost: 1.3,
    },
    ...[16_384, 32_768].flatMap((tokens) => [
      {
        says: `a step at ${label(tokens)} / attention over fixed tensors, at most 0.8`,
        value: (ms: Ms) =>
          ms(`decode a token, ${label(tokens)}`, paged) /
          ms(`decode a token, ${label(tokens)}`, fixed),
        atMost: 0.8,
      },
      {
        says: `a step at ${label(tokens)} / a copy of K and V, at most 3`,
        value: (ms: Ms) =>
          ms(`decode a token, ${label(tokens)}`, paged) /
          ms(`decode a token, ${label(tokens)}`, copy),
        atMost: 3,
      },
    ]),
  ],
};
