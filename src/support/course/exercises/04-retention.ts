/** Lesson 4: the weights of a memory that fades, its state, and a chunk that does both. */
import { recurrenceByDefinition } from '../../../retention/definition';
import { dot, exercise, numbers, rows, transposed } from './exercise';

/** Product of gammas[first] … gammas[last]; 1 if there are none. */
const product = (gammas: number[], first: number, last: number): number =>
  gammas.slice(Math.max(0, first), last + 1).reduce((a, b) => a * b, 1);
const decay = (gammas: number[], from = 1, to = 0): number[][] =>
  gammas.map((_, n) => gammas.map((_, m) => (m <= n ? product(gammas, m + from, n + to) : 0)));

interface Token {
  q: number[];
  k: number[];
  v: number[];
  gamma: number;
}
interface Retained {
  output: number[];
  state: number[][];
}
const write = (S: number[][], { k, v }: Token, keep: number, add = 1): number[][] =>
  S.map((row, i) => row.map((s, d) => keep * s + add * k[i] * v[d]));
const read = (q: number[], S: number[][]): number[] =>
  transposed(S).map((column) => dot(q, column));
const retain = (token: Token, state: number[][]): Retained => {
  const S = write(state, token, token.gamma);
  return { output: read(token.q, S), state: S };
};
const both = (token: Token, state: number[][]): Retained => ({
  output: read(token.q, state),
  state,
});
const token = (seed: number, gamma: number): Token => ({
  q: numbers(2, seed),
  k: numbers(2, seed + 1),
  v: numbers(2, seed + 2),
  gamma,
});

interface Chunk {
  q: number[][];
  k: number[][];
  v: number[][];
  gammas: number[];
}
interface ChunkResult {
  output: number[][];
  state: number[][];
}
/** Each of the four places where a chunk can go wrong, as a function of β; the right one is the default. */
const chunk = (
  { q, k, v, gammas }: Chunk,
  state: number[][],
  {
    before = (j: number) => product(gammas, 0, j),
    reaching = (j: number) => product(gammas, j + 1, gammas.length - 1),
    keep = product(gammas, 0, gammas.length - 1),
    inside = decay(gammas),
  } = {},
): ChunkResult => ({
  output: q.map((qn, n) =>
    v[0].map(
      (_, d) =>
        before(n) * read(qn, state)[d] +
        k.reduce((sum, km, m) => sum + inside[n][m] * dot(qn, km) * v[m][d], 0),
    ),
  ),
  state: state.map((row, i) =>
    row.map((s, d) => keep * s + k.reduce((sum, km, m) => sum + reaching(m) * km[i] * v[m][d], 0)),
  ),
});
const reference = ({ q, k, v, gammas }: Chunk, state: number[][]): ChunkResult =>
  recurrenceByDefinition({ q, k, v, logDecay: gammas.map(Math.log) }, state);
const zeros = [
  [0, 0],
  [0, 0],
];
const drawn = (count: number, seed: number, gammas: number[]): Chunk => ({
  q: rows(count, 2, seed),
  k: rows(count, 2, seed + 1),
  v: rows(count, 2, seed + 2),
  gammas,
});

