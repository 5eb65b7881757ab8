/** Lesson 7: keys and values made once in the middle of the model, read by all layers above. */
import { attentionByDefinition } from '../../../attention/definition';
import { linearByDefinition, rmsNormByDefinition } from '../../../layers/definition';
import { exchange, identity, mean, rows, total } from './arithmetic';
import { alike } from './compare';
import { exercise } from './exercise';

const EPS = 1e-5;
interface KeysValues {
  k: number[][];
  v: number[][];
}
type Norm = (row: number[]) => number[];
type GlobalCache = (x: number[][], wk: number[][], wv: number[][]) => KeysValues;
const rmsNorm: Norm = (row) => rmsNormByDefinition(row, EPS);
const unchanged: Norm = (row) => row;
const globalCacheBy =
  (normOfK: Norm, normOfV = normOfK): GlobalCache =>
  (x, wk, wv) => ({
    k: x.map((row) => linearByDefinition(normOfK(row), wk)),
    v: x.map((row) => linearByDefinition(normOfV(row), wv)),
  });
const globalCache = globalCacheBy(rmsNorm);

type RunLayers = (x: number[][], wqs: number[][][], cache: KeysValues) => number[][];
interface Choices {
  residual?: boolean;
  causal?: boolean;
  scale?: number;
  /** What queries are made from. */
  queryInput?: (now: number[][], x: number[][]) => number[][];
  keys?: (now: number[][], k: number[][]) => number[][];
}
/** Each layer: x ← x + attention(x Wq, K, V). */
const runLayersBy =
  ({
    residual = true,
    causal = true,
    scale,
    queryInput = (now) => now,
    keys = (_, k) => k,
  }: Choices = {}): RunLayers =>
  (x, wqs, { k, v }) => {
    let now = x;
    for (const wq of wqs) {
      const q = queryInput(now, x).map((row) => linearByDefinition(row, wq));
      const read = attentionByDefinition({ q, k: keys(now, k), v }, { causal, scale });
      const input = now;
      now = read.map((row, n) => row.map((y, d) => y + (residual ? input[n][d] : 0)));
    }
    return now;
  };
const runLayers = runLayersBy();
const twoCached: KeysValues = {
  k: [
    [0, 0],
    [1, 0],
  ],
  v: [
    [2, 4],
    [6, 8],
  ],
};
const queryMatrices = (layers: number, seed: number): number[][][] =>
  Array.from({ length: layers }, (_, layer) => rows(2, 2, seed + 3 * layer));

