/**
 * What a token costs a cache that grows: writing it, and reading everything before it.
 *
 * What to expect: writing costs the same however long the past is, since pages are never copied; glued into one tensor
 * per step, the past is copied for every token. Reading grows with the past, whoever reads; pages lie as the products want
 * them, so a step over them costs less than one over a plain tensor, the writing included.
 */
import * as tf from '@tensorflow/tfjs';
import type { KeysAndValues } from '../../src/attention/keys-and-values';
import { GrowingCache } from '../../src/attention/paged-kv-cache';
import { normal } from './inputs';
import type { Goal, Rival, Row, Table } from './measure';

type Ms = Parameters<Goal['value']>[0];
const HEADS = 4;
const HEAD_DIM = 64;
/** Tokens written per run: long enough that every level of the cache (fresh, open page) has its turn. */
const TOKENS = 128;
const LENGTHS = [1024, 4096, 16_384, 32_768];

const pages = 'pages, the token written and read';
const plain = 'plain softmax(q kᵀ) v, nothing written';
const copy = 'reading and writing K and V once';

const random = (seed: number, tokens: number): tf.Tensor4D =>
  normal<tf.Tensor4D>(seed, [1, tokens, HEADS, HEAD_DIM]);
const filled = (past: KeysAndValues): GrowingCache => {
  const cache = new GrowingCache(1);
  cache.append(past);
  return cache;
};
const label = (tokens: number): string => `${tokens.toLocaleString('en')} tokens held`;

function writing(tokens: number): Row {
  const past = { k: random(1, tokens), v: random(2, tokens) };
  const token = { k: random(3, 1), v: random(4, 1) };
  const cache = filled(past);
  const glue = (count: number): void => {
    let { k, v } = past;
    for (let i = 0; i < count; i++) {
      const longer = { k: tf.concat([k, token.k], 1), v: tf.concat([v, token.v], 1) };
      if (i > 0) tf.dispose([k, v]);
      ({ k, v } = longer);
    }
  };
  return {
    name: `write ${TOKENS} tokens, ${label(tokens)}`,
    rivals: [
      {
        name: 'pages',
        run: () => {
          const twin = cache.fork();
          for (let i = 0; i < TOKENS; i++) twin.append(token);
          twin.dispose();
        },
      },
      // A few are enough to see what one costs; scaled up by repetition they would take minutes.
      { name: `one tensor, ${TOKENS / 16} tokens`, run: () => glue(TOKENS / 16) },
    ],
    dispose: () => {
      cache.dispose();
      tf.dispose([past.k, past.v, token.k, token.v]);
    },
  };
}

function step(tokens: number): Row {
  const past = { k: random(1, tokens), v: random(2, tokens) };
  const token = { k: random(3, 1), v: random(4, 1) };
  const q = random(5, 1);
  const cache = filled(past);
  // softmax(q kᵀ) v over tensors that never change, heads already first: what attention alone costs when nothing is cached.
  const [Q, K, V] = [q, past.k, past.v].map((x) =>
    tf.tidy(() => x.transpose([0, 2, 1, 3]).clone()),
  ) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
  const rivals: Rival[] = [
    {
      name: pages,
      run: () => {
        cache.append(token);
        return cache.attend(q);
      },
    },
    {
      name: plain,
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

export const growingCacheTable: Table = {
  name: 'growing-cache',
  title: `The cache that grows: ${HEADS} heads of ${HEAD_DIM}`,
  note: 'Writing must not depend on what is held; reading grows with it, whoever reads.',
  rows: ({ quick }) => {
    const lengths = quick ? LENGTHS.filter((tokens) => tokens <= 16_384) : LENGTHS;
    return [
      ...lengths.map((tokens) => () => writing(tokens)),
      ...lengths.map((tokens) => () => step(tokens)),
    ];
  },
  goals: [
    {
      says: 'writing at 16K / writing at 1K, at most 1.3',
      value: (ms) =>
        ms(`write ${TOKENS} tokens, ${label(16_384)}`, 'pages') /
        ms(`write ${TOKENS} tokens, ${label(1024)}`, 'pages'),
      atMost: 1.3,
    },
    ...[16_384, 32_768].flatMap((tokens) => [
      {
        says: `a step at ${label(tokens)} / plain attention over a fixed cache, at most 0.8`,
        value: (ms: Ms) =>
          ms(`decode a token, ${label(tokens)}`, pages) /
          ms(`decode a token, ${label(tokens)}`, plain),
        atMost: 0.8,
      },
      {
        says: `a step at ${label(tokens)} / a copy of K and V, at most 3`,
        value: (ms: Ms) =>
          ms(`decode a token, ${label(tokens)}`, pages) /
          ms(`decode a token, ${label(tokens)}`, copy),
        atMost: 3,
      },
    ]),
  ],
};
