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
const small: Shape = { layers: 6, tokens: 100, heads: 4, kvHeads: 2, headSize: 8, bytes: 4 };
const yoco3B: Shape = {
  layers: 26,
  tokens: 2 ** 20,
  heads: 24,
  kvHeads: 8,
  headSize: 128,
  bytes: 2,
};

/** A key and a value of one token in one layer. */
const perToken = ({ kvHeads, headSize, bytes }: Shape): number => 2 * kvHeads * headSize * bytes;
const transformer = (s: Shape): number => s.layers * s.tokens * perToken(s);
const globalCache = (s: Shape): number => s.tokens * perToken(s);
const window = (s: Shape, C: number): number => Math.min(s.tokens, C) * perToken(s);
const yoco = (s: Shape, C: number): number => globalCache(s) + (s.layers / 2) * window(s, C);

/** Tokens that fit, before rounding. */
const room = (budget: number, weights: number, states: number, perToken: number): number =>
  (budget - weights - states) / perToken;

export const lesson10 = [
  exercise({
    id: '10-baseline',
    title: "The Transformer's cache in bytes",
    difficulty: 1,
    signature:
      'transformerBytes(shape: { layers: number; tokens: number; heads: number; ' +
      'kvHeads: number; headSize: number; bytes: number }): number',
    reference: transformer,
    cases: {
      'one layer, one token': [{ ...small, layers: 1, tokens: 1 }],
      'a small model': [small],
      'the shape of the 3B model at a million tokens': [yoco3B],
    },
    mistakes: {
      'values forgotten': {
        wrong: (s) => transformer(s) / 2,
        hint: 'Exactly half. Keys are kept; what else is?',
      },
      'query heads': {
        wrong: (s) => (transformer(s) * s.heads) / s.kvHeads,
        hint: 'You count a key for every query head. With grouped heads fewer are kept.',
      },
      'one layer': {
        wrong: (s) => globalCache(s),
        hint: 'That is one layer. In a Transformer each layer has a cache of its own.',
      },
      'numbers, not bytes': {
        wrong: (s) => transformer(s) / s.bytes,
        hint: 'You have counted numbers. How many bytes has each?',
      },
      bits: {
        wrong: (s) => 8 * transformer(s),
        hint: 'Eight times too much: bits.',
      },
      'queries kept, too': {
        wrong: (s) => (transformer(s) * 3) / 2,
        hint: 'You keep three vectors per token. Which of q, k and v is not needed again?',
      },
    },
  }),
  exercise({
    id: '10-yoco',
    title: "YOCO's cache in bytes, with windows below",
    difficulty: 2,
    signature:
      'yocoBytes(shape: { layers: number; tokens: number; heads: number; kvHeads: number; ' +
      'headSize: number; bytes: number }, windowSize: number): number',
    reference: yoco,
    cases: {
      'one token': [{ ...small, tokens: 1 }, 16],
      'shorter than the window': [{ ...small, tokens: 10 }, 16],
      'longer than the window': [small, 16],
      'a million tokens': [yoco3B, 1024],
    },
    mistakes: {
      'a cache for each upper layer': {
        wrong: (s, C) => (s.layers / 2) * (globalCache(s) + window(s, C)),
        hint: 'Your upper layers have a cache each. How many has a model that caches once?',
      },
      'windows forgotten': {
        wrong: globalCache,
        hint: 'That is the global cache. The layers of the lower half keep a window each.',
      },
      'windows in every layer': {
        wrong: (s, C) => globalCache(s) + s.layers * window(s, C),
        hint: 'Too many windows: only the self-decoder has them. How many layers is that?',
      },
      'window always full': {
        wrong: (s, C) => globalCache(s) + (s.layers / 2) * C * perToken(s),
        hint: 'Right for long texts. What does a window hold when the text is shorter than it?',
      },
      'one window only': {
        wrong: (s, C) => globalCache(s) + window(s, C),
        hint: 'You count one window for all lower layers, but each keeps its own.',
      },
      'a Transformer': {
        wrong: transformer,
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
      'longest(budget: number, weightBytes: number, stateBytes: number, ' +
      'bytesPerToken: number): number',
    reference: (budget: number, weights: number, states: number, perToken: number) =>
      Math.max(0, Math.floor(room(budget, weights, states, perToken))),
    cases: {
      'a small budget': [1000, 500, 95, 20],
      'not a whole number': [1000, 503, 100, 21],
      'the weights alone are too much': [1000, 1200, 10, 4],
      'one byte short': [1000, 500, 100, 401],
      '80 GB for the 3B model': [80e9, 6.9e9, 10.2e6, 4096],
    },
    mistakes: {
      'rounded up': {
        wrong: (budget, weights, states, perToken) =>
          Math.max(0, Math.ceil(room(budget, weights, states, perToken))),
        hint: 'Your last token does not fit as a whole. Round the other way.',
      },
      'rounded to the nearest': {
        wrong: (budget, weights, states, perToken) =>
          Math.max(0, Math.round(room(budget, weights, states, perToken))),
        hint: 'Rounding to the nearest can give a token more than there is room for.',
      },
      'not rounded': {
        wrong: (budget, weights, states, perToken) =>
          Math.max(0, room(budget, weights, states, perToken)),
        hint: 'The number of tokens is a whole number.',
      },
      'states forgotten': {
        wrong: (budget, weights, _, perToken) =>
          Math.max(0, Math.floor(room(budget, weights, 0, perToken))),
        hint: 'The states of the self-decoder are small, but they take their bytes, too.',
      },
      'weights forgotten': {
        wrong: (budget, _, states, perToken) =>
          Math.max(0, Math.floor(room(budget, 0, states, perToken))),
        hint: 'Where are the weights of the model while it works?',
      },
      'fewer than none': {
        wrong: (budget, weights, states, perToken) =>
          Math.floor(room(budget, weights, states, perToken)),
        hint: 'If the model does not fit at all, your answer is a negative number of tokens.',
      },
      'a state for each token': {
        wrong: (budget, weights, states, perToken) =>
          Math.max(0, Math.floor(room(budget, weights, 0, states + perToken))),
        hint: 'Your states grow with every token. Their size does not depend on the length.',
      },
    },
  }),
];
