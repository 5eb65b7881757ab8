/** Lesson 3: heads side by side, and choosing the next token. */
import { type AttentionRule, attentionByDefinition } from '../../../attention/definition';
import { dot, inParts, inTurn, rows, softmax, total, transposed } from './arithmetic';
import { exercise } from './exercise';

type MultiHead = (q: number[][], k: number[][], v: number[][], heads: number) => number[][];
type OneHead = (inputs: Record<'q' | 'k' | 'v', number[][]>, rule: AttentionRule) => number[][];
interface Choices {
  cut?: (row: number[], heads: number) => number[][];
  attend?: OneHead;
  scale?: (width: number) => number; // from the width of a whole row
  causal?: boolean;
}
const multiHead =
  ({ cut = inParts, attend = attentionByDefinition, scale, causal }: Choices = {}): MultiHead =>
  (q, k, v, heads) => {
    const outputs: number[][][] = []; // [heads][N][Dv]
    for (let h = 0; h < heads; h++) {
      const ofHead = (x: number[][]): number[][] => x.map((row) => cut(row, heads)[h]);
      const inputs = { q: ofHead(q), k: ofHead(k), v: ofHead(v) };
      outputs.push(attend(inputs, { scale: scale?.(q[0].length), causal }));
    }
    return q.map((_, n) => outputs.flatMap((output) => output[n]));
  };
const reference = multiHead();
/** Later tokens are not masked: their score is 0. */
const zeroForTheFuture: OneHead = ({ q, k, v }) =>
  q.map((query, n) => {
    const scores = k.map((key, m) => (m > n ? 0 : dot(query, key) / Math.sqrt(query.length)));
    const weights = softmax(scores);
    return transposed(v).map((column) => dot(weights, column));
  });

/** The first token at which the sum of the shares passes u. */
function pick(weights: number[], u: number): number {
  let sum = 0;
  for (const [token, weight] of weights.entries()) {
    sum += weight / total(weights);
    if (u < sum) return token;
  }
  return weights.length - 1;
}
type Sample = (logits: number[], temperature: number, u: number) => number;
const sample: Sample = (logits, temperature, u) => pick(softmax(logits, temperature), u);

