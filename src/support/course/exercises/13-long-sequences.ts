/** Lesson 13: what devices hand to each other, and how fast positions turn. */
import { exercise, rows } from './exercise';

interface Part {
  decay: number;
  state: number[][];
}
const add = (a: number[][], b: number[][], factor: number): number[][] =>
  b.map((row, i) => row.map((x, d) => x + factor * (a[i]?.[d] ?? 0)));
const zeros = (state: number[][]): number[][] => state.map((row) => row.map(() => 0));
/** The state before each device, first 0; `factor` says by what the state so far fades when part p passes. */
const handed = (parts: Part[], factor = (p: number) => parts[p].decay): number[][][] => {
  let S = zeros(parts[0].state);
  return parts.map((part, p) => {
    const before = S;
    S = add(S, part.state, factor(p));
    return before;
  });
};
const part = (decay: number, seed: number): Part => ({ decay, state: rows(2, 2, seed) });

const halo = (start: number, C: number): number[] => [Math.max(0, start - (C - 1)), start];
/** YOCO's frequencies: base^−t with t from 0 to 1, both ends included. */
const speeds = (pairs: number, base: number): number[] =>
  Array.from({ length: pairs }, (_, i) => base ** -(pairs === 1 ? 0 : i / (pairs - 1)));

export const lesson13 = [
  exercise({
    id: '13-halo',
    title: 'What a window needs from the neighbour',
    difficulty: 1,
    signature: 'halo(start: number, windowSize: number): number[]',
    reference: halo,
    cases: {
      'the first device': [0, 8],
      'a device in the middle': [100, 8],
      'a window of 1': [100, 1],
      'near the beginning': [3, 8],
      'the official window': [65536, 1024],
    },
    mistakes: {
      'window off by one': {
        wrong: (start, C) => [Math.max(0, start - C), start],
        hint: 'Window off by one: the window of your first token holds the token itself and C − 1 earlier ones.',
      },
      'before the beginning': {
        wrong: (start, C) => [start - (C - 1), start],
        hint: 'Near the beginning you ask for tokens with negative numbers.',
      },
      'itself included': {
        wrong: (start, C) => [Math.max(0, start - (C - 1)), start + 1],
        hint: 'The end is not counted: your own first token is with you already.',
      },
      'start and length': {
        wrong: (start, C) => [Math.max(0, start - (C - 1)), Math.min(start, C - 1)],
        hint: 'The second number should be where the piece ends, not how long it is.',
      },
      'everything before': {
        wrong: (start) => [0, start],
        hint: 'That is all that came before: what full attention would need. How far does a window look?',
      },
    },
  }),
  exercise({
    id: '13-speeds',
    title: 'How fast positions turn',
    difficulty: 2,
    signature: 'speeds(pairs: number, base: number): number[]',
    reference: speeds,
    cases: {
      'two pairs': [2, 10000],
      'five pairs': [5, 10000],
      'three pairs, another base': [3, 640000],
      'one pair': [1, 10000],
    },
    mistakes: {
      'the usual frequencies': {
        wrong: (pairs, base) => Array.from({ length: pairs }, (_, i) => base ** (-i / pairs)),
        hint: 'These are the usual ones, which stop short of 1/base. In YOCO the last pair turns at exactly 1/base: both ends are included.',
      },
      'upside down': {
        wrong: (pairs, base) => speeds(pairs, base).map((x) => 1 / x),
        hint: 'The first pair is the fastest, at 1 per token; the others are slower, not faster.',
      },
      'slowest first': {
        wrong: (pairs, base) => speeds(pairs, base).reverse(),
        hint: 'The numbers are right, in the wrong order: the first pair is the fastest.',
      },
      'in a straight line': {
        wrong: (pairs, base) =>
          Array.from(
            { length: pairs },
            (_, i) => 1 + (1 / base - 1) * (pairs === 1 ? 0 : i / (pairs - 1)),
          ),
        hint: 'The ends are right. Between them it is the exponent that goes in even steps, not the speed.',
      },
      '0/0 for one pair': {
        wrong: (pairs, base) => Array.from({ length: pairs }, (_, i) => base ** -(i / (pairs - 1))),
        hint: 'Right for two pairs and more. With one pair you divide 0 by 0.',
      },
    },
  }),
  exercise({
    id: '13-hand-over',
    title: 'States from device to device',
    difficulty: 3,
    signature: 'handOver(parts: { decay: number; state: number[][] }[]): number[][][]',
    reference: (parts: Part[]) => handed(parts),
    cases: {
      'one device': [[part(0.5, 1)]],
      'two devices': [[part(0.5, 1), part(0.25, 2)]],
      'four devices': [[part(0.5, 1), part(0.25, 2), part(0.9, 3), part(0.7, 4)]],
      'a device that forgets everything': [[part(0.5, 5), part(0, 6), part(0.5, 7)]],
    },
    mistakes: {
      'state not carried': {
        wrong: (parts) =>
          parts.map((_, p) => (p === 0 ? zeros(parts[0].state) : parts[p - 1].state)),
        hint: "State not carried: each device gets its neighbour's own part, but what that neighbour was handed is lost.",
      },
      'decay off by one': {
        wrong: (parts) => handed(parts, (p) => parts[p - 1]?.decay ?? 1),
        hint: 'Decay off by one: what passes through a device fades by that device’s own decay, not by that of the one before.',
      },
      'nothing fades': {
        wrong: (parts) => handed(parts, () => 1),
        hint: 'You add the states up. What comes from two devices away has faded on its way through the one between.',
      },
      'own part included': {
        wrong: (parts) => handed(parts).map((S, p) => add(S, parts[p].state, parts[p].decay)),
        hint: 'Off by one: that is the state *after* each device. What does it need before it can begin? The first one needs zeros.',
      },
      'newcomer fades too': {
        wrong: (parts) => {
          let S = zeros(parts[0].state);
          return parts.map((one) => {
            const before = S;
            S = add(S, one.state, 1).map((row) => row.map((x) => x * one.decay));
            return before;
          });
        },
        hint: "A device's own part has faded inside it already. Its decay is for what came from before.",
      },
      'from the right': {
        wrong: (parts) => handed([...parts].reverse()).reverse(),
        hint: 'You hand states from the end of the text to its beginning. Who may know of whom?',
      },
    },
  }),
];
