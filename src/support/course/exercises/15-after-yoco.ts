/** Lesson 15: a gated memory unit, a delta rule, and what a loop costs. */
import { swishByDefinition } from '../../../layers/definition';
import { exercise, numbers, rows, sigmoid, times } from './exercise';

const unit = (
  x: number[],
  memory: number[],
  w1: number[][],
  w2: number[][],
  gate = swishByDefinition,
): number[] =>
  times(
    times(x, w1).map((z, i) => gate(z) * memory[i]),
    w2,
  );

interface Token {
  k: number[];
  v: number[];
  beta: number;
}
/** What the state answers to a key: k S. */
const answer = (S: number[][], k: number[]): number[] => times(k, S);
const delta = (
  S: number[][],
  { k, v, beta }: Token,
  target = (old: number[]) => v.map((x, d) => x - old[d]),
): number[][] => {
  const change = target(answer(S, k));
  return S.map((row, i) => row.map((s, d) => s + beta * k[i] * change[d]));
};
const zeros = [
  [0, 0],
  [0, 0],
];

const cached = (tokens: number, layers: number, C: number, loops: number): number =>
  tokens + loops * (layers / 2) * Math.min(tokens, C);

export const lesson15 = [
  exercise({
    id: '15-loop',
    title: 'What a loop costs in memory',
    difficulty: 1,
    signature:
      'cachedTokens(tokens: number, layers: number, windowSize: number, loops: number): number',
    reference: cached,
    cases: {
      'no loop': [100, 4, 16, 1],
      'three rounds': [100, 4, 16, 3],
      'shorter than the window': [10, 4, 16, 3],
      'a long text': [262144, 20, 512, 3],
    },
    mistakes: {
      'the global cache, too': {
        wrong: (n, l, C, t) => t * cached(n, l, C, 1),
        hint: 'You multiply the whole by the loops. The global cache is made once, after the last round.',
      },
      'loops forgotten': {
        wrong: (n, l, C) => cached(n, l, C, 1),
        hint: 'Right for one round. In each round a lower layer sees other inputs, so its window holds other keys.',
      },
      'all layers loop': {
        wrong: (n, l, C, t) => n + t * l * Math.min(n, C),
        hint: 'Only the lower half has windows, and only it is looped.',
      },
      'window always full': {
        wrong: (n, l, C, t) => n + t * (l / 2) * C,
        hint: 'Right for long texts. What does a window hold when the text is shorter?',
      },
      'one layer': {
        wrong: (n, _, C, t) => n + t * Math.min(n, C),
        hint: 'Each layer of the lower half has a window of its own.',
      },
    },
  }),
  exercise({
    id: '15-gmu',
    title: 'A gated memory unit',
    difficulty: 2,
    signature:
      'gatedMemory(x: number[], memory: number[], w1: number[][], w2: number[][]): number[]',
    reference: (x: number[], memory: number[], w1: number[][], w2: number[][]) =>
      unit(x, memory, w1, w2),
    cases: {
      'one feature': [[2], [3], [[1]], [[1]]],
      'a shut gate': [[-30], [3], [[1]], [[1]]],
      'two features': [
        [1, -1],
        [2, 5],
        [
          [1, 0],
          [0, 1],
        ],
        [
          [0, 1],
          [1, 0],
        ],
      ],
      'three features, a memory of four': [
        numbers(3, 1),
        numbers(4, 2),
        rows(3, 4, 3),
        rows(4, 3, 4),
      ],
    },
    laws: {
      'twice the memory, twice the answer': (f) =>
        Math.abs(f([1], [6], [[1]], [[1]])[0] - 2 * f([1], [3], [[1]], [[1]])[0]) < 1e-9,
    },
    mistakes: {
      'swish on the memory': {
        wrong: (x, memory, w1, w2) =>
          times(
            times(x, w1).map((z, i) => z * swishByDefinition(memory[i])),
            w2,
          ),
        hint: 'A role has been exchanged: swish is taken of what the layer asks (x W₁), the memory is only scaled by it.',
      },
      'sigmoid gate': {
        wrong: (x, memory, w1, w2) => unit(x, memory, w1, w2, sigmoid),
        hint: 'Your gate is a sigmoid. SiLU (swish) is z times the sigmoid of z.',
      },
      'memory forgotten': {
        wrong: (x, memory, w1, w2) =>
          unit(
            x,
            memory.map(() => 1),
            w1,
            w2,
          ),
        hint: 'The gate is right. What does it gate?',
      },
      'no gate function': {
        wrong: (x, memory, w1, w2) => unit(x, memory, w1, w2, (z) => z),
        hint: 'x W₁ multiplies the memory as it is. Where is SiLU?',
      },
      added: {
        wrong: (x, memory, w1, w2) =>
          times(
            times(x, w1).map((z, i) => swishByDefinition(z) + memory[i]),
            w2,
          ),
        hint: '⊙ multiplies feature by feature; you add.',
      },
      'residual inside': {
        wrong: (x, memory, w1, w2) => unit(x, memory, w1, w2).map((y, i) => y + (x[i] ?? 0)),
        hint: 'You have added the input. The block around the unit does that; the unit gives what is to be added.',
      },
    },
  }),
  exercise({
    id: '15-delta',
    title: 'A state that corrects itself',
    difficulty: 3,
    signature:
      'deltaStep(state: number[][], token: { k: number[]; v: number[]; beta: number }): number[][]',
    reference: (S: number[][], token: Token) => delta(S, token),
    cases: {
      'an empty state': [zeros, { k: [1, 0], v: [3, 4], beta: 1 }],
      'a new value for an old key': [
        [
          [3, 4],
          [7, 8],
        ],
        { k: [1, 0], v: [5, 5], beta: 1 },
      ],
      'half of the way': [
        [
          [3, 4],
          [7, 8],
        ],
        { k: [0, 1], v: [1, 2], beta: 0.5 },
      ],
      'any numbers': [rows(2, 2, 3), { k: numbers(2, 4), v: numbers(2, 5), beta: 0.7 }],
    },
    laws: {
      'with β = 1 and a key of length 1 the state answers what was just written': (f) =>
        answer(f(rows(2, 2, 1), { k: [0.6, 0.8], v: [9, -2], beta: 1 }), [0.6, 0.8]).every(
          (y, d) => Math.abs(y - [9, -2][d]) < 1e-9,
        ),
    },
    mistakes: {
      'linear attention': {
        wrong: (S, token) => delta(S, token, () => token.v),
        hint: 'You add the new value to what the key already holds. The delta rule writes the *difference* between the new value and what the state answers to this key.',
      },
      'erases all': {
        wrong: (S, token) =>
          delta(
            S.map((row) => row.map((s) => (1 - token.beta) * s)),
            token,
            () => token.v,
          ),
        hint: 'You fade the whole state. Only what stands under this key should give way; other keys keep their values.',
      },
      'sign lost': {
        wrong: (S, token) => delta(S, token, (old) => old.map((o, d) => o - token.v[d])),
        hint: 'You walk away from the value: the sign of the difference is wrong.',
      },
      'beta forgotten': {
        wrong: (S, token) => delta(S, { ...token, beta: 1 }),
        hint: 'Right for β = 1. β says how much of the way is gone.',
      },
      'beta on the value only': {
        wrong: (S, token) => {
          const erased = delta(S, { ...token, beta: 1 }, (old) => old.map((o) => -o));
          return delta(erased, token, () => token.v);
        },
        hint: 'You erase all of the old value and write β of the new one. β belongs to both.',
      },
      'wrong axis': {
        wrong: (S, token) => {
          const change = token.v.map((x, d) => x - answer(S, token.k)[d]);
          return S.map((row, i) => row.map((s, d) => s + token.beta * token.k[d] * change[i]));
        },
        hint: 'Wrong axis: rows of the state belong to k, columns to v.',
      },
    },
  }),
];
