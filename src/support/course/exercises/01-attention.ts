/** Lesson 1: scores become weights, weights a mean of values, and the past is kept. */
import { attentionByDefinition, type OneHeadAttention } from '../../../attention/definition';
import { dot, exercise, numbers, rows, total } from './exercise';

const softmax = (scores: number[]): number[] => {
  const largest = Math.max(...scores);
  const e = scores.map((s) => Math.exp(s - largest));
  return e.map((x) => x / total(e));
};

type Attend = (q: number[][], k: number[][], v: number[][]) => number[][];
const attend: Attend = (q, k, v) => attentionByDefinition({ q, k, v });
/** Weights [n][m] over all keys, causal or not, with any scale: the raw material of the mistakes. */
const allWeights = (
  q: number[][],
  k: number[][],
  { causal = true, scale = (q[0]?.length ?? 1) ** -0.5 } = {},
): number[][] =>
  q.map((qn, n) => softmax(k.map((km, m) => (causal && m > n ? -Infinity : scale * dot(qn, km)))));
const mean = (weights: number[][], v: number[][]): number[][] =>
  weights.map((row) => v[0].map((_, d) => row.reduce((sum, w, m) => sum + w * v[m][d], 0)));

interface Token {
  q: number[];
  k: number[];
  v: number[];
}
interface Cache {
  k: number[][];
  v: number[][];
}
const attendOne = (q: number[], { k, v }: Cache): number[] =>
  (k.length === 0 ? v : attentionByDefinition({ q: [q], k, v } as OneHeadAttention)[0]) as number[];
const step = ({ q, k, v }: Token, cache: Cache): { output: number[]; cache: Cache } => {
  const grown = { k: [...cache.k, k], v: [...cache.v, v] };
  return { output: attendOne(q, grown), cache: grown };
};
const token = (seed: number): Token => ({
  q: numbers(3, seed),
  k: numbers(3, seed + 1),
  v: numbers(2, seed + 2),
});

