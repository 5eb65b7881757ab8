/** Lesson 9: how much of a model a prompt has to run through. */
import { alike } from './compare';
import { exercise } from './exercise';

const halfWay = (tokens: number, layers: number): number => (tokens * layers) / 2;

/** [start, end) of each chunk of the first `upTo` tokens. */
const chunks = (upTo: number, size: number): [number, number][] => {
  const bounds: [number, number][] = [];
  for (let start = 0; start < upTo; start += size)
    bounds.push([start, Math.min(upTo, start + size)]);
  return bounds;
};

/** From the top down: a layer must compute what the layer above it reads. */
const positionsNeeded = (
  windows: number[],
  tokens: number,
  readBy = (needed: number, C: number) => needed + C - 1,
): number[] => {
  const positions: number[] = [];
  let needed = 1;
  for (const C of [...windows].reverse()) {
    positions.unshift(needed);
    needed = Math.min(tokens, readBy(needed, C));
  }
  return positions;
};

export const lesson09 = [
  exercise({
    id: '09-layer-tokens',
    title: 'Counting the work of a prefill',
    difficulty: 1,
    signature: 'layerTokens(tokens: number, layers: number, exit: boolean): number',
    reference: (tokens: number, layers: number, exit: boolean) =>
      exit ? halfWay(tokens, layers) + layers / 2 : tokens * layers,
    cases: {
      'no exit': [10, 4, false],
      'with the exit': [10, 4, true],
      'a prompt of one token': [1, 8, true],
      'a long prompt': [4096, 26, true],
    },
    mistakes: {
      'no position in the upper half': {
        wrong: (tokens, layers, exit) => (exit ? halfWay(tokens, layers) : tokens * layers),
        hint: 'Nothing runs through your upper half. Which position gives the logits?',
      },
      'the last position counted twice': {
        wrong: (tokens, layers, exit) =>
          exit ? halfWay(tokens, layers) + layers : tokens * layers,
        hint: 'The last position has been through the lower half already. Which layers remain?',
      },
      'no exit': {
        wrong: (tokens, layers) => tokens * layers,
        hint: 'You count every layer for every token, with and without the exit.',
      },
      'one layer for the last position': {
        wrong: (tokens, layers, exit) => (exit ? halfWay(tokens, layers) + 1 : tokens * layers),
        hint: 'The last position runs through the whole upper half, not through one layer.',
      },
      'always with the exit': {
        wrong: (tokens, layers) => halfWay(tokens, layers) + layers / 2,
        hint: 'Right with the exit. Without it all positions run through all layers.',
      },
    },
  }),
  exercise({
    id: '09-pieces',
    title: 'A prompt in chunks',
    difficulty: 2,
    signature: 'pieces(tokens: number, size: number): number[][]',
    reference: (tokens: number, size: number): number[][] => chunks(tokens - 1, size),
    cases: {
      'seven tokens by three': [7, 3],
      'a short last chunk': [9, 3],
      'a prompt of one token': [1, 4],
      'one chunk': [5, 8],
      'chunks of one token': [4, 1],
    },
    properties: {
      'the chunks touch and cover all but the last token': (f) => {
        const bounds = f(23, 5);
        const starts = bounds.map(([start]) => start);
        const ends = bounds.map(([, end]) => end);
        return alike([...starts, 22], [0, ...ends]);
      },
    },
    mistakes: {
      'the last token, too': {
        wrong: (tokens, size) => chunks(tokens, size),
        hint: 'Your last chunk contains the last prompt token, which is kept for the first step.',
      },
      'the short chunk is lost': {
        wrong: (tokens, size) => chunks(tokens - 1, size).filter(([a, b]) => b - a === size),
        hint: 'You drop the short last chunk. The lower half must see every token.',
      },
      'the last chunk is too long': {
        wrong: (tokens, size) => chunks(tokens - 1, size).map(([start]) => [start, start + size]),
        hint: 'Your last chunk goes beyond the tokens that there are.',
      },
      'ends included': {
        wrong: (tokens, size) => chunks(tokens - 1, size).map(([start, end]) => [start, end - 1]),
        hint: '[start, end) does not include end, so a chunk ends where the next one begins.',
      },
      'start and length': {
        wrong: (tokens, size) =>
          chunks(tokens - 1, size).map(([start, end]) => [start, end - start]),
        hint: 'The second number is where the chunk ends, not how long it is.',
      },
    },
  }),
  exercise({
    id: '09-must-climb',
    title: 'Upper layers that look back',
    difficulty: 3,
    signature: 'climbing(windows: number[], tokens: number): number[]',
    reference: (windows: number[], tokens: number) => positionsNeeded(windows, tokens),
    cases: {
      'YOCO: no layer looks back': [[1, 1, 1], 100],
      'one window on top': [[1, 4], 100],
      'a window below': [[4, 1], 100],
      'two windows of 4': [[1, 4, 4], 100],
      'different windows': [[8, 1, 3, 5], 100],
      'a prompt shorter than the windows': [[64, 64, 64], 10],
    },
    mistakes: {
      'bottom and top exchanged': {
        wrong: (windows, tokens) => positionsNeeded([...windows].reverse(), tokens).reverse(),
        hint:
          'You begin at the bottom. Begin at the top, where one position is wanted, ' +
          'and ask what each layer needs from the one below.',
      },
      'window off by one': {
        wrong: (windows, tokens) =>
          positionsNeeded(windows, tokens, (needed, C) => (C > 1 ? needed + C : needed)),
        hint: 'Window off by one: a window of C holds the position itself and C − 1 earlier ones.',
      },
      'the own window counted': {
        wrong: (windows, tokens) => {
          const needed = positionsNeeded(windows, tokens);
          return needed.map((count, i) => Math.min(tokens, count + windows[i] - 1));
        },
        hint: 'That is what each layer reads. What must it compute for the layers above it?',
      },
      'not cumulative': {
        wrong: (windows, tokens) => positionsNeeded(windows, tokens, (_, C) => C),
        hint:
          'You look one layer up only. If the layer above needs 4 positions and each looks ' +
          '3 back, how many are needed here?',
      },
      'prompt length forgotten': {
        wrong: (windows) => positionsNeeded(windows, Infinity),
        hint: 'More positions than the prompt has. What is the most that can be needed?',
      },
      multiplied: {
        wrong: (windows, tokens) => positionsNeeded(windows, tokens, (needed, C) => needed * C),
        hint: 'Overlapping windows add up: four neighbours that look 3 back see 7 tokens.',
      },
      'all positions': {
        wrong: (windows, tokens) => windows.map(() => tokens),
        hint: 'That is the prefill without an exit. Which positions do the last logits depend on?',
      },
    },
  }),
];
