/** Lesson 4: the weights of a memory that fades, its state, and a chunk that uses both. */
import { recurrenceByDefinition } from '../../../retention/definition';
import { dot, numbers, past, rows, transposed, zeros, zerosLike } from './arithmetic';
import { alike } from './compare';
import { exercise } from './exercise';

/** Product of the gates from `first` to `last`; 1 if there are none. */
const product = (gammas: number[], first: number, last: number): number =>
  gammas.slice(Math.max(0, first), last + 1).reduce((a, b) => a * b, 1);
/** An N × N matrix, here called by its indices. */
const matrix = (gammas: number[], entry: (n: number, m: number) => number): number[][] =>
  gammas.map((_, n) => gammas.map((_, m) => entry(n, m)));
const decay = (gammas: number[], from = 1, to = 0): number[][] =>
  matrix(gammas, (n, m) => (m <= n ? product(gammas, m + from, n + to) : 0));
const decayBothWays = (gammas: number[]): number[][] =>
  matrix(gammas, (n, m) => product(gammas, Math.min(n, m) + 1, Math.max(n, m)));
const betaOf = (gammas: number[], from = 0, to = 0): number[] =>
  gammas.map((_, n) => product(gammas, from, n + to));
const dividedDecay = (gammas: number[]): number[][] => {
  const beta = betaOf(gammas);
  return matrix(gammas, (n, m) => (m <= n ? beta[n] / beta[m] : 0));
};
/** A hundred gates so strong that their product underflows to 0. */
const strongGates: number[] = new Array(100).fill(0.0004);

interface Token {
  q: number[];
  k: number[];
  v: number[];
  gamma: number;
}
const read = (q: number[], S: number[][]): number[] =>
  transposed(S).map((column) => dot(q, column));
/** S ← keep · S + add · kᵀ v, then the output q S. */
const retain = ({ q, k, v, gamma }: Token, S: number[][], keep = gamma, add = 1) => {
  const state = S.map((row, i) => row.map((s, d) => keep * s + add * k[i] * v[d]));
  return { output: read(q, state), state };
};
const token = { q: [1, 0], k: [1, 2], v: [3, 4], gamma: 0.5 };

interface Chunk {
  q: number[][];
  k: number[][];
  v: number[][];
  gammas: number[];
}
type ChunkForm = (inputs: Chunk, state: number[][]) => { output: number[][]; state: number[][] };
/** The four decays of the chunkwise form; each is a place for mistakes. */
interface Decays {
  inside: number[][]; // D: from token to token
  beta: number[]; // of the past, when token j reads it
  decayToEnd: number[]; // of what token j writes, when the chunk ends
  chunkDecay: number; // of the past, when the chunk ends
}
const rightDecays = (gammas: number[]): Decays => {
  const last = gammas.length - 1;
  const inside = decay(gammas);
  const beta = betaOf(gammas);
  return { inside, beta, decayToEnd: inside[last], chunkDecay: beta[last] };
};
const chunkBy =
  (choose: (gammas: number[]) => Partial<Decays>): ChunkForm =>
  ({ q, k, v, gammas }, S) => {
    const { inside, beta, decayToEnd, chunkDecay } = { ...rightDecays(gammas), ...choose(gammas) };
    const values = transposed(v); // [Dv][N]
    const output = q.map((query, n) => {
      const weights = k.map((key, m) => inside[n][m] * dot(query, key));
      const fromPast = read(query, S);
      return values.map((column, d) => dot(weights, column) + beta[n] * fromPast[d]);
    });
    const state = S.map((row, i) => {
      const weights = k.map((key, m) => decayToEnd[m] * key[i]);
      return row.map((s, d) => chunkDecay * s + dot(weights, values[d]));
    });
    return { output, state };
  };
/** A wrong β, on reading only or in the new state, too. */
const withBeta = (from: number, to: number): ChunkForm[] => [
  chunkBy((gammas) => ({ beta: betaOf(gammas, from, to) })),
  chunkBy((gammas) => {
    const beta = betaOf(gammas, from, to);
    return { beta, chunkDecay: beta[beta.length - 1] };
  }),
];
const chunk: ChunkForm = ({ q, k, v, gammas }, S) =>
  recurrenceByDefinition({ q, k, v, logDecay: gammas.map(Math.log) }, S);
