/** Lesson 3: heads side by side, and choosing the next token. */
import { attentionByDefinition } from '../../../attention/definition';
import { exercise, rows, total } from './exercise';

const split = (x: number[], heads: number): number[][] =>
  Array.from({ length: heads }, (_, h) =>
    x.slice((h * x.length) / heads, ((h + 1) * x.length) / heads),
  );

type MultiHead = (q: number[][], k: number[][], v: number[][], heads: number) => number[][];
interface Choice {
  heads?: (x: number[], heads: number) => number[][];
  scale?: (width: number, heads: number) => number;
  causal?: boolean;
}
const multi = (
  q: number[][],
  k: number[][],
  v: number[][],
  heads: number,
  { heads: cut = split, scale, causal }: Choice = {},
): number[][] => {
  const part = (x: number[][], h: number): number[][] => x.map((row) => cut(row, heads)[h]);
  const outputs = Array.from({ length: heads }, (_, h) =>
    attentionByDefinition(
      { q: part(q, h), k: part(k, h), v: part(v, h) },
      { scale: scale?.(q[0].length, heads), causal },
    ),
  );
  return q.map((_, n) => outputs.flatMap((out) => out[n]));
};
const dealt = (x: number[], heads: number): number[][] =>
  Array.from({ length: heads }, (_, h) => x.filter((_, i) => i % heads === h));
const reference: MultiHead = (q, k, v, heads) => multi(q, k, v, heads);

/** The first token at which the summed probability passes u. */
const pick = (weights: number[], u: number): number => {
  let sum = 0;
  const i = weights.findIndex((w) => {
    sum += w / total(weights);
    return u < sum;
  });
  return i < 0 ? weights.length - 1 : i;
};
const heat = (logits: number[], temperature: number): number[] =>
  logits.map((x) => Math.exp((x - Math.max(...logits)) / temperature));

export const lesson03 = [
  exercise({
    id: '03-heads',
    title: 'A row becomes heads',
    difficulty: 1,
    signature: 'splitHeads(x: number[], heads: number): number[][]',
    reference: split,
    cases: {
      'two heads of two': [[1, 2, 3, 4], 2],
      'two heads of three': [[1, 2, 3, 4, 5, 6], 2],
      'three heads of two': [[1, 2, 3, 4, 5, 6], 3],
      'one head': [[1, 2, 3], 1],
    },
    mistakes: {
      'dealt out in turn': {
        wrong: dealt,
        hint: 'Wrong axis: you deal the features out in turn. A head is a run of neighbours: the first half of the row belongs to head 0.',
      },
      'heads and sizes exchanged': {
        wrong: (x, heads) => split(x, x.length / heads),
        hint: 'You cut the row into pieces of `heads` features. There should be `heads` pieces.',
      },
      'the first head only': {
        wrong: (x, heads) => split(x, heads).slice(0, 1),
        hint: 'Where are the other heads?',
      },
      'a copy for each': {
        wrong: (x, heads) => Array.from({ length: heads }, () => [...x]),
        hint: 'Every head gets the whole row. Together they should hold each feature once.',
      },
    },
  }),
  exercise({
    id: '03-multi-head',
    title: 'Multi-head attention',
    difficulty: 2,
    signature: 'multiHead(q: number[][], k: number[][], v: number[][], heads: number): number[][]',
    reference,
    cases: {
      'one token': [[[1, 2]], [[3, 4]], [[5, 6]], 2],
      'one head': [rows(3, 2, 1), rows(3, 2, 2), rows(3, 2, 3), 1],
      'three tokens, two heads': [rows(3, 4, 4), rows(3, 4, 5), rows(3, 4, 6), 2],
      'four tokens, three heads': [rows(4, 6, 7), rows(4, 6, 8), rows(4, 6, 9), 3],
    },
    mistakes: {
      'scaled by the whole width': {
        wrong: (q, k, v, heads) => multi(q, k, v, heads, { scale: (width) => width ** -0.5 }),
        hint: 'With one head you are right, with more the weights are too level: each dot product runs over the features of a head, not of the whole row.',
      },
      'scale forgotten': {
        wrong: (q, k, v, heads) => multi(q, k, v, heads, { scale: () => 1 }),
        hint: 'Scale forgotten: scores are divided by the root of the head size.',
      },
      'missing causal mask': {
        wrong: (q, k, v, heads) => multi(q, k, v, heads, { causal: false }),
        hint: 'Missing causal mask: tokens look at those that follow.',
      },
      'one big head': {
        wrong: (q, k, v) => multi(q, k, v, 1),
        hint: 'One softmax for the whole row: heads that share their weights are one head.',
      },
      'features dealt out': {
        wrong: (q, k, v, heads) => multi(q, k, v, heads, { heads: dealt }),
        hint: 'Wrong axis: your heads take every second feature. They are runs of neighbours, and are put back as runs.',
      },
      'heads added up': {
        wrong: (q, k, v, heads) => {
          const width = q[0].length / heads;
          return multi(q, k, v, heads).map((row) =>
            row.slice(0, width).map((_, d) => total(split(row, heads).map((part) => part[d]))),
          );
        },
        hint: 'You add the heads up. They stand side by side, and the row stays as wide as it was.',
      },
    },
  }),
  exercise({
    id: '03-sample',
    title: 'Choosing the next token',
    difficulty: 2,
    signature: 'sample(logits: number[], temperature: number, u: number): number',
    reference: (logits: number[], temperature: number, u: number) =>
      pick(heat(logits, temperature), u),
    cases: {
      'two equal, u in the first half': [[0, 0], 1, 0.2],
      'two equal, u in the second half': [[0, 0], 1, 0.7],
      'u = 0': [[1, 3, 2], 1, 0],
      'almost 1': [[1, 3, 2, 0], 1, 0.999],
      cool: [[1, 1.5, 2], 0.1, 0.05],
      warm: [[0, 0.5], 2, 0.3],
      hot: [[1, 6, 2], 10, 0.7],
      'large logits': [[1000, 1001, 999], 1, 0.5],
      'in the middle': [[0, 1, 0, 1], 1, 0.6],
    },
    mistakes: {
      'always the likeliest': {
        wrong: (logits) => logits.indexOf(Math.max(...logits)),
        hint: 'That is greedy decoding: u and the temperature are not used.',
      },
      'temperature multiplied': {
        wrong: (logits, temperature, u) => pick(heat(logits, 1 / temperature), u),
        hint: 'You multiply by the temperature. Hot should mean level: which operation brings logits closer together?',
      },
      'temperature forgotten': {
        wrong: (logits, _, u) => pick(heat(logits, 1), u),
        hint: 'Right at temperature 1. It is not used.',
      },
      'off by one': {
        wrong: (logits, temperature, u) =>
          Math.min(logits.length - 1, pick(heat(logits, temperature), u) + 1),
        hint: 'Off by one: you pass the token at which the sum goes beyond u, and take the one behind it.',
      },
      'no exponential': {
        wrong: (logits, temperature, u) =>
          pick(
            logits.map((x) => x / temperature),
            u,
          ),
        hint: 'Logits are not probabilities: they may be negative, and do not sum to 1. Softmax first.',
      },
      'exp overflows': {
        wrong: (logits, temperature, u) =>
          pick(
            logits.map((x) => Math.exp(x / temperature)),
            u,
          ),
        hint: 'Right for small logits. exp(1000) is infinite; subtract the largest logit first.',
      },
    },
  }),
];
