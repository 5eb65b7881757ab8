/** Lesson 15: what a loop costs, a gated memory unit, and a state that corrects itself. */
import { linearByDefinition, swishByDefinition } from '../../../layers/definition';
import { exchange, identity, numbers, rows, sigmoid, zeros } from './arithmetic';
import { alike } from './compare';
import { exercise } from './exercise';

const cachedTokens = (tokens: number, layers: number, windowSize: number, loops: number): number =>
  tokens + loops * (layers / 2) * Math.min(tokens, windowSize);

type GatedMemory = (x: number[], memory: number[], w1: number[][], w2: number[][]) => number[];
const gatedMemoryBy =
  (combine: (z: number, memory: number) => number): GatedMemory =>
  (x, memory, w1, w2) => {
    const combined = linearByDefinition(x, w1).map((z, i) => combine(z, memory[i]));
    return linearByDefinition(combined, w2);
  };
const gatedMemory = gatedMemoryBy((z, memory) => swishByDefinition(z) * memory);

interface Token {
  k: number[];
  v: number[];
  beta: number;
}
type DeltaStep = (state: number[][], token: Token) => number[][];
const outer = (column: number[], row: number[]): number[][] =>
  column.map((x) => row.map((y) => x * y));
const added = (S: number[][], change: number[][], factor: number): number[][] =>
  S.map((row, i) => row.map((s, d) => s + factor * change[i][d]));
/** v − k S, what is missing of the value. */
const missing = (S: number[][], { k, v }: Token): number[] => {
  const old = linearByDefinition(k, S);
  return v.map((x, d) => x - old[d]);
};
const deltaStep: DeltaStep = (S, token) => added(S, outer(token.k, missing(S, token)), token.beta);
const old = [
  [3, 4],
  [7, 8],
];

export const lesson15 = [
  exercise({
    id: '15-loop',
    title: 'What a loop costs in memory',
    difficulty: 1,
    signature:
      'cachedTokens(tokens: number, layers: number, windowSize: number, loops: number): number',
    reference: cachedTokens,
    cases: {
      'no loop': [100, 4, 16, 1],
      'three rounds': [100, 4, 16, 3],
      'shorter than the window': [10, 4, 16, 3],
      'a long text': [262144, 20, 512, 3],
    },
    mistakes: {
      'the global cache, too': {
        wrong: (tokens, layers, windowSize, loops) =>
          loops * cachedTokens(tokens, layers, windowSize, 1),
        hint: 'You multiply all by the loops. The global cache is made once, after the last round.',
      },
      'loops forgotten': {
        wrong: (tokens, layers, windowSize) => cachedTokens(tokens, layers, windowSize, 1),
        hint: 'Right for one round. Each round has other inputs, so its windows hold other keys.',
      },
      'all layers loop': {
        wrong: (tokens, layers, windowSize, loops) =>
          cachedTokens(tokens, 2 * layers, windowSize, loops),
        hint: 'Only the lower half has windows, and only it is looped.',
      },
      'window always full': {
        wrong: (tokens, layers, windowSize, loops) => tokens + loops * (layers / 2) * windowSize,
        hint: 'Right for long texts. What does a window hold when the text is shorter?',
      },
      'one layer': {
        wrong: (tokens, _, windowSize, loops) => cachedTokens(tokens, 2, windowSize, loops),
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
    reference: gatedMemory,
    cases: {
      'one feature': [[2], [3], [[1]], [[1]]],
      'a gate that is almost 0': [[-30], [3], [[1]], [[1]]],
      'two features': [[1, -1], [2, 5], identity, exchange],
      'three features, a memory of four': [
        numbers(3, 1),
        numbers(4, 2),
        rows(3, 4, 3),
        rows(4, 3, 4),
      ],
    },
    properties: {
      'twice the memory, twice the result': (f) =>
        alike(f([1], [6], [[1]], [[1]])[0], 2 * f([1], [3], [[1]], [[1]])[0]),
    },
    mistakes: {
      'swish on the memory': {
        wrong: gatedMemoryBy((z, memory) => z * swishByDefinition(memory)),
        hint: 'The roles are exchanged: swish is taken of x W₁, not of the memory.',
      },
      'sigmoid gate': {
        wrong: gatedMemoryBy((z, memory) => sigmoid(z) * memory),
        hint: 'Your gate is a sigmoid. SiLU (swish) is z times the sigmoid of z.',
      },
      'memory forgotten': {
        wrong: gatedMemoryBy(swishByDefinition),
        hint: 'The gate is right. What does it multiply?',
      },
      'no gate function': {
        wrong: gatedMemoryBy((z, memory) => z * memory),
        hint: 'x W₁ multiplies the memory as it is. Where is SiLU?',
      },
      added: {
        wrong: gatedMemoryBy((z, memory) => swishByDefinition(z) + memory),
        hint: '⊙ multiplies feature by feature; you add.',
      },
      'residual inside': {
        wrong: (x, memory, w1, w2) => gatedMemory(x, memory, w1, w2).map((y, i) => y + x[i]),
        hint: 'You have added the input. The layer around the unit does that.',
      },
    },
  }),
  exercise({
    id: '15-delta',
    title: 'A state that corrects itself',
    difficulty: 3,
    signature:
      'deltaStep(state: number[][], token: { k: number[]; v: number[]; beta: number }): number[][]',
    reference: deltaStep,
    cases: {
      'an empty state': [zeros, { k: [1, 0], v: [3, 4], beta: 1 }],
      'a new value for an old key': [old, { k: [1, 0], v: [5, 5], beta: 1 }],
      'half of the way': [old, { k: [0, 1], v: [1, 2], beta: 0.5 }],
      'any numbers': [rows(2, 2, 3), { k: numbers(2, 4), v: numbers(2, 5), beta: 0.7 }],
    },
    properties: {
      'with β = 1 and a key of length 1 the state gives what was just written': (f) => {
        const token = { k: [0.6, 0.8], v: [9, -2], beta: 1 };
        return alike(linearByDefinition(token.k, f(old, token)), token.v);
      },
    },
    mistakes: {
      'linear attention': {
        wrong: (S, { k, v, beta }) => added(S, outer(k, v), beta),
        hint:
          'You add the new value to the old one. The delta rule writes the *difference* between ' +
          'the new value and what the state gives for this key.',
      },
      'erases all': {
        wrong: (S, { k, v, beta }) => added(added(S, S, -beta), outer(k, v), beta),
        hint: 'You fade the whole state. Other keys keep their values; only this one is corrected.',
      },
      'sign lost': {
        wrong: (S, token) => deltaStep(S, { ...token, beta: -token.beta }),
        hint: 'You move away from the value: the sign of the difference is wrong.',
      },
      'beta forgotten': {
        wrong: (S, token) => deltaStep(S, { ...token, beta: 1 }),
        hint: 'Right for β = 1. β is the share of the difference that is written.',
      },
      'beta on the value only': {
        wrong: (S, { k, v, beta }) => {
          const erased = added(S, outer(k, linearByDefinition(k, S)), -1);
          return added(erased, outer(k, v), beta);
        },
        hint: 'You erase all of the old value and write β of the new one. β belongs to both.',
      },
      'wrong axis': {
        wrong: (S, token) => added(S, outer(missing(S, token), token.k), token.beta),
        hint: 'Wrong axis: rows of the state belong to k, columns to v.',
      },
    },
  }),
];
