/** Lesson 12: hide a needle, mark the answers, and find the words that could be recalled. */
import { exercise } from './exercise';

const insert = (hay: string[], needle: string[], at: number): string[] => [
  ...hay.slice(0, at),
  ...needle,
  ...hay.slice(at),
];
const hide = (hay: string[], needle: string[], depth: number): string[] =>
  insert(hay, needle, Math.round(depth * hay.length));

const common = (list: string[], others: string[]): number =>
  list.filter((word) => others.includes(word)).length;

const words = (text: string): string[] => text.split(' ');

/** Whether the pair (key, value) stands among the tokens. */
const hasPair = (tokens: number[], key: number, value: number): boolean =>
  tokens.some((token, i) => token === key && tokens[i + 1] === value);
/** Positions n > 0 for which (token before n, token n) `occurred` in the tokens. */
const recallable = (
  tokens: number[],
  occurred = (key: number, value: number, n: number) => hasPair(tokens.slice(0, n), key, value),
): number[] => {
  const positions: number[] = [];
  for (let n = 1; n < tokens.length; n++) {
    if (occurred(tokens[n - 1], tokens[n], n)) positions.push(n);
  }
  return positions;
};

export const lesson12 = [
  exercise({
    id: '12-hide',
    title: 'A needle at a depth',
    difficulty: 1,
    signature: 'hide(hay: string[], needle: string[], depth: number): string[]',
    reference: hide,
    cases: {
      first: [['a', 'b'], ['X'], 0],
      last: [['a', 'b'], ['X'], 1],
      'in the middle': [words('a b c d'), words('X Y'), 0.5],
      'a tenth': [words('a b c d e f g h i j'), ['X'], 0.1],
      'between two words': [words('a b c'), ['X'], 0.6],
      'a little past a word': [words('a b c'), ['X'], 0.4],
    },
    properties: {
      'no word is lost': (f) => f(['a', 'b', 'c'], ['X', 'Y'], 0.4).length === 5,
    },
    mistakes: {
      'depth from the end': {
        wrong: (hay, needle, depth) =>
          insert(hay, needle, hay.length - Math.round(depth * hay.length)),
        hint: 'Depth 0 is where reading begins. You count from the end.',
      },
      'off by one': {
        wrong: (hay, needle, depth) => insert(hay, needle, Math.round(depth * (hay.length - 1))),
        hint:
          'Off by one: at depth 1 the last word of the hay stands behind your needle. ' +
          'n words have n + 1 places around them.',
      },
      'overwrites the hay': {
        wrong: (hay, needle, depth) => {
          const at = Math.round(depth * hay.length);
          return [...hay.slice(0, at), ...needle, ...hay.slice(at + needle.length)];
        },
        hint: 'Your needle replaces words of the hay. It should stand between them.',
      },
      'rounded down': {
        wrong: (hay, needle, depth) => insert(hay, needle, Math.floor(depth * hay.length)),
        hint: 'Right where depth times length is whole. Otherwise take the nearest place.',
      },
      'rounded up': {
        wrong: (hay, needle, depth) => insert(hay, needle, Math.ceil(depth * hay.length)),
        hint: 'Right where depth times length is whole. Otherwise you always take the place after.',
      },
      'a place for each word of the needle': {
        wrong: (hay, needle, depth) =>
          insert(hay, needle, Math.round(depth * (hay.length + needle.length))),
        hint: 'You count the words of the needle too. Depth is a place in the hay alone.',
      },
      backwards: {
        wrong: (hay, needle, depth) => hide(hay, [...needle].reverse(), depth),
        hint: 'The needle stands in the right place, with its words in reverse.',
      },
    },
  }),
  exercise({
    id: '12-mark',
    title: 'Marking several needles',
    difficulty: 1,
    signature: 'found(needles: string[], answer: string[]): number',
    reference: (needles: string[], answer: string[]) => common(needles, answer) / needles.length,
    cases: {
      'one, found': [['47'], ['47']],
      'one, not found': [['47'], ['12']],
      'two of four': [words('1 2 3 4'), words('4 2 9')],
      'said twice': [words('1 2'), words('1 1')],
      'all, in another order': [words('1 2 3'), words('3 1 2')],
      'among other words': [words('10 20'), words('I think 20')],
      'a longer number': [words('4 5'), words('47 5')],
    },
    mistakes: {
      'all or nothing': {
        wrong: (needles, answer) => (common(needles, answer) === needles.length ? 1 : 0),
        hint: 'All or nothing: three of four needles should be worth three quarters.',
      },
      'order demanded': {
        wrong: (needles, answer) => {
          const inPlace = needles.filter((needle, i) => answer[i] === needle);
          return inPlace.length / needles.length;
        },
        hint: 'You compare place by place. The order of the answer does not matter.',
      },
      'repetitions counted': {
        wrong: (needles, answer) => common(answer, needles) / needles.length,
        hint: 'A needle named twice counts twice. Go through the needles, not through the answer.',
      },
      'share of the answer': {
        wrong: (needles, answer) => common(answer, needles) / answer.length,
        hint: 'You divide by the length of the answer. Which share of the *needles* was found?',
      },
      'parts of words count': {
        wrong: (needles, answer) => {
          const text = answer.join(' ');
          return needles.filter((needle) => text.includes(needle)).length / needles.length;
        },
        hint: 'You search in the joined text, where 4 is found in 47.',
      },
      'not divided': {
        wrong: (needles, answer) => common(needles, answer),
        hint: 'That is how many. Which share of the needles is it?',
      },
    },
  }),
  exercise({
    id: '12-recallable',
    title: 'What could be recalled?',
    difficulty: 2,
    signature: 'recallable(tokens: number[]): number[]',
    reference: (tokens: number[]) => recallable(tokens),
    cases: {
      'a pair again': [[1, 2, 3, 1, 2]],
      'no token twice': [[1, 2, 3]],
      'the token, but after another': [[1, 2, 3, 2]],
      'the key, with another value': [[1, 2, 1, 3]],
      'four times the same': [[5, 5, 5, 5]],
      several: [[1, 2, 3, 1, 2, 3, 3, 1, 2]],
    },
    mistakes: {
      'nothing listed': {
        wrong: () => [],
        hint:
          'Your list stays empty. Does anything get into it, and at which position is it ' +
          'right?',
      },
      'from the first position': {
        wrong: (tokens) => [0, ...recallable(tokens)],
        hint: 'You list position 0. No token stands before it, so it ends no pair.',
      },
      'tokens listed': {
        wrong: (tokens) => recallable(tokens).map((n) => tokens[n]),
        hint: 'You list the tokens themselves. Their positions are asked for.',
      },
      'tokens instead of pairs': {
        wrong: (tokens) => recallable(tokens, (_, value, n) => tokens.slice(0, n).includes(value)),
        hint: 'You list tokens seen before. What counts is the *pair* with the token before.',
      },
      'key seen before': {
        wrong: (tokens) => recallable(tokens, (key, _, n) => tokens.slice(0, n - 1).includes(key)),
        hint: 'You ask whether the token before was seen; but another token may have followed it.',
      },
      'where the key stands': {
        wrong: (tokens) => recallable(tokens).map((n) => n - 1),
        hint: 'Off by one: you list the position of the key. The value is what is predicted.',
      },
      'counts itself': {
        wrong: (tokens) => recallable(tokens, () => true),
        hint: 'Every pair is found, because your search finds the pair itself. Search before it.',
      },
      'overlap forgotten': {
        wrong: (tokens) =>
          recallable(tokens, (key, value, n) => hasPair(tokens.slice(0, n - 1), key, value)),
        hint: 'Wrong for equal tokens: the earlier pair may share a token with this one.',
      },
      'either order': {
        wrong: (tokens) =>
          recallable(tokens, (key, value, n) => {
            const before = tokens.slice(0, n);
            return hasPair(before, key, value) || hasPair(before, value, key);
          }),
        hint: 'You also accept the pair the other way round. First the key, then the value.',
      },
    },
  }),
];
