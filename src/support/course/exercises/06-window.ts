/** Lesson 6: which keys a window shows, a rolling cache, and how far a stack of windows sees. */
import { attentionByDefinition } from '../../../attention/definition';
import { rows, total } from './arithmetic';
import { exercise } from './exercise';

/** 1 where query n sees key m of N tokens. */
const mask = (N: number, sees: (n: number, m: number) => boolean): number[][] =>
  Array.from({ length: N }, (_, n) => Array.from({ length: N }, (_, m) => (sees(n, m) ? 1 : 0)));
const windowMask = (N: number, C: number): number[][] => mask(N, (n, m) => n - C < m && m <= n);

interface Ring {
  slots: number[];
  length: number;
}
const put = (ring: Ring, x: number, slot = ring.length): Ring => {
  const slots = [...ring.slots];
  slots[slot % slots.length] = x;
  return { slots, length: ring.length + 1 };
};

type Slide = (q: number[][], k: number[][], v: number[][], C: number) => number[][];
const slide: Slide = (q, k, v, C) => attentionByDefinition({ q, k, v }, { windowSize: C });

export const lesson06 = [
  exercise({
    id: '06-mask',
    title: 'What a window shows',
    difficulty: 1,
    signature: 'windowMask(N: number, C: number): number[][]',
    reference: windowMask,
    cases: {
      'three tokens, a window of 2': [3, 2],
      'a window of 1': [4, 1],
      'six tokens, a window of 3': [6, 3],
      'a window longer than the text': [3, 8],
    },
    properties: {
      'no row sees more than C keys': (f) => f(7, 3).every((row) => total(row) <= 3),
    },
    mistakes: {
      'window off by one, too wide': {
        wrong: (N, C) => windowMask(N, C + 1),
        hint: 'Window off by one: you show C tokens besides the token itself. C counts it.',
      },
      'window off by one, too narrow': {
        wrong: (N, C) => windowMask(N, C - 1),
        hint: 'Window off by one: count the ones in a late row; there should be C.',
      },
      'missing causal mask': {
        wrong: (N, C) => mask(N, (n, m) => n - C < m),
        hint: 'The oldest visible token is right. May a token see those that follow?',
      },
      'window on both sides': {
        wrong: (N, C) => mask(N, (n, m) => Math.abs(n - m) < C),
        hint: 'Your window looks ahead as far as back. The next token is to be predicted.',
      },
      'no window': {
        wrong: (N) => mask(N, (n, m) => m <= n),
        hint: 'Causal, but no window: C is not used. Which tokens are too old to be seen?',
      },
      'own token left out': {
        wrong: (N, C) => mask(N, (n, m) => n - C <= m && m < n),
        hint: 'C keys, but the wrong ones: the token itself is one of the C.',
      },
      'diagonal only': {
        wrong: (N) => windowMask(N, 1),
        hint: 'Each token sees itself alone, whatever C is. How many earlier tokens does C allow?',
      },
      'ragged rows': {
        wrong: (N, C) => windowMask(N, C).map((row, n) => row.slice(0, n + 1)),
        hint: 'The numbers are right, but row n ends at column n. Fill it up with zeros.',
      },
    },
  }),
  exercise({
    id: '06-reach',
    title: 'How far a stack of windows sees',
    difficulty: 1,
    signature: 'reach(layers: number, C: number): number',
    reference: (layers: number, C: number) => layers * (C - 1) + 1,
    cases: {
      'one layer': [1, 4],
      'two layers': [2, 4],
      'windows of 1': [5, 1],
      'twelve layers of 1,024': [12, 1024],
    },
    mistakes: {
      'layers times C': {
        wrong: (layers, C) => layers * C,
        hint:
          'Windows overlap by one: the oldest token of one window is the newest of the window ' +
          'below. Windows of 1 see one token, however many layers there are.',
      },
      'itself forgotten': {
        wrong: (layers, C) => layers * (C - 1),
        hint: 'That is how many *earlier* tokens have an influence. The token itself is one more.',
      },
      'power of C': {
        wrong: (layers, C) => C ** layers,
        hint: 'A layer adds to the reach: it goes C − 1 tokens further back. It does not multiply.',
      },
      'depth does nothing': {
        wrong: (_, C) => C,
        hint: 'That is one layer. In the layer below, the tokens it sees have looked further back.',
      },
    },
  }),
  exercise({
    id: '06-ring',
    title: 'A rolling cache',
    difficulty: 2,
    signature:
      'append(ring: { slots: number[]; length: number }, x: number): ' +
      '{ slots: number[]; length: number }',
    reference: (ring: Ring, x: number) => put(ring, x),
    cases: {
      'into an empty cache': [{ slots: [0, 0, 0], length: 0 }, 7],
      'the second token': [{ slots: [7, 0, 0], length: 1 }, 8],
      'the fourth token, three slots': [{ slots: [7, 8, 9], length: 3 }, 10],
      'token 2,002, five slots': [{ slots: [14, 15, 11, 12, 13], length: 2002 }, 16],
    },
    mistakes: {
      'slot off by one': {
        wrong: (ring, x) => put(ring, x, ring.length + 1),
        hint: 'One slot too far: token number `length`, from 0, goes to slot `length` mod slots.',
      },
      'length stops at the window': {
        wrong: (ring, x) => {
          const { slots, length } = put(ring, x);
          return { slots, length: Math.min(length, slots.length) };
        },
        hint:
          'The slots are right, but length has stopped at the number of slots. ' +
          'Positions come from it: it counts every token ever seen.',
      },
      'length stands still': {
        wrong: (ring, x) => ({ ...put(ring, x), length: ring.length }),
        hint: 'The length stands still, so the next token would overwrite this one.',
      },
      'shifts instead of overwriting': {
        wrong: ({ slots, length }, x) => ({ slots: [...slots.slice(1), x], length: length + 1 }),
        hint:
          'You shift all tokens by one slot, which copies the whole window each time. ' +
          'Overwrite the oldest token where it is.',
      },
      grows: {
        wrong: ({ slots, length }, x) => ({ slots: [...slots, x], length: length + 1 }),
        hint: 'You have added a slot: that is the cache of lesson 1. Overwrite the oldest token.',
      },
    },
  }),
  exercise({
    id: '06-slide',
    title: 'A window over a text that goes on',
    difficulty: 3,
    signature: 'slide(q: number[][], k: number[][], v: number[][], C: number): number[][]',
    reference: slide,
    cases: {
      'equal scores, a window of 2': [[[1], [1], [1]], [[0], [0], [0]], [[3], [6], [9]], 2],
      'one new token, two kept': [[[1]], [[0], [0], [0]], [[3], [6], [9]], 2],
      'two keys of four features': [
        [[2, 0, 0, 0]],
        [
          [0, 0, 0, 0],
          [1, 0, 0, 0],
        ],
        [[0], [1]],
        2,
      ],
      'a whole text': [rows(4, 2, 1), rows(4, 2, 2), rows(4, 2, 3), 2],
      'one new token, four kept': [rows(1, 2, 4), rows(5, 2, 5), rows(5, 2, 6), 3],
      'two new tokens, four kept': [rows(2, 4, 7), rows(6, 4, 8), rows(6, 2, 9), 4],
      'a window of 1': [rows(2, 2, 3), rows(3, 2, 1), rows(3, 2, 2), 1],
    },
    mistakes: {
      'window off by one, too wide': {
        wrong: (q, k, v, C) => slide(q, k, v, C + 1),
        hint: 'Window off by one: one key too many. C counts the token itself.',
      },
      'window off by one, too narrow': {
        wrong: (q, k, v, C) => {
          if (C > 1) return slide(q, k, v, C - 1);
          return q.map(() => v[0].map(() => Number.NaN));
        },
        hint: 'Window off by one: one key too few. With a window of 1 a token still sees itself.',
      },
      'kept tokens forgotten': {
        wrong: (q, k, v, C) => slide(q, k.slice(0, q.length), v.slice(0, q.length), C),
        hint:
          'Query 0 is not the first token: k and v begin with kept tokens. ' +
          'The last query stands at the last key; where does query n stand?',
      },
      'no window': {
        wrong: (q, k, v) => slide(q, k, v, Infinity),
        hint: 'Causal, but no window: the oldest keys still count.',
      },
      'missing causal mask': {
        wrong: (q, k, v, C) =>
          q.map((query, n) => {
            const first = Math.max(0, n + k.length - q.length + 1 - C);
            return slide([query], k.slice(first), v.slice(first), Infinity)[0];
          }),
        hint: 'The oldest key of each window is right, but queries see keys after their own.',
      },
      'scale forgotten': {
        wrong: (q, k, v, C) => attentionByDefinition({ q, k, v }, { windowSize: C, scale: 1 }),
        hint: 'The right keys, but the scores are not divided by √Dk.',
      },
    },
  }),
];
