/** Lesson 7: keys and values made once from the middle of the model, and read by every layer above. */
import { attentionByDefinition } from '../../../attention/definition';
import { rmsNormByDefinition } from '../../../layers/definition';
import { exercise, rows, times } from './exercise';

const EPS = 1e-5;
interface KeysAndValues {
  k: number[][];
  v: number[][];
}
const make = (
  x: number[][],
  wk: number[][],
  wv: number[][],
  norm = (row: number[]) => rmsNormByDefinition(row, EPS),
): KeysAndValues => ({
  k: x.map((row) => times(norm(row), wk)),
  v: x.map((row) => times(norm(row), wv)),
});
const centred = (row: number[]): number[] =>
  row.map((x) => x - row.reduce((a, b) => a + b, 0) / row.length);

/** Each layer: x ← x + attention(x Wq, K, V). The options are what can go wrong on the way. */
const climb = (
  x: number[][],
  wqs: number[][][],
  { k, v }: KeysAndValues,
  {
    residual = true,
    causal = true,
    questions = (now: number[][]) => now,
    keys = (_: number[][]) => k,
    scale = k[0].length ** -0.5,
  } = {},
): number[][] =>
  wqs.reduce((now, wq) => {
    const q = questions(now).map((row) => times(row, wq));
    const read = attentionByDefinition({ q, k: keys(now), v }, { causal, scale });
    return read.map((row, n) => row.map((y, d) => y + (residual ? now[n][d] : 0)));
  }, x);
