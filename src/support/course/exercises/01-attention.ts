/** Lesson 1: scores become weights, outputs are weighted means of values, and the past is kept. */
import { type AttentionRule, attentionByDefinition } from '../../../attention/definition';
import { dot, numbers, rows, softmax, total, transposed } from './arithmetic';
import { alike } from './compare';
import { exercise } from './exercise';

type Attend = (q: number[][], k: number[][], v: number[][]) => number[][];
const attend: Attend = (q, k, v) => attentionByDefinition({ q, k, v });
const attendBy =
  (rule: AttentionRule): Attend =>
  (q, k, v) =>
    attentionByDefinition({ q, k, v }, rule);

/** Scores [n][m] over all keys; those of the future are `masked`, if that is given. */
const scoresOf = (q: number[][], k: number[][], masked?: number): number[][] =>
  q.map((query, n) =>
    k.map((key, m) =>
      m > n && masked !== undefined ? masked : dot(query, key) / Math.sqrt(query.length),
    ),
  );
const mixed = (weights: number[][], v: number[][]): number[][] =>
  weights.map((row) => transposed(v).map((column) => dot(row, column)));
/** As many entries as in the query; those that the value does not have are NaN. */
const asWideAs = (query: number[], value: number[]): number[] =>
  query.map((_, d) => value[d] ?? Number.NaN);