export const lesson04 = [
  exercise({
    id: '04-decay',
    title: 'The weights of a memory that fades',
    difficulty: 1,
    signature: 'decayMatrix(gammas: number[]): number[][]',
    reference: (gammas: number[]) => decay(gammas),
    cases: {
      'one token': [[0.3]],
      'halving, four tokens': [[0.5, 0.5, 0.5, 0.5]],
      'a different gate each time': [[0.9, 0.5, 0.8, 0.25, 0.6]],
    },
    laws: {
      'a token holds all of itself': (f) => f([0.2, 0.7, 0.4]).every((row, n) => row[n] === 1),
    },
    mistakes: {
      "the key's own gate counted": {
        wrong: (gammas) => decay(gammas, 0),
        hint: 'Decay off by one: a token has already faded when it arrives. What is D[n][n]?',
      },
      "the query's gate left out": {
        wrong: (gammas) => decay(gammas, 1, -1),
        hint: 'Decay off by one: the gate of the reader itself is missing. D[1][0] should be the gate of token 1.',
      },
      'missing causal mask': {
        wrong: (gammas) =>
          gammas.map((_, n) =>
            gammas.map((_, m) => product(gammas, Math.min(n, m) + 1, Math.max(n, m))),
          ),
        hint: 'The lower triangle is right. What lies above the diagonal has not been said yet: what should it weigh?',
      },
      transposed: {
        wrong: (gammas) => transposed(decay(gammas)),
        hint: 'Wrong axis: row n belongs to the reader n, column m to the token it remembers. The zeros should lie in the upper right.',
      },
      'printed upside down': {
        wrong: (gammas) =>
          gammas.map((_, n) => gammas.map((_, m) => (m <= n ? 1 / product(gammas, m + 1, n) : 0))),
        hint: 'Your weights grow with distance. You have divided β_m by β_n; the paper prints it so for the chunk, and it is a slip there, too.',
      },
    },
  }),
  exercise({
    id: '04-step',
    title: 'The same memory, one token at a time',
    difficulty: 2,
    signature:
      'retain(token: { q: number[]; k: number[]; v: number[]; gamma: number }, state: number[][]): { output: number[]; state: number[][] }',
    reference: retain,
    cases: {
      'the first token': [{ q: [1, 0], k: [1, 2], v: [3, 4], gamma: 0.5 }, zeros],
      'a state was there before': [
        { q: [1, 0], k: [1, 2], v: [3, 4], gamma: 0.5 },
        [
          [8, 0],
          [0, 8],
        ],
      ],
      'any numbers': [token(6, 0.8), rows(2, 2, 3)],
    },
    mistakes: {
      'reads before it writes': {
        wrong: (t, S) => ({ output: read(t.q, S), state: retain(t, S).state }),
        hint: 'The state is right, the output is that of a moment ago. Two lines stand in the wrong order: a token reads what it has written.',
      },
      'nothing fades': {
        wrong: (t, S) => both(t, write(S, t, 1)),
        hint: 'Nothing is ever forgotten. Where does gamma go?',
      },
      'the newcomer fades': {
        wrong: (t, S) => both(t, write(S, t, t.gamma, t.gamma)),
        hint: 'The newcomer has faded too, before anyone read it. Gamma multiplies the old state only.',
      },
      'moving average': {
        wrong: (t, S) => both(t, write(S, t, t.gamma, 1 - t.gamma)),
        hint: 'That is a moving average, whose weights sum to 1. Retention does not shrink the newcomer.',
      },
      'wrong axis': {
        wrong: (t, S) => {
          const next = write(S, { ...t, k: t.v, v: t.k }, t.gamma);
          return { output: read(t.q, next), state: next };
        },
        hint: 'Wrong axis: rows of the state belong to k, columns to v. You have written v down the rows.',
      },
      'state not carried': {
        wrong: (t, S) =>
          retain(
            t,
            S.map((row) => row.map(() => 0)),
          ),
        hint: 'You begin afresh with every token: what was in the state when you came is gone.',
      },
      'hands back the old state': {
        wrong: (t, S) => ({ output: retain(t, S).output, state: S }),
        hint: 'State not carried: the output is right, but the state you hand on is the one you got.',
      },
    },
  }),
  exercise({
    id: '04-chunk',
    title: 'A chunk at a time',
    difficulty: 3,
    signature:
      'chunk(inputs: { q: number[][]; k: number[][]; v: number[][]; gammas: number[] }, state: number[][]): { output: number[][]; state: number[][] }',
    reference,
    cases: {
      'one token, no past': [drawn(1, 1, [0.5]), zeros],
      'two tokens, no past': [drawn(2, 3, [0.5, 0.25]), zeros],
      'one token and a past': [drawn(1, 1, [0.5]), rows(2, 2, 8)],
      'four tokens and a past': [drawn(4, 5, [0.9, 0.5, 0.8, 0.6]), rows(2, 2, 9)],
    },
    laws: {
      'a chunk of four = two chunks of two': (f) => {
        const x = drawn(4, 6, [0.9, 0.4, 0.7, 0.8]);
        const part = (a: number, b: number): Chunk => ({
          q: x.q.slice(a, b),
          k: x.k.slice(a, b),
          v: x.v.slice(a, b),
          gammas: x.gammas.slice(a, b),
        });
        const first = f(part(0, 2), rows(2, 2, 4));
        const second = f(part(2, 4), first.state);
        const whole = f(x, rows(2, 2, 4));
        return [...first.output, ...second.output, ...second.state].every((row, n) =>
          row.every((y, d) => Math.abs(y - [...whole.output, ...whole.state][n][d]) < 1e-9),
        );
      },
    },
    mistakes: {
      'the past does not fade on reading': {
        wrong: (x, S) => chunk(x, S, { before: () => 1 }),
        hint: 'The states are right. What a token reads from earlier chunks has passed every gate of this chunk up to its own: β is missing there.',
      },
      'past faded one gate too few': {
        wrong: (x, S) => chunk(x, S, { before: (j) => product(x.gammas, 0, j - 1) }),
        hint: "Decay off by one: β of a token includes the token's own gate. Even the first token of a chunk fades what came before.",
      },
      'values reach the end unfaded': {
        wrong: (x, S) => chunk(x, S, { reaching: () => 1 }),
        hint: "What a token writes still fades until the chunk ends: the factor β_last/β is missing in the state. (RetNet's first preprint had the same gap.)",
      },
      "a value's own gate counted": {
        wrong: (x, S) =>
          chunk(x, S, { reaching: (j) => product(x.gammas, j, x.gammas.length - 1) }),
        hint: "Decay off by one in the state: a value has passed the gates behind its token, not the token's own.",
      },
      'old state kept whole': {
        wrong: (x, S) => chunk(x, S, { keep: 1 }),
        hint: 'The outputs are right. The old state must fade by all gates of the chunk before you add to it.',
      },
      'state not carried': {
        wrong: (x, S) =>
          chunk(
            x,
            S.map((row) => row.map(() => 0)),
          ),
        hint: 'State not carried: without a past you are right, with one you are not. Nothing of the given state arrives.',
      },
      'missing causal mask': {
        wrong: (x, S) =>
          chunk(x, S, {
            inside: x.gammas.map((_, n) =>
              x.gammas.map((_, m) => product(x.gammas, Math.min(n, m) + 1, Math.max(n, m))),
            ),
          }),
        hint: 'Inside the chunk a token reads from tokens behind it. Which m may n read?',
      },
    },
  }),
];