const stack = (layers: number, seed: number): number[][][] =>
  Array.from({ length: layers }, (_, l) => rows(2, 2, seed + 3 * l));

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
      'dealt out in turn': {
        wrong: (h, _, kvHeads) => h % kvHeads,
        hint: 'You deal the key heads out in turn. The convention of published weights is neighbours: the first heads / kvHeads query heads share key head 0.',
      },
      'divided by the wrong number': {
        wrong: (h, _, kvHeads) => Math.floor(h / kvHeads),
        hint: 'You divide by the number of key heads. How many query heads share one?',
      },
      'a key head for each': {
        wrong: (h) => h,
        hint: 'That is multi-head attention without groups. There are only kvHeads key heads.',
      },
      'not rounded': {
        wrong: (h, heads, kvHeads) => h / (heads / kvHeads),
        hint: 'A head has a whole number. Which way must it be rounded for head 1 of a group of 2?',
      },
      'rounded to the nearest': {
        wrong: (h, heads, kvHeads) => Math.round(h / (heads / kvHeads)),
        hint: 'Rounding to the nearest gives the second half of a group to the next one. Round down.',
      },
    },
  }),
  exercise({
    id: '07-make-once',
    title: 'The one global cache',
    difficulty: 2,
    signature:
      'globalCache(x: number[][], wk: number[][], wv: number[][]): { k: number[][]; v: number[][] }',
    reference: (x: number[][], wk: number[][], wv: number[][]) => make(x, wk, wv),
    cases: {
      'one token': [
        [[3, 4]],
        [
          [1, 0],
          [0, 1],
        ],
        [
          [0, 1],
          [1, 0],
        ],
      ],
      'three tokens, keys narrower than the model': [rows(3, 4, 1), rows(4, 2, 2), rows(4, 3, 3)],
      'a very quiet token': [[[1e-4, -2e-4]], rows(2, 2, 4), rows(2, 2, 5)],
    },
    mistakes: {
      'norm forgotten': {
        wrong: (x, wk, wv) => make(x, wk, wv, (row) => row),
        hint: 'The norm is missing: K̂ = LN(X) W_K. A loud token should not have longer keys than a quiet one.',
      },
      'mean subtracted': {
        wrong: (x, wk, wv) => make(x, wk, wv, (row) => rmsNormByDefinition(centred(row), EPS)),
        hint: 'You subtract the mean first: that is LayerNorm. The LN of the paper is RMSNorm, which only divides by the length.',
      },
      'eps forgotten': {
        wrong: (x, wk, wv) => make(x, wk, wv, (row) => rmsNormByDefinition(row, 0)),
        hint: 'Right for loud tokens. For a very quiet one eps = 1e-5, added under the root, is most of the sum.',
      },
      'values from the keys': {
        wrong: (x, wk, wv) => {
          const { k } = make(x, wk, wv);
          return { k, v: make(x, wk, wk).k };
        },
        hint: 'The values are made with the matrix of the keys. Each has its own.',
      },
      'the same for values without norm': {
        wrong: (x, wk, wv) => ({ k: make(x, wk, wv).k, v: make(x, wk, wv, (row) => row).v }),
        hint: 'The keys are right; the values are made from the same normed rows.',
      },
      'divided by the length': {
        wrong: (x, wk, wv) =>
          make(x, wk, wv, (row) =>
            row.map((y) => y / Math.sqrt(row.reduce((s, z) => s + z * z, 0) + EPS)),
          ),
        hint: 'You divide by the root of the *sum* of squares. RMS takes their *mean*: after it, features are about 1 in size whatever the width.',
      },
    },
  }),
  exercise({
    id: '07-climb',
    title: 'Layers that only read',
    difficulty: 3,
    signature:
      'climb(x: number[][], wqs: number[][][], cache: { k: number[][]; v: number[][] }): number[][]',
    reference: (x: number[][], wqs: number[][][], cache: KeysAndValues) => climb(x, wqs, cache),
    cases: {
      'one token, one layer': [
        [[1, 2]],
        [
          [
            [1, 0],
            [0, 1],
          ],
        ],
        { k: [[1, 1]], v: [[10, 20]] },
      ],
      'three tokens, one layer': [
        rows(3, 2, 1),
        stack(1, 2),
        { k: rows(3, 2, 5), v: rows(3, 2, 6) },
      ],
      'four tokens, three layers': [
        rows(4, 2, 3),
        stack(3, 4),
        { k: rows(4, 2, 7), v: rows(4, 2, 8) },
      ],
    },
    laws: {
      'no layer reads a neighbour: the last row alone gives the same last row': (f) => {
        const [x, cache] = [rows(4, 2, 9), { k: rows(4, 2, 5), v: rows(4, 2, 2) }];
        const alone = f(x.slice(3), stack(2, 1), cache)[0];
        return f(x, stack(2, 1), cache)[3].every((y, d) => Math.abs(y - alone[d]) < 1e-9);
      },
    },
    mistakes: {
      'residual forgotten': {
        wrong: (x, wqs, cache) => climb(x, wqs, cache, { residual: false }),
        hint: 'Each layer replaces its input by what it read. It should add it: Y = Attention(…) + X.',
      },
      'keys made anew': {
        wrong: (x, wqs, cache) =>
          climb(x, wqs, cache, { keys: (now) => (now.length === cache.k.length ? now : cache.k) }),
        hint: 'Your layers make their keys from their own input. These are made once; every layer reads the cache it is given.',
      },
      'missing causal mask': {
        wrong: (x, wqs, cache) => climb(x, wqs, cache, { causal: false }),
        hint: 'Missing causal mask: row n reads cached tokens that come after it. The cross-decoder is causal, too.',
      },
      'every layer asks the first question': {
        wrong: (x, wqs, cache) => climb(x, wqs, cache, { questions: () => x }),
        hint: 'Every layer asks with the input of the first. Its question comes from what the layer below has made of it.',
      },
      'scale forgotten': {
        wrong: (x, wqs, cache) => climb(x, wqs, cache, { scale: 1 }),
        hint: 'Scale forgotten: scores are divided by √D before the softmax.',
      },
      'only the first layer': {
        wrong: (x, wqs, cache) => climb(x, wqs.slice(0, 1), cache),
        hint: 'One layer has run. There is one matrix W_Q for each layer.',
      },
      'one question matrix for all': {
        wrong: (x, wqs, cache) =>
          climb(
            x,
            wqs.map(() => wqs[0]),
            cache,
          ),
        hint: 'All layers ask with the same W_Q. Keys and values are shared; questions are not.',
      },
    },
  }),
];
