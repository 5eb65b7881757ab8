/** Lesson 10: bytes, by formula. */
import { exercise } from './exercise';

interface Shape {
  layers: number;
  tokens: number;
  heads: number;
  kvHeads: number;
  headSize: number;
  bytes: number;
}
const perToken = ({ kvHeads, headSize, bytes }: Shape): number => 2 * kvHeads * headSize * bytes;
const baseline = (s: Shape): number => s.layers * s.tokens * perToken(s);
const shape: Shape = { layers: 6, tokens: 100, heads: 4, kvHeads: 2, headSize: 8, bytes: 4 };
const yoco3B: Shape = {
  layers: 26,
  tokens: 2 ** 20,
  heads: 24,
  kvHeads: 8,
  headSize: 128,
  bytes: 2,
};

type Windowed = (s: Shape, windowSize: number) => number;
const yoco: Windowed = (s, C) =>
  s.tokens * perToken(s) + (s.layers / 2) * Math.min(s.tokens, C) * perToken(s);

export const lesson10 = [
  exercise({
    id: '10-baseline',
    title: "The Transformer's cache in bytes",
    difficulty: 1,
    signature:
      'transformerBytes(shape: { layers: number; tokens: number; heads: number; kvHeads: number; headSize: number; bytes: number }): number',
    reference: baseline,
    cases: {
      'one layer, one token': [
        { layers: 1, tokens: 1, heads: 4, kvHeads: 2, headSize: 8, bytes: 4 },
      ],
      'a small model': [shape],
      'the shape of the 3B model at a million tokens': [yoco3B],
    },
    mistakes: {
      'values forgotten': {
        wrong: (s) => baseline(s) / 2,
        hint: 'Exactly half. Keys are kept; what else is?',
      },
      'query heads': {
        wrong: (s) => (baseline(s) * s.heads) / s.kvHeads,
        hint: 'You count a key for every query head. With grouped heads fewer are kept.',
      },
      'one layer': {
        wrong: (s) => baseline(s) / s.layers,
        hint: 'That is one layer. In a Transformer each has a cache of its own.',
      },
      'numbers, not bytes': {
        wrong: (s) => baseline(s) / s.bytes,
        hint: 'You have counted numbers. How many bytes has each?',
      },
      bits: { wrong: (s) => baseline(s) * 8, hint: 'Eight times too much: bits.' },
      'queries kept too': {
        wrong: (s) => (baseline(s) * 3) / 2,
        hint: 'You keep three of something per token. Which of q, k and v does nobody need again?',
      },
    },
  }),
  exercise({
    id: '10-yoco',
    title: "YOCO's cache in bytes, with windows below",
    difficulty: 2,
    signature:
      'yocoBytes(shape: { layers: number; tokens: number; heads: number; kvHeads: number; headSize: number; bytes: number }, windowSize: number): number',
    reference: yoco,
    cases: {
      'one token': [{ ...shape, tokens: 1 }, 16],
      'shorter than the window': [{ ...shape, tokens: 10 }, 16],
      'longer than the window': [shape, 16],
      'a million tokens': [yoco3B, 1024],
    },
    mistakes: {
      'a cache for each upper layer': {
        wrong: (s, C) => yoco(s, C) + (s.layers / 2 - 1) * s.tokens * perToken(s),
        hint: 'You give each layer of the upper half a cache of its own. How many are there, in a model that caches once?',
      },
      'windows forgotten': {
        wrong: (s) => s.tokens * perToken(s),
        hint: 'That is the global cache. "Once" is said of what grows: the lower layers keep a little, too.',
      },
      'windows in every layer': {
        wrong: (s, C) => s.tokens * perToken(s) + s.layers * Math.min(s.tokens, C) * perToken(s),
        hint: 'Too many windows: only the self-decoder has them. Which part of the layers is that?',
      },
      'window always full': {
        wrong: (s, C) => s.tokens * perToken(s) + (s.layers / 2) * C * perToken(s),
        hint: 'Right for long texts. What does a window hold when the text is shorter than it?',
      },
      'one window only': {
        wrong: (s, C) => s.tokens * perToken(s) + Math.min(s.tokens, C) * perToken(s),
        hint: 'One window for all lower layers: but each keeps its own.',
      },
      'a Transformer': {
        wrong: (s) => baseline(s),
        hint: "That is the Transformer's cache: every layer keeps every token.",
      },
      'values forgotten': {
        wrong: (s, C) => yoco(s, C) / 2,
        hint: 'Exactly half. Keys are kept; what else is?',
      },
    },
  }),
  exercise({
    id: '10-longest',
    title: 'How long a text fits?',
    difficulty: 3,
    signature:
      'longest(budget: number, weightBytes: number, stateBytes: number, bytesPerToken: number): number',
    reference: (budget: number, weightBytes: number, stateBytes: number, bytesPerToken: number) =>
      Math.max(0, Math.floor((budget - weightBytes - stateBytes) / bytesPerToken)),
    cases: {
      'a small budget': [1000, 500, 95, 20],
      'not a whole number': [1000, 503, 100, 21],
      'the weights alone are too much': [1000, 1200, 10, 4],
      'one byte short': [1000, 500, 100, 401],
      '80 GB for the 3B model': [80e9, 6.9e9, 10.2e6, 4096],
    },
    mistakes: {
      'rounded up': {
        wrong: (budget, w, s, t) => Math.max(0, Math.ceil((budget - w - s) / t)),
        hint: 'Your last token does not fit whole. Round the other way.',
      },
      'rounded to the nearest': {
        wrong: (budget, w, s, t) => Math.max(0, Math.round((budget - w - s) / t)),
        hint: 'Rounding to the nearest sometimes promises a token more than there is room for.',
      },
      'not rounded': {
        wrong: (budget, w, s, t) => Math.max(0, (budget - w - s) / t),
        hint: 'Tokens come whole.',
      },
      'states forgotten': {
        wrong: (budget, w, _, t) => Math.max(0, Math.floor((budget - w) / t)),
        hint: 'The states of the self-decoder are small, and not nothing: they need their bytes before the first token comes.',
      },
      'weights forgotten': {
        wrong: (budget, _, s, t) => Math.max(0, Math.floor((budget - s) / t)),
        hint: 'Where does the model itself lie while it works?',
      },
      'fewer than none': {
        wrong: (budget, w, s, t) => Math.floor((budget - w - s) / t),
        hint: 'If the model does not fit at all, your answer is a negative number of tokens.',
      },
      'a state for each token': {
        wrong: (budget, w, s, t) => Math.max(0, Math.floor((budget - w) / (s + t))),
        hint: 'You let the state grow with every token. It is what does not grow: pay for it once.',
      },
    },
  }),
];