export const lesson07 = [
  exercise({
    id: '07-grouped',
    title: 'Which keys does a query head read?',
    difficulty: 1,
    signature: 'keyHead(queryHead: number, heads: number, kvHeads: number): number',
    reference: (queryHead: number, heads: number, kvHeads: number) =>
      Math.floor(queryHead / (heads / kvHeads)),
    cases: {
      'the first head': [0, 4, 2],
      'head 1 of 4, two key heads': [1, 4, 2],
      'the last head': [3, 4, 2],
      'YOCO-3B: head 23 of 24, eight key heads': [23, 24, 8],
      'head 5 of 24': [5, 24, 8],
      'a key head for each': [3, 4, 4],
      'one for all': [3, 4, 1],
    },
    mistakes: {
      'key heads in turn': {
        wrong: (head, _, kvHeads) => head % kvHeads,
        hint:
          'You take the key heads in turn. In published weights neighbours share: the first ' +
          'heads / kvHeads query heads read key head 0.',
      },
      'divided by the wrong number': {
        wrong: (head, _, kvHeads) => Math.floor(head / kvHeads),
        hint: 'You divide by the number of key heads. How many query heads share one?',
      },
      'a key head for each': {
        wrong: (head) => head,
        hint: 'That is multi-head attention without groups. There are only kvHeads key heads.',
      },
      'not rounded': {
        wrong: (head, heads, kvHeads) => head / (heads / kvHeads),
        hint: 'A head has a whole number. How must it be rounded for head 1 of a group of 2?',
      },
      'rounded to the nearest': {
        wrong: (head, heads, kvHeads) => Math.round(head / (heads / kvHeads)),
        hint: 'Rounding to the nearest puts half of a group into the next one. Round down.',
      },
    },
  }),
  exercise({
    id: '07-make-once',
    title: 'The one global cache',
    difficulty: 2,
    signature:
      'globalCache(x: number[][], wk: number[][], wv: number[][]): ' +
      '{ k: number[][]; v: number[][] }',
    reference: globalCache,
    cases: {
      'one token': [[[3, 4]], identity, exchange],
      'a token with very small features': [[[0.001, -0.002]], identity, exchange],
      'three tokens, keys narrower than the model': [rows(3, 4, 1), rows(4, 2, 2), rows(4, 3, 3)],
    },
    mistakes: {
      'norm forgotten': {
        wrong: globalCacheBy(unchanged),
        hint: 'The norm is missing: K̂ = LN(X) W_K. Twice the row should give the same keys.',
      },
      'mean subtracted': {
        wrong: globalCacheBy((row) => rmsNorm(row.map((x) => x - mean(row)))),
        hint: 'You subtract the mean: that is LayerNorm. The LN of the paper is RMSNorm.',
      },
      'eps forgotten': {
        wrong: globalCacheBy((row) => rmsNormByDefinition(row, 0)),
        hint: 'Right for large features. For very small ones eps = 1e-5, under the root, counts.',
      },
      'values from the keys': {
        wrong: (x, wk) => globalCache(x, wk, wk),
        hint: 'You make the values with the matrix of the keys. They have one of their own.',
      },
      'values without the norm': {
        wrong: globalCacheBy(rmsNorm, unchanged),
        hint: 'The keys are right; the values are made from the same normed rows.',
      },
      'divided by the length': {
        wrong: globalCacheBy((row) => {
          const sumOfSquares = total(row.map((x) => x * x));
          return row.map((x) => x / Math.sqrt(sumOfSquares + EPS));
        }),
        hint: 'You divide by the root of the *sum* of squares. RMS takes their *mean*.',
      },
    },
  }),
  exercise({
    id: '07-climb',
    title: 'Layers that only read',
    difficulty: 3,
    signature:
      'climb(x: number[][], wqs: number[][][], ' +
      'cache: { k: number[][]; v: number[][] }): number[][]',
    reference: runLayers,
    cases: {
      'one token, one layer': [[[1, 2]], [identity], { k: [[1, 1]], v: [[10, 20]] }],
      'two tokens, one layer': [identity, [exchange], twoCached],
      'one new token, two layers': [[[1, 0]], [identity, exchange], twoCached],
      'three tokens, one layer': [
        rows(3, 2, 1),
        queryMatrices(1, 2),
        { k: rows(3, 2, 5), v: rows(3, 2, 6) },
      ],
      'four tokens, three layers': [
        rows(4, 2, 3),
        queryMatrices(3, 4),
        { k: rows(4, 2, 7), v: rows(4, 2, 8) },
      ],
    },
    properties: {
      'no layer reads another row of x: the last row alone gives the same last row': (f) => {
        const [x, wqs] = [rows(4, 2, 9), queryMatrices(2, 1)];
        const cache = { k: rows(4, 2, 5), v: rows(4, 2, 2) };
        return alike(f(x.slice(3), wqs, cache)[0], f(x, wqs, cache)[3]);
      },
    },
    mistakes: {
      'residual forgotten': {
        wrong: runLayersBy({ residual: false }),
        hint: 'Each layer replaces its input by what it read. It should add it to its input.',
      },
      'keys from the own input': {
        wrong: runLayersBy({ keys: (now, k) => (now.length === k.length ? now : k) }),
        hint: 'Your layers make keys from their own input. Every layer reads the given ones.',
      },
      'missing causal mask': {
        wrong: runLayersBy({ causal: false }),
        hint: 'Missing causal mask: rows read cached tokens that come after them.',
      },
      'queries from the first input': {
        wrong: runLayersBy({ queryInput: (_, x) => x }),
        hint: 'Queries come from the output of the layer below, not from the first input.',
      },
      'scale forgotten': {
        wrong: runLayersBy({ scale: 1 }),
        hint: 'Scale forgotten: scores are divided by √Dk before the softmax.',
      },
      'only the first layer': {
        wrong: (x, wqs, cache) => runLayers(x, wqs.slice(0, 1), cache),
        hint: 'One layer has run. There is one matrix W_Q for each layer.',
      },
      'one query matrix for all': {
        wrong: (x, wqs, cache) => {
          const first = wqs.map(() => wqs[0]);
          return runLayers(x, first, cache);
        },
        hint: 'All layers use the same W_Q. Keys and values are shared; query matrices are not.',
      },
    },
  }),
];
