/** Lesson 6: which keys a window shows, where a ring puts them, how far a stack of windows sees. */
import { attentionByDefinition } from '../../../attention/definition';
import { exercise, rows } from './exercise';

/** 1 where query n sees key m of N tokens. */
const mask = (N: number, sees: (n: number, m: number) => boolean): number[][] =>
  Array.from({ length: N }, (_, n) => Array.from({ length: N }, (_, m) => (sees(n, m) ? 1 : 0)));
const windowMask = (N: number, C: number): number[][] => mask(N, (n, m) => n - C < m && m <= n);

interface Ring {
  slots: number[];
  length: number;
}
const put = (
  ring: Ring,
  x: number,
  at = ring.length % ring.slots.length,
  length = ring.length + 1,
): Ring => ({
  slots: ring.slots.map((old, i) => (i === at ? x : old)),
  length,
});

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
    laws: {
      'no row sees more than C keys': (f) =>
        f(7, 3).every((row) => row.reduce((a, b) => a + b, 0) <= 3),
    },
    mistakes: {
      'window off by one, too wide': {
        wrong: (N, C) => windowMask(N, C + 1),
        hint: 'Window off by one: you show C tokens besides the token itself. C counts it.',
      },
      'window off by one, too narrow': {
        wrong: (N, C) => windowMask(N, C - 1),
        hint: 'Window off by one, the other way: count the ones in a late row; there should be C.',
      },
      'missing causal mask': {
        wrong: (N, C) => mask(N, (n, m) => n - C < m),
        hint: 'The left edge of the window is right. What of the right edge: may a token see those that follow?',
      },
      'window on both sides': {
        wrong: (N, C) => mask(N, (n, m) => Math.abs(n - m) < C),
        hint: 'Your window looks forward as far as back. A language model may not see the next token: it is to predict it.',
      },
      'no window': {
        wrong: (N) => mask(N, (n, m) => m <= n),
        hint: 'Causal, but no window: C is not used. What is too old to be seen?',
      },
      'own token left out': {
        wrong: (N, C) => mask(N, (n, m) => n - C <= m && m < n),
        hint: 'C keys, but the wrong ones: the token itself is one of the C.',
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
        hint: 'Windows overlap by one: the oldest token that a layer sees is the youngest that the layer below adds to. A window of 1 sees no further, however many layers.',
      },
      'itself forgotten': {
        wrong: (layers, C) => layers * (C - 1),
        hint: 'That is how many *earlier* tokens have an influence. The token itself is one more.',
      },
      'power of C': {
        wrong: (layers, C) => C ** layers,
        hint: 'A layer adds to the reach, it does not multiply it: each goes back C − 1 tokens from the oldest one seen so far.',
      },
      'depth does nothing': {
        wrong: (_, C) => C,
        hint: 'That is one layer. The token it sees has itself seen further back, in the layer below.',
      },
    },
  }),
  exercise({
    id: '06-ring',
    title: 'A ring that never grows',
    difficulty: 2,
    signature:
      'append(ring: { slots: number[]; length: number }, x: number): { slots: number[]; length: number }',
    reference: (ring: Ring, x: number) => put(ring, x),
    cases: {
      'into an empty ring': [{ slots: [0, 0, 0], length: 0 }, 7],
      'the second token': [{ slots: [7, 0, 0], length: 1 }, 8],
      'the fourth of three slots': [{ slots: [7, 8, 9], length: 3 }, 10],
      'long after': [{ slots: [14, 15, 11, 12, 13], length: 2002 }, 16],
    },
    mistakes: {
      'slot off by one': {
        wrong: (ring, x) => put(ring, x, (ring.length + 1) % ring.slots.length),
        hint: 'One slot too far: token number `length` (counted from 0) belongs into slot `length` mod the number of slots.',
      },
      'length stops at the window': {
        wrong: (ring, x) =>
          put(
            ring,
            x,
            ring.length % ring.slots.length,
            Math.min(ring.length + 1, ring.slots.length),
          ),
        hint: 'The slots are right, but the counter has stopped at the size of the ring. It is the clock of all positions: it counts every token ever seen.',
      },
      'counter stands still': {
        wrong: (ring, x) => put(ring, x, undefined, ring.length),
        hint: 'State not carried: the counter stands still, and the next token would overwrite this one.',
      },
      'shifts instead of turning': {
        wrong: (ring, x) => ({ slots: [...ring.slots.slice(1), x], length: ring.length + 1 }),
        hint: 'You move everybody one place to make room. That copies the whole window for every token; a ring overwrites the oldest where it lies.',
      },
      grows: {
        wrong: (ring, x) => ({ slots: [...ring.slots, x], length: ring.length + 1 }),
        hint: 'Your ring has one slot more than before: that is the cache of lesson 1, which grows. Overwrite the oldest.',
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
        wrong: (q, k, v, C) =>
          C > 1 ? slide(q, k, v, C - 1) : q.map(() => v[0].map(() => Number.NaN)),
        hint: 'Window off by one: one key too few. With a window of 1 a token still sees itself.',
      },
      'past forgotten': {
        wrong: (q, k, v, C) => slide(q, k.slice(0, q.length), v.slice(0, q.length), C),
        hint: 'Query 0 is not the first token: k and v begin with kept tokens. The last query stands at the last key; where does query n stand?',
      },
      'no window': {
        wrong: (q, k, v) => slide(q, k, v, Infinity),
        hint: 'Causal, but no window: the oldest keys still count.',
      },
      'missing causal mask': {
        wrong: (q, k, v, C) =>
          q.map((qn, n) => {
            const first = Math.max(0, n + k.length - q.length + 1 - C);
            return attentionByDefinition({ q: [qn], k: k.slice(first), v: v.slice(first) })[0];
          }),
        hint: 'The left edge is right, but with two new tokens the first of them sees the second.',
      },
      'scale forgotten': {
        wrong: (q, k, v, C) => attentionByDefinition({ q, k, v }, { windowSize: C, scale: 1 }),
        hint: 'The right keys, too sharply weighed: where is 1/√D? (The formula as the paper prints it has none either; its code does.)',
      },
    },
  }),
];