export const lesson03 = [
  exercise({
    id: '03-heads',
    title: 'A row becomes heads',
    difficulty: 1,
    signature: 'splitHeads(x: number[], heads: number): number[][]',
    reference: (x: number[], heads: number) => inParts(x, heads),
    cases: {
      'two heads of two': [[1, 2, 3, 4], 2],
      'two heads of three': [[1, 2, 3, 4, 5, 6], 2],
      'three heads of two': [[1, 2, 3, 4, 5, 6], 3],
      'one head': [[1, 2, 3], 1],
    },
    mistakes: {
      'features in turn': {
        wrong: inTurn,
        hint: 'Wrong axis: your heads take features in turn. Head 0 is the first part of the row.',
      },
      'heads and sizes exchanged': {
        wrong: (x, heads) => inParts(x, x.length / heads),
        hint: 'You cut the row into parts of `heads` features. There should be `heads` parts.',
      },
      'the first head only': {
        wrong: (x, heads) => inParts(x, heads).slice(0, 1),
        hint: 'Where are the other heads?',
      },
      'a copy for each': {
        wrong: (x, heads) => Array.from({ length: heads }, () => [...x]),
        hint: 'Every head gets the whole row. Together they should have each feature once.',
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
      'two tokens, queries of 0': [
        [
          [0, 0],
          [0, 0],
        ],
        [
          [1, 2],
          [3, 4],
        ],
        [
          [2, 4],
          [6, 8],
        ],
        2,
      ],
      'one head': [rows(3, 2, 1), rows(3, 2, 2), rows(3, 2, 3), 1],
      'three tokens, two heads': [rows(3, 4, 4), rows(3, 4, 5), rows(3, 4, 6), 2],
      'four tokens, three heads': [rows(4, 6, 7), rows(4, 6, 8), rows(4, 6, 9), 3],
    },
    mistakes: {
      'scaled by the whole width': {
        wrong: multiHead({ scale: (width) => width ** -0.5 }),
        hint:
          'Right for one head; with more your weights are too even. A dot product runs over the ' +
          'features of a head, not of the whole row.',
      },
      'scale forgotten': {
        wrong: multiHead({ scale: () => 1 }),
        hint: 'Scale forgotten: scores are divided by the root of the head size.',
      },
      'missing causal mask': {
        wrong: multiHead({ causal: false }),
        hint: 'Missing causal mask: tokens see those that follow.',
      },
      'score 0 instead of −∞': {
        wrong: multiHead({ attend: zeroForTheFuture }),
        hint: 'Later tokens have the score 0, and exp(0) is 1. Of which score is exp 0?',
      },
      'diagonal only': {
        wrong: (_, __, v) => v.map((row) => [...row]),
        hint: 'Your result is v itself: each token sees only itself. Which tokens should it see?',
      },
      'one big head': {
        wrong: (q, k, v) => reference(q, k, v, 1),
        hint: 'You take one softmax for the whole row. Each head has weights of its own.',
      },
      'features in turn': {
        wrong: multiHead({ cut: inTurn }),
        hint: 'Wrong axis: your heads take features in turn. They should take neighbours.',
      },
      'heads added up': {
        wrong: (q, k, v, heads) =>
          reference(q, k, v, heads).map((row) => {
            const [first, ...others] = inParts(row, heads);
            return first.map((x, d) => x + total(others.map((head) => head[d])));
          }),
        hint: 'You add the heads up. They stand side by side: the row stays as wide as it was.',
      },
    },
  }),
  exercise({
    id: '03-sample',
    title: 'Choosing the next token',
    difficulty: 2,
    signature: 'sample(logits: number[], temperature: number, u: number): number',
    reference: sample,
    cases: {
      'two equal, u in the first half': [[0, 0], 1, 0.2],
      'two equal, u in the second half': [[0, 0], 1, 0.7],
      'u = 0': [[1, 3, 2], 1, 0],
      'u is almost 1': [[1, 3, 2, 0], 1, 0.999],
      'a low temperature': [[1, 1.5, 2], 0.1, 0.05],
      'temperature 2': [[0, 0.5], 2, 0.3],
      'a high temperature': [[1, 6, 2], 10, 0.7],
      'large logits': [[1000, 1001, 999], 1, 0.5],
      'in the middle': [[0, 1, 0, 1], 1, 0.6],
    },
    mistakes: {
      'always the likeliest': {
        wrong: (logits) => logits.indexOf(Math.max(...logits)),
        hint: 'That is greedy decoding: u and the temperature are not used.',
      },
      'temperature multiplied': {
        wrong: (logits, temperature, u) => sample(logits, 1 / temperature, u),
        hint:
          'You multiply by the temperature. A high one should make probabilities more even: ' +
          'which operation brings logits closer together?',
      },
      'temperature forgotten': {
        wrong: (logits, _, u) => sample(logits, 1, u),
        hint: 'Right at temperature 1. The temperature is not used.',
      },
      'off by one': {
        wrong: (logits, temperature, u) =>
          Math.min(logits.length - 1, sample(logits, temperature, u) + 1),
        hint: 'Off by one: you give the token after the one at which the sum passes u.',
      },
      'no exponential': {
        wrong: (logits, _, u) => pick(logits, u),
        hint: 'Logits are no probabilities: they may be negative, and do not sum to 1.',
      },
      'exp overflows': {
        wrong: (logits, temperature, u) => {
          const exps = logits.map((x) => Math.exp(x / temperature));
          return pick(exps, u);
        },
        hint: 'Right for small logits. exp(1000) is Infinity: subtract the largest logit first.',
      },
    },
  }),
];