export const lesson01 = [
  exercise({
    id: '01-softmax',
    title: 'Scores become weights',
    difficulty: 1,
    signature: 'softmax(scores: number[]): number[]',
    reference: softmax,
    cases: {
      'two equal scores': [[2, 2]],
      'three scores': [[0, 1, 2]],
      'negative scores': [[-3, -1, -2, 0.5]],
      'very large scores': [[1000, 1001, 999]],
    },
    laws: {
      'the weights sum to 1': (f) => Math.abs(total(f([0.3, -1, 4])) - 1) < 1e-9,
      'adding 5 to every score changes nothing': (f) =>
        f([5, 6, 7]).every((w, i) => Math.abs(w - f([0, 1, 2])[i]) < 1e-9),
    },
    mistakes: {
      'exp overflows': {
        wrong: (scores) => scores.map((s) => Math.exp(s) / total(scores.map(Math.exp))),
        hint: 'The formula is right and the machine is not: exp(1000) is infinite. By the second law you may subtract any number from all scores first. Which one makes every exponent at most 0?',
      },
      'no exponential': {
        wrong: (scores) => scores.map((s) => s / total(scores)),
        hint: 'These are shares of the scores themselves. A weight must be positive even where the score is not: what function makes every number positive?',
      },
      'not normalised': {
        wrong: (scores) => scores.map((s) => Math.exp(s - Math.max(...scores))),
        hint: 'Positive, and the order is right. What do these numbers sum to, and what should they sum to?',
      },
      'divided by the largest': {
        wrong: (scores) => scores.map((s) => s / Math.max(...scores)),
        hint: 'Dividing by the largest score makes the largest weight 1, and leaves nothing for the others to share.',
      },
    },
  }),
  exercise({
    id: '01-attend',
    title: 'Causal attention for one head',
    difficulty: 2,
    signature: 'attend(q: number[][], k: number[][], v: number[][]): number[][]',
    reference: attend,
    cases: {
      'one token': [[[1, 2]], [[3, 4]], [[5]]],
      'all keys alike': [
        [[5], [-1], [2]],
        [[0], [0], [0]],
        [[3], [6], [9]],
      ],
      'four tokens of width 4': [rows(4, 4, 1), rows(4, 4, 2), rows(4, 2, 3)],
      'six tokens, strong scores': [
        rows(6, 9, 4).map((r) => r.map((x) => 3 * x)),
        rows(6, 9, 5),
        rows(6, 3, 6),
      ],
    },
    laws: {
      'the future changes nothing': (f) => {
        const [q, k, v] = [rows(4, 2, 7), rows(4, 2, 8), rows(4, 2, 9)];
        const early = f(q.slice(0, 2), k.slice(0, 2), v.slice(0, 2));
        return f(q, k, v)
          .slice(0, 2)
          .every((row, n) => row.every((x, d) => Math.abs(x - early[n][d]) < 1e-9));
      },
    },
    mistakes: {
      'missing causal mask': {
        wrong: (q, k, v) => mean(allWeights(q, k, { causal: false }), v),
        hint: 'Every token looks at the whole text, the future included. Up to which key may query n look?',
      },
      'scale forgotten': {
        wrong: (q, k, v) => mean(allWeights(q, k, { scale: 1 }), v),
        hint: 'The weights are too sharp: with D features a dot product grows like √D. Where does the formula divide?',
      },
      'divided by D': {
        wrong: (q, k, v) => mean(allWeights(q, k, { scale: 1 / q[0].length }), v),
        hint: 'The weights are too level. A sum of D products of random signs grows like √D, not like D.',
      },
      'own token left out': {
        wrong: (q, k, v) =>
          q.map((qn, n) =>
            n === 0
              ? v[0].map(() => 0)
              : attentionByDefinition({ q: [qn], k: k.slice(0, n), v: v.slice(0, n) })[0],
          ),
        hint: 'Each token looks at those before it, but not at itself. Then the first one has nobody: what should it see?',
      },
      'softmax over the queries': {
        wrong: (q, k, v) => {
          const e = q.map((qn, n) =>
            k.map((km, m) => (m > n ? 0 : Math.exp(dot(qn, km) / Math.sqrt(qn.length)))),
          );
          return mean(
            e.map((row) => row.map((x, m) => x / total(e.map((other) => other[m])))),
            v,
          );
        },
        hint: 'Wrong axis: your weights sum to 1 down each column (over the queries). Each query shares out its own attention.',
      },
      'mask after the softmax': {
        wrong: (q, k, v) =>
          mean(
            allWeights(q, k, { causal: false }).map((row, n) => row.map((w, m) => (m > n ? 0 : w))),
            v,
          ),
        hint: 'The future is hidden, but only after it took its share: your rows no longer sum to 1. Mask first, then normalise.',
      },
    },
  }),
  exercise({
    id: '01-step',
    title: 'One step with a cache',
    difficulty: 3,
    signature:
      'step(token: { q: number[]; k: number[]; v: number[] }, cache: { k: number[][]; v: number[][] }): { output: number[]; cache: { k: number[][]; v: number[][] } }',
    reference: step,
    cases: {
      'the first token': [token(1), { k: [], v: [] }],
      'the third': [token(5), { k: rows(2, 3, 3), v: rows(2, 2, 4) }],
      'the sixth': [token(9), { k: rows(5, 3, 6), v: rows(5, 2, 7) }],
    },
    laws: {
      'steps one by one = all at once': (f) => {
        const tokens = [1, 4, 7, 11].map(token);
        const whole = attend(
          tokens.map((t) => t.q),
          tokens.map((t) => t.k),
          tokens.map((t) => t.v),
        );
        let cache: Cache = { k: [], v: [] };
        return tokens.every((t, n) => {
          const done = f(t, cache);
          cache = done.cache;
          return done.output.every((x, d) => Math.abs(x - whole[n][d]) < 1e-9);
        });
      },
    },
    mistakes: {
      'state not carried': {
        wrong: (t, cache) => ({ output: step(t, cache).output, cache }),
        hint: 'The output is right, the cache you hand back is the old one. What will the next token find there?',
      },
      'attends before it appends': {
        wrong: (t, cache) => ({
          output: cache.k.length === 0 ? t.v.map(() => 0) : attendOne(t.q, cache),
          cache: step(t, cache).cache,
        }),
        hint: 'The cache is right, but the token looked before it was in it: a token attends to itself, too.',
      },
      'keeps only the newest': {
        wrong: (t) => ({ output: t.v, cache: { k: [t.k], v: [t.v] } }),
        hint: 'The past has gone: the cache holds one token however long the text is. Put the newcomer behind the others.',
      },
      'newcomer in front': {
        wrong: (t, cache) => ({
          output: step(t, cache).output,
          cache: { k: [t.k, ...cache.k], v: [t.v, ...cache.v] },
        }),
        hint: 'The output does not care about the order, but the place in the cache is the position of the token. Which end is the newest?',
      },
      'keeps the query as key': {
        wrong: (t, cache) => step({ ...t, k: t.q }, cache),
        hint: 'A role has been exchanged: what stands in the cache under k is the question of the token. Which of the three does nobody need again?',
      },
    },
  }),
];