const twoTokens: Chunk = {
  q: [
    [1, 0],
    [1, 1],
  ],
  k: [
    [1, 2],
    [1, 1],
  ],
  v: [
    [3, 4],
    [1, 2],
  ],
  gammas: [0.5, 0.25],
};
const drawn = (gammas: number[], seed: number): Chunk => {
  const draw = (place: number): number[][] => rows(gammas.length, 2, seed + place);
  return { q: draw(0), k: draw(1), v: draw(2), gammas };
};

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
      'a hundred strong gates': [strongGates],
    },
    properties: {
      'nothing of a token has faded when it reads itself': (f) =>
        f([0.2, 0.7, 0.4]).every((row, n) => row[n] === 1),
    },
    mistakes: {
      "the token's own gate counted": {
        wrong: (gammas) => decay(gammas, 0),
        hint: 'Decay off by one: your tokens have faded when they arrive. What is D[n][n]?',
      },
      "the reader's gate left out": {
        wrong: (gammas) => decay(gammas, 1, -1),
        hint: 'Decay off by one: D[1][0] is the gate of token 1, the gate of the reader.',
      },
      'γ_m … γ_{n−1}': {
        wrong: (gammas) => decay(gammas, 0, -1),
        hint:
          "The right number of gates, but one place too early: a token's own gate fades what " +
          'came before it, not the token. D[1][0] is the gate of token 1.',
      },
      'missing causal mask': {
        wrong: decayBothWays,
        hint: 'Above the diagonal stand tokens that are still to come. What is their weight?',
      },
      'ragged rows': {
        wrong: (gammas) => decay(gammas).map((row, n) => row.slice(0, n + 1)),
        hint: 'The numbers are right, but row n ends at column n. Fill it up with zeros.',
      },
      'diagonal only': {
        wrong: (gammas) => matrix(gammas, (n, m) => (n === m ? 1 : 0)),
        hint: 'Your tokens see themselves alone. What is left of token 0 when token 1 reads?',
      },
      transposed: {
        wrong: (gammas) => transposed(decay(gammas)),
        hint:
          'Wrong axis: row n belongs to the reader n, column m to the token that is remembered. ' +
          'The zeros stand in the upper right.',
      },
      'upside down': {
        wrong: (gammas) => {
          const D = decay(gammas);
          return matrix(gammas, (n, m) => (m <= n ? 1 / D[n][m] : 0));
        },
        hint:
          'Your weights grow with distance: you divide β_m by β_n. ' +
          '(The paper prints it so for the chunk; that is a slip.)',
      },
      'running products divided': {
        wrong: dividedDecay,
        hint:
          'Right on paper: β_n / β_m. After many strong gates both are 0 in the machine, and 0/0 ' +
          'is NaN. Multiply the gates between m and n instead of dividing.',
      },
    },
  }),
  exercise({
    id: '04-step',
    title: 'The same memory, one token at a time',
    difficulty: 2,
    signature:
      'retain(token: { q: number[]; k: number[]; v: number[]; gamma: number }, ' +
      'state: number[][]): { output: number[]; state: number[][] }',
    reference: (token: Token, state: number[][]) => retain(token, state),
    cases: {
      'the first token': [token, zeros],
      'a state from before': [token, past],
      'any numbers': [
        { q: numbers(2, 6), k: numbers(2, 7), v: numbers(2, 8), gamma: 0.8 },
        rows(2, 2, 3),
      ],
    },
    mistakes: {
      'reads before it writes': {
        wrong: (t, S) => ({ output: read(t.q, S), state: retain(t, S).state }),
        hint: 'The output reads the old state. A token reads what it has written, too.',
      },
      'nothing fades': {
        wrong: (t, S) => retain(t, S, 1),
        hint: 'Nothing is ever forgotten. Where does gamma go?',
      },
      'the new token fades, too': {
        wrong: (t, S) => retain(t, S, t.gamma, t.gamma),
        hint: 'Your new token fades before it is read. Gamma multiplies the old state only.',
      },
      'moving average': {
        wrong: (t, S) => retain(t, S, t.gamma, 1 - t.gamma),
        hint: 'That is a moving average. Retention adds the new token as it is, not (1 − γ) of it.',
      },
      'wrong axis': {
        wrong: (t, S) => retain({ ...t, k: t.v, v: t.k }, S),
        hint: 'Wrong axis: rows of the state belong to k, columns to v. You have them exchanged.',
      },
      'state not carried': {
        wrong: (t, S) => retain(t, zerosLike(S)),
        hint: 'State not carried: you begin with zeros at every token.',
      },
      'the old state is returned': {
        wrong: (t, S) => ({ output: retain(t, S).output, state: S }),
        hint: 'The output is right, but the state that you return is the old one.',
      },
    },
  }),
  exercise({
    id: '04-chunk',
    title: 'A chunk at a time',
    difficulty: 3,
    signature:
      'chunk(inputs: { q: number[][]; k: number[][]; v: number[][]; gammas: number[] }, ' +
      'state: number[][]): { output: number[][]; state: number[][] }',
    reference: chunk,
    cases: {
      'one token, no past': [{ q: [[1, 0]], k: [[1, 2]], v: [[3, 4]], gammas: [0.5] }, zeros],
      'one token and a past': [{ q: [[1, 0]], k: [[1, 2]], v: [[3, 4]], gammas: [0.5] }, past],
      'two tokens, no past': [twoTokens, zeros],
      'two tokens and a past': [twoTokens, past],
      'four tokens and a past': [drawn([0.9, 0.5, 0.8, 0.6], 5), rows(2, 2, 9)],
      'a hundred strong gates': [drawn(strongGates, 7), rows(2, 2, 9)],
    },
    properties: {
      'a chunk of four = two chunks of two': (f) => {
        const { q, k, v, gammas } = drawn([0.9, 0.4, 0.7, 0.8], 6);
        const part = (a: number, b: number): Chunk => ({
          q: q.slice(a, b),
          k: k.slice(a, b),
          v: v.slice(a, b),
          gammas: gammas.slice(a, b),
        });
        const whole = f(part(0, 4), past);
        const first = f(part(0, 2), past);
        const second = f(part(2, 4), first.state);
        return (
          alike([...first.output, ...second.output], whole.output) &&
          alike(second.state, whole.state)
        );
      },
    },
    mistakes: {
      'the past is not read': {
        wrong: chunkBy((gammas) => ({ beta: gammas.map(() => 0) })),
        hint:
          'The state is right, but no output contains anything of the given state. ' +
          'Which of the two terms of out_j reads it?',
      },
      'the past does not fade on reading': {
        wrong: chunkBy((gammas) => ({ beta: gammas.map(() => 1) })),
        hint:
          'The state is right. What a token reads from earlier chunks has passed all gates of ' +
          'this chunk up to its own: β is missing there.',
      },
      'β of the last token for all': {
        wrong: chunkBy((gammas) => ({ beta: gammas.map(() => product(gammas, 0, gammas.length)) })),
        hint:
          'The state is right, but every token reads the past with β_last. ' +
          'Token j comes before the end: it has passed the gates up to j only.',
      },
      'β one gate too short': {
        wrong: withBeta(0, -1),
        hint: "β off by one: β of a token includes the token's own gate, also for the first.",
      },
      'β without the first gate': {
        wrong: withBeta(1, 0),
        hint: 'β off by one: β includes the first gate of the chunk, and column 0 of D does not.',
      },
      'values reach the end unfaded': {
        wrong: chunkBy((gammas) => ({ decayToEnd: gammas.map(() => 1) })),
        hint:
          'What a token writes fades until the chunk ends: β_last / β_m is missing in the state. ' +
          "(RetNet's first preprint had the same gap.)",
      },
      "a value's own gate counted": {
        wrong: chunkBy((gammas) => ({ decayToEnd: decay(gammas, 0)[gammas.length - 1] })),
        hint: 'Off by one in the state: a value fades by the gates *after* its token.',
      },
      'old state kept whole': {
        wrong: chunkBy(() => ({ chunkDecay: 1 })),
        hint: 'The outputs are right. By which gates has the old state faded at the end?',
      },
      'state not carried': {
        wrong: (inputs, S) => chunk(inputs, zerosLike(S)),
        hint: 'State not carried: right without a past. Nothing of the given state arrives.',
      },
      'the old state is returned': {
        wrong: (inputs, S) => ({ output: chunk(inputs, S).output, state: S }),
        hint: 'The outputs are right, but the state that you return is the old one.',
      },
      'missing causal mask': {
        wrong: chunkBy((gammas) => ({ inside: decayBothWays(gammas) })),
        hint: 'Inside the chunk your tokens read from tokens after them. Which m may n read?',
      },
      'running products divided': {
        wrong: [
          chunkBy((gammas) => {
            const inside = dividedDecay(gammas);
            return { inside, decayToEnd: inside[gammas.length - 1] };
          }),
          chunkBy((gammas) => ({ inside: dividedDecay(gammas) })),
          chunkBy((gammas) => ({ decayToEnd: dividedDecay(gammas)[gammas.length - 1] })),
        ],
        hint:
          'Right until β is 0 in the machine: then β_j / β_m is 0/0. ' +
          'Multiply the gates between the two tokens, as decayMatrix does.',
      },
    },
  }),
];