interface Token {
  q: number[];
  k: number[];
  v: number[];
}
interface Cache {
  k: number[][];
  v: number[][];
}
interface Step {
  output: number[];
  cache: Cache;
}
const appended = ({ k, v }: Token, cache: Cache): Cache => ({
  k: [...cache.k, k],
  v: [...cache.v, v],
});
const step = (token: Token, cache: Cache, rule: AttentionRule = {}): Step => {
  const { k, v } = appended(token, cache);
  const [output] = attentionByDefinition({ q: [token.q], k, v }, rule);
  return { output, cache: { k, v } };
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
    reference: (scores: number[]) => softmax(scores),
    cases: {
      'two equal scores': [[2, 2]],
      'three scores': [[0, 1, 2]],
      'negative scores': [[-3, -1, -2, 0.5]],
      'very large scores': [[1000, 1001, 999]],
    },
    properties: {
      'the weights sum to 1': (f) => alike(total(f([0.3, -1, 4])), 1),
      'adding 5 to every score changes nothing': (f) => alike(f([5, 6, 7]), f([0, 1, 2])),
    },
    mistakes: {
      'exp overflows': {
        wrong: (scores) => scores.map((score) => Math.exp(score) / total(scores.map(Math.exp))),
        hint:
          'The formula is right, but exp(1000) is Infinity in the machine. By the last property ' +
          'you may subtract one number from all scores: which makes every exponent 0 or less?',
      },
      'no exponential': {
        wrong: (scores) => scores.map((score) => score / total(scores)),
        hint:
          'These are shares of the scores themselves. A weight must be positive even where the ' +
          'score is negative: which function gives only positive numbers?',
      },
      'not normalised': {
        wrong: (scores) => scores.map((score) => Math.exp(score - Math.max(...scores))),
        hint: 'All are positive, in the right order. What do they sum to, and what should they?',
      },
      'divided by the largest': {
        wrong: (scores) => scores.map((score) => score / Math.max(...scores)),
        hint: 'Dividing by the largest score gives it weight 1. *All* weights together make 1.',
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
        rows(6, 9, 4).map((row) => row.map((x) => 3 * x)),
        rows(6, 9, 5),
        rows(6, 3, 6),
      ],
    },
    properties: {
      'the future changes nothing': (f) => {
        const [q, k, v] = [rows(4, 2, 7), rows(4, 2, 8), rows(4, 2, 9)];
        const early = f(q.slice(0, 2), k.slice(0, 2), v.slice(0, 2));
        return alike(f(q, k, v).slice(0, 2), early);
      },
    },
    mistakes: {
      'missing causal mask': {
        wrong: attendBy({ causal: false }),
        hint: 'Every token sees the whole text, the future included. Which keys may query n see?',
      },
      'score 0 instead of −∞': {
        wrong: (q, k, v) => {
          const weights = scoresOf(q, k, 0).map((row) => softmax(row));
          return mixed(weights, v);
        },
        hint: 'Your future has the score 0, and exp(0) is 1. Which score has an exponential of 0?',
      },
      'mask after the softmax': {
        wrong: (q, k, v) => {
          const weights = scoresOf(q, k).map((row) => softmax(row));
          return mixed(
            weights.map((row, n) => row.map((weight, m) => (m > n ? 0 : weight))),
            v,
          );
        },
        hint: 'You mask after the softmax, so rows do not sum to 1. Mask first, then normalise.',
      },
      'softmax over the queries': {
        wrong: (q, k, v) => {
          const columns = transposed(scoresOf(q, k, -Infinity)).map((column) => softmax(column));
          return mixed(transposed(columns), v);
        },
        hint: 'Wrong axis: your columns (queries) sum to 1. The weights of one query should.',
      },
      'scale forgotten': {
        wrong: attendBy({ scale: 1 }),
        hint:
          'The largest weights are too large: with Dk features a dot product grows like √Dk. ' +
          'Where does the formula divide?',
      },
      'divided by Dk': {
        wrong: (q, k, v) => attendBy({ scale: 1 / q[0].length })(q, k, v),
        hint: 'The weights are too even: a sum of Dk products grows like √Dk, not like Dk.',
      },
      'own token left out': {
        wrong: (q, k, v) =>
          q.map((query, n) => {
            if (n === 0) return v[0].map(() => 0);
            return attend([query], k.slice(0, n), v.slice(0, n))[0];
          }),
        hint: 'Your tokens do not see themselves. What should the first one see?',
      },
      'diagonal only': {
        wrong: (_, __, v) => v.map((value) => [...value]),
        hint: 'Your tokens see only themselves: every output is its own value. Which keys m ≤ n?',
      },
      'as wide as the query': {
        wrong: (q, k, v) => attend(q, k, v).map((row) => asWideAs(q[0], row)),
        hint: 'Your rows are as wide as q. They are means of the values, so as wide as v.',
      },
    },
  }),
  exercise({
    id: '01-step',
    title: 'One step with a cache',
    difficulty: 3,
    signature:
      'step(token: { q: number[]; k: number[]; v: number[] }, ' +
      'cache: { k: number[][]; v: number[][] }): ' +
      '{ output: number[]; cache: { k: number[][]; v: number[][] } }',
    reference: (token: Token, cache: Cache) => step(token, cache),
    cases: {
      'the first token': [
        { q: [1, 0], k: [0, 1], v: [3, 6] },
        { k: [], v: [] },
      ],
      'two equal scores': [
        { q: [1, 0], k: [0, 2], v: [5, 8] },
        { k: [[0, 1]], v: [[3, 6]] },
      ],
      'the third token': [token(5), { k: rows(2, 3, 3), v: rows(2, 2, 4) }],
      'the sixth token': [token(9), { k: rows(5, 3, 6), v: rows(5, 2, 7) }],
    },
    properties: {
      'steps one by one = all at once': (f) => {
        const tokens = [1, 4, 7, 11].map(token);
        const outputs: number[][] = [];
        let cache: Cache = { k: [], v: [] };
        for (const one of tokens) {
          const done = f(one, cache);
          outputs.push(done.output);
          cache = done.cache;
        }
        const [q, k, v] = [tokens.map((t) => t.q), tokens.map((t) => t.k), tokens.map((t) => t.v)];
        return alike(outputs, attend(q, k, v));
      },
    },
    mistakes: {
      'the old cache is returned': {
        wrong: (token, cache) => ({ output: step(token, cache).output, cache }),
        hint: 'The output is right. What will the next token find in the cache that you return?',
      },
      'attends before it appends': {
        wrong: (token, cache) => ({
          output:
            cache.k.length === 0 ? token.v.map(() => 0) : attend([token.q], cache.k, cache.v)[0],
          cache: appended(token, cache),
        }),
        hint: 'You attend before the token is in the cache: it attends to itself, too.',
      },
      'keeps only the newest': {
        wrong: ({ k, v }) => ({ output: v, cache: { k: [k], v: [v] } }),
        hint: 'Your cache holds one token, however long the text. What of the earlier ones?',
      },
      'the newest in front': {
        wrong: (token, cache) => ({
          output: step(token, cache).output,
          cache: { k: [token.k, ...cache.k], v: [token.v, ...cache.v] },
        }),
        hint:
          'The output does not depend on the order, but the place in the cache is the position ' +
          'of the token. At which end is the newest?',
      },
      'keeps the query as key': {
        wrong: (token, cache) => step({ ...token, k: token.q }, cache),
        hint: 'Your cache holds the query under k. Which of the three is not needed again?',
      },
      'scale forgotten': {
        wrong: (token, cache) => step(token, cache, { scale: 1 }),
        hint: 'The cache is right, the weights are not: a score is q · k divided by √Dk.',
      },
      'as wide as the query': {
        wrong: (token, cache) => {
          const { output, cache: next } = step(token, cache);
          return { output: asWideAs(token.q, output), cache: next };
        },
        hint: 'Your output is as wide as q. It is a mean of the values, so as wide as v.',
      },
    },
  }),
];
