/** Lesson 12: hide a needle, mark the answer, and see which words could be recalled at all. */
import { exercise } from './exercise';

const hide = (hay: string[], needle: string[], at: number): string[] => [
  ...hay.slice(0, at),
  ...needle,
  ...hay.slice(at),
];
const isIn = (needle: string, answer: string[]): boolean => answer.includes(needle);
const share = (hits: number, of: number): number => hits / of;

/** Positions whose pair (token before, token) has occurred earlier. */
const recallable = (
  tokens: number[],
  seen = (a: number, b: number, i: number) =>
    tokens.slice(0, i - 1).some((t, j) => t === a && tokens[j + 1] === b),
): number[] => tokens.flatMap((t, i) => (i > 0 && seen(tokens[i - 1], t, i) ? [i] : []));

export const lesson12 = [
  exercise({
    id: '12-hide',
    title: 'A needle at a depth',
    difficulty: 1,
    signature: 'hide(hay: string[], needle: string[], depth: number): string[]',
    reference: (hay: string[], needle: string[], depth: number) =>
      hide(hay, needle, Math.round(depth * hay.length)),
    cases: {
      first: [['a', 'b'], ['X'], 0],
      last: [['a', 'b'], ['X'], 1],
      'in the middle': [['a', 'b', 'c', 'd'], ['X', 'Y'], 0.5],
      'a tenth': [['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'], ['X'], 0.1],
      'between two words': [['a', 'b', 'c'], ['X'], 0.6],
    },
    laws: { 'no word is lost': (f) => f(['a', 'b', 'c'], ['X', 'Y'], 0.4).length === 5 },
    mistakes: {
      'depth from the end': {
        wrong: (hay, needle, depth) =>
          hide(hay, needle, hay.length - Math.round(depth * hay.length)),
        hint: 'Depth 0 is where reading begins. You count from the end.',
      },
      'off by one': {
        wrong: (hay, needle, depth) => hide(hay, needle, Math.round(depth * (hay.length - 1))),
        hint: 'Off by one: at depth 1 the last word of the hay stands behind your needle. Among n words there are n + 1 places.',
      },
      'overwrites the hay': {
        wrong: (hay, needle, depth) => {
          const at = Math.round(depth * hay.length);
          return [...hay.slice(0, at), ...needle, ...hay.slice(at + needle.length)];
        },
        hint: 'Your needle replaces words of the hay. It should lie between them: no word is lost.',
      },
      'rounded down': {
        wrong: (hay, needle, depth) => hide(hay, needle, Math.floor(depth * hay.length)),
        hint: 'Right wherever depth times length is whole. Else take the nearest place, not the one before.',
      },
      backwards: {
        wrong: (hay, needle, depth) =>
          hide(hay, [...needle].reverse(), Math.round(depth * hay.length)),
        hint: 'The needle stands in the right place, with its words in reverse.',
      },
    },
  }),
  exercise({
    id: '12-mark',
    title: 'Marking several needles',
    difficulty: 1,
    signature: 'found(needles: string[], answer: string[]): number',
    reference: (needles: string[], answer: string[]) =>
      share(needles.filter((needle) => isIn(needle, answer)).length, needles.length),
    cases: {
      'one, found': [['47'], ['47']],
      'one, not found': [['47'], ['12']],
      'two of four': [
        ['1', '2', '3', '4'],
        ['4', '2', '9'],
      ],
      'said twice': [
        ['1', '2'],
        ['1', '1'],
      ],
      'all, in another order': [
        ['1', '2', '3'],
        ['3', '1', '2'],
      ],
      'among other words': [
        ['10', '20'],
        ['I', 'think', '20'],
      ],
      'a longer number': [
        ['4', '5'],
        ['47', '5'],
      ],
    },
    mistakes: {
      'all or nothing': {
        wrong: (needles, answer) => (needles.every((n) => isIn(n, answer)) ? 1 : 0),
        hint: 'All or nothing: three of four needles should be worth three quarters.',
      },
      'order demanded': {
        wrong: (needles, answer) =>
          share(needles.filter((n, i) => answer[i] === n).length, needles.length),
        hint: 'You compare place by place. The order of the answer does not matter.',
      },
      'repetitions counted': {
        wrong: (needles, answer) =>
          share(answer.filter((word) => needles.includes(word)).length, needles.length),
        hint: 'Saying one needle twice counts twice in your marks. Go through the needles, not through the answer.',
      },
      'share of the answer': {
        wrong: (needles, answer) =>
          share(answer.filter((word) => needles.includes(word)).length, answer.length),
        hint: 'You divide by the length of the answer: that is precision. Which part of the *needles* was found?',
      },
      'parts of words count': {
        wrong: (needles, answer) =>
          share(needles.filter((n) => answer.join(' ').includes(n)).length, needles.length),
        hint: 'You search in the joined text, where 4 is found in 47.',
      },
      'not divided': {
        wrong: (needles, answer) => needles.filter((n) => isIn(n, answer)).length,
        hint: 'That is how many. What share of the needles?',
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
      'nothing said twice': [[1, 2, 3]],
      'a pair again': [[1, 2, 3, 1, 2]],
      'the token, but after another': [[1, 2, 3, 2]],
      'the key, with another value': [[1, 2, 1, 3]],
      'three of a kind': [[5, 5, 5, 5]],
      several: [[1, 2, 3, 1, 2, 3, 3, 1, 2]],
    },
    mistakes: {
      'tokens instead of pairs': {
        wrong: (tokens) => recallable(tokens, (_, b, i) => tokens.slice(0, i).includes(b)),
        hint: 'You list tokens that have been seen before. Recall needs the *pair*: the same token after the same one.',
      },
      'key seen before': {
        wrong: (tokens) => recallable(tokens, (a, _, i) => tokens.slice(0, i - 1).includes(a)),
        hint: 'You ask whether the token before was seen; but it may have had another successor then.',
      },
      'where the key stands': {
        wrong: (tokens) => recallable(tokens).map((i) => i - 1),
        hint: 'Off by one: you list the position of the key. The prediction that counts is that of the value.',
      },
      'counts itself': {
        wrong: (tokens) => tokens.map((_, i) => i).slice(1),
        hint: 'Every pair is found, because your search finds the pair itself. Look only at what was over before it began.',
      },
      'overlap forgotten': {
        wrong: (tokens) =>
          recallable(tokens, (a, b, i) =>
            tokens.slice(0, i - 2 < 0 ? 0 : i - 2).some((t, j) => t === a && tokens[j + 1] === b),
          ),
        hint: 'Only in a run of equal tokens are you wrong: the pair before may share a token with this one.',
      },
      'any neighbours': {
        wrong: (tokens) =>
          recallable(tokens, (a, b, i) =>
            tokens
              .slice(0, i - 1)
              .some((t, j) => (t === a && tokens[j + 1] === b) || (t === b && tokens[j + 1] === a)),
          ),
        hint: 'You also accept the pair the other way round. First the key, then the value.',
      },
    },
  }),
];
