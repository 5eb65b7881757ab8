/** Lesson 13: what devices send each other, and how fast pairs of features rotate. */
import { rows, zerosLike } from './arithmetic';
import { exercise } from './exercise';

const halo = (start: number, windowSize: number): [number, number] => [
  Math.max(0, start - (windowSize - 1)),
  start,
];

/** base^−t with t in even steps from 0 to 1; `steps` is how many there are in between. */
const speeds = (pairs: number, base: number, steps = Math.max(1, pairs - 1)): number[] =>
  Array.from({ length: pairs }, (_, i) => base ** -(i / steps));

interface Part {
  decay: number;
  state: number[][];
}
/** state + factor · earlier. */
const added = (state: number[][], earlier: number[][], factor: number): number[][] =>
  state.map((row, i) => row.map((x, d) => x + factor * earlier[i][d]));
/** The state before each part; `decay` is what fades the earlier state over part p. */
const statesBefore = (parts: Part[], decay = (p: number) => parts[p].decay): number[][][] => {
  const states: number[][][] = [];
  let S = zerosLike(parts[0].state);
  for (const [p, { state }] of parts.entries()) {
    states.push(S);
    S = added(state, S, decay(p));
  }
  return states;
};
const part = (decay: number, seed: number): Part => ({ decay, state: rows(2, 2, seed) });

export const lesson13 = [
  exercise({
    id: '13-halo',
    title: 'What a window needs from the neighbour',
    difficulty: 1,
    signature: 'halo(start: number, windowSize: number): number[]',
    reference: (start: number, windowSize: number): number[] => halo(start, windowSize),
    cases: {
      'the first device': [0, 8],
      'a device in the middle': [100, 8],
      'a window of 1': [100, 1],
      'near the beginning': [3, 8],
      'the official window': [65536, 1024],
    },
    mistakes: {
      'window off by one': {
        wrong: (start, windowSize) => halo(start, windowSize + 1),
        hint: 'Window off by one: it holds your first token itself and C − 1 earlier ones.',
      },
      'before the beginning': {
        wrong: (start, windowSize) => [start - (windowSize - 1), start],
        hint: 'Near the beginning you ask for tokens with negative numbers.',
      },
      'itself included': {
        wrong: (start, windowSize) => [halo(start, windowSize)[0], start + 1],
        hint: 'The end is not included: the device has its own first token already.',
      },
      'the last one left out': {
        wrong: (start, windowSize) => [halo(start, windowSize)[0], Math.max(0, start - 1)],
        hint:
          'The end of [from, to) is not included: with start − 1 the nearest neighbour is ' +
          'missing.',
      },
      'start and length': {
        wrong: (start, windowSize) => {
          const [from, to] = halo(start, windowSize);
          return [from, to - from];
        },
        hint: 'The second number is where the tokens end, not how many there are.',
      },
      'everything before': {
        wrong: (start) => [0, start],
        hint: 'That is everything, as full attention needs it. How far back does a window look?',
      },
    },
  }),
  exercise({
    id: '13-speeds',
    title: 'How fast pairs rotate',
    difficulty: 2,
    signature: 'speeds(pairs: number, base: number): number[]',
    reference: (pairs: number, base: number) => speeds(pairs, base),
    cases: {
      'two pairs': [2, 10000],
      'five pairs': [5, 10000],
      'three pairs, another base': [3, 640000],
      'one pair': [1, 10000],
    },
    mistakes: {
      'the usual frequencies': {
        wrong: (pairs, base) => speeds(pairs, base, pairs),
        hint: 'These are the usual ones, which stop before 1/base. YOCO includes both ends.',
      },
      'two features a step': {
        wrong: (pairs, base) => Array.from({ length: pairs }, (_, i) => base ** -((2 * i) / pairs)),
        hint:
          'A formula with 2i counts features. Here i counts pairs, and t ends at 1, not near ' +
          '2.',
      },
      'upside down': {
        wrong: (pairs, base) => speeds(pairs, 1 / base),
        hint: 'The first pair is the fastest, at 1 per token; the others are slower, not faster.',
      },
      'slowest first': {
        wrong: (pairs, base) => speeds(pairs, base).reverse(),
        hint: 'The numbers are right, in the wrong order: the first pair is the fastest.',
      },
      'in a straight line': {
        wrong: (pairs, base) =>
          speeds(pairs, base).map((_, i) => 1 + (1 / base - 1) * (i / Math.max(1, pairs - 1))),
        hint: 'The ends are right. It is the exponent that goes in even steps, not the speed.',
      },
      '0/0 for one pair': {
        wrong: (pairs, base) => speeds(pairs, base, pairs - 1),
        hint: 'Right for two pairs and more. With one pair you divide 0 by 0.',
      },
    },
  }),
  exercise({
    id: '13-hand-over',
    title: 'States from device to device',
    difficulty: 3,
    signature: 'handOver(parts: { decay: number; state: number[][] }[]): number[][][]',
    reference: (parts: Part[]) => statesBefore(parts),
    cases: {
      'one device': [[{ decay: 0.5, state: [[4, 8]] }]],
      'three devices, one row': [
        [
          { decay: 0.5, state: [[4, 8]] },
          { decay: 0.25, state: [[1, 2]] },
          { decay: 0.5, state: [[3, 3]] },
        ],
      ],
      'four devices': [[part(0.5, 1), part(0.25, 2), part(0.9, 3), part(0.7, 4)]],
      'a device that forgets everything': [[part(0.5, 5), part(0, 6), part(0.5, 7)]],
    },
    mistakes: {
      'state not carried': {
        wrong: (parts) => statesBefore(parts, () => 0),
        hint: "Each device gets its neighbour's own part, but not the state before that neighbour.",
      },
      'decay off by one': {
        wrong: (parts) => statesBefore(parts, (p) => parts[p - 1]?.decay ?? 1),
        hint: 'Decay off by one: a state fades by the decay of the device that it passes.',
      },
      'nothing fades': {
        wrong: (parts) => statesBefore(parts, () => 1),
        hint: 'You add the states up. A state from two devices away fades over the one between.',
      },
      'own part included': {
        wrong: (parts) =>
          statesBefore(parts).map((S, p) => added(parts[p].state, S, parts[p].decay)),
        hint:
          'Off by one: that is the state *after* each device. What does it need before it can ' +
          'begin? The first one needs zeros.',
      },
      'the own part fades, too': {
        wrong: (parts) => {
          const faded = parts.map(({ decay, state }) => ({
            decay,
            state: state.map((row) => row.map((x) => decay * x)),
          }));
          return statesBefore(faded);
        },
        hint: "A device's own state has faded inside. Its decay is for what came before it.",
      },
      'from the right': {
        wrong: (parts) => statesBefore([...parts].reverse()).reverse(),
        hint: 'You go from the end of the text to its beginning: no device may know its future.',
      },
    },
  }),
];
