/** Lesson 9: how much of a model a prompt has to climb. */
import { exercise } from './exercise';

const pieces = (tokens: number, size: number, upTo = tokens - 1): [number, number][] =>
  Array.from({ length: Math.ceil(upTo / size) }, (_, i) => [
    i * size,
    Math.min(upTo, (i + 1) * size),
  ]);

/** From the top down: what a layer must give is what the layers above it read. */
const climbing = (windows: number[], tokens: number, reads = (C: number) => C - 1): number[] => {
  let needed = 1;
  return [...windows]
    .reverse()
    .map((C) => {
      const now = needed;
      needed = Math.min(tokens, needed + reads(C));
      return now;
    })
    .reverse();
};

export const lesson09 = [
  exercise({
    id: '09-layer-tokens',
    title: 'Counting the work of a prefill',
    difficulty: 1,
    signature: 'layerTokens(tokens: number, layers: number, exit: boolean): number',
    reference: (tokens: number, layers: number, exit: boolean) =>
      exit ? (tokens * layers) / 2 + layers / 2 : tokens * layers,
    cases: {
      'no exit': [10, 4, false],
      'with the exit': [10, 4, true],
      'a prompt of one token': [1, 8, true],
      'a long prompt': [4096, 26, true],
    },
    mistakes: {
      'the last token stays below': {
        wrong: (tokens, layers, exit) => (exit ? (tokens * layers) / 2 : tokens * layers),
        hint: 'Nobody climbs in your count, not even the last position. Whose logits are wanted?',
      },
      'the last token counted twice': {
        wrong: (tokens, layers, exit) => (exit ? (tokens * layers) / 2 + layers : tokens * layers),
        hint: 'The last position has been through the lower half already, like all others. How many layers remain for it?',
      },
      'no exit': {
        wrong: (tokens, layers) => tokens * layers,
        hint: 'You count every layer for every token, with and without the exit.',
      },
      'one layer for the last': {
        wrong: (tokens, layers, exit) => (exit ? (tokens * layers) / 2 + 1 : tokens * layers),
        hint: 'The last position climbs through the whole upper half, not through one layer.',
      },
      'always with the exit': {
        wrong: (tokens, layers) => (tokens * layers) / 2 + layers / 2,
        hint: 'With the exit you are right. Without it (to score a text, say) all positions climb.',
      },
    },
  }),
  exercise({
    id: '09-pieces',
    title: 'A prompt in pieces',
    difficulty: 2,
    signature: 'pieces(tokens: number, size: number): number[][]',
    reference: (tokens: number, size: number): number[][] => pieces(tokens, size),
    cases: {
      'seven tokens by three': [7, 3],
      'a short last piece': [9, 3],
      'a prompt of one token': [1, 4],
      'one piece': [5, 8],
      'by ones': [4, 1],
    },
    laws: {
      'the pieces touch and cover all but the last token': (f) => {
        const all = f(23, 5);
        return (
          all.every((piece, i) => piece[0] === (all[i - 1]?.[1] ?? 0)) && all.at(-1)?.[1] === 22
        );
      },
    },
    mistakes: {
      'the last token too': {
        wrong: (tokens, size) => pieces(tokens, size, tokens),
        hint: 'Your last piece takes the last prompt token with it. That one is kept for the first step through both halves.',
      },
      'the short piece is lost': {
        wrong: (tokens, size) => pieces(tokens, size).filter(([a, b]) => b - a === size),
        hint: 'What does not fill a piece is lost. The self-decoder must see every token of the prompt.',
      },
      'the last piece is too long': {
        wrong: (tokens, size) => pieces(tokens, size).map(([a]) => [a, a + size]),
        hint: 'Your last piece runs past its end: it claims tokens that are not there.',
      },
      'ends included': {
        wrong: (tokens, size) => pieces(tokens, size).map(([a, b]) => [a, b - 1]),
        hint: 'Window off by one: [start, end) does not count end, so a piece ends where the next one begins.',
      },
      'start and length': {
        wrong: (tokens, size) => pieces(tokens, size).map(([a, b]) => [a, b - a]),
        hint: 'The second number should be where the piece ends, not how long it is.',
      },
    },
  }),
  exercise({
    id: '09-must-climb',
    title: 'Upper layers that look back',
    difficulty: 3,
    signature: 'climbing(windows: number[], tokens: number): number[]',
    reference: (windows: number[], tokens: number) => climbing(windows, tokens),
    cases: {
      'YOCO: nobody looks at a neighbour': [[1, 1, 1], 100],
      'one window on top': [[1, 4], 100],
      'a window below a reader': [[4, 1], 100],
      'two windows of 4': [[1, 4, 4], 100],
      'different windows': [[8, 1, 3, 5], 100],
      'a prompt shorter than the windows': [[64, 64, 64], 10],
    },
    mistakes: {
      'bottom and top exchanged': {
        wrong: (windows, tokens) => climbing([...windows].reverse(), tokens).reverse(),
        hint: 'You begin at the bottom. Begin at the top, where one position is wanted, and ask what each layer needs from the one below.',
      },
      'window off by one': {
        wrong: (windows, tokens) => climbing(windows, tokens, (C) => (C > 1 ? C : 0)),
        hint: 'Window off by one: a window of C holds the token itself and C − 1 earlier ones.',
      },
      'the own window counted': {
        wrong: (windows, tokens) => {
          const c = climbing(windows, tokens);
          return c.map((x, i) => Math.min(tokens, x + windows[i] - 1));
        },
        hint: 'That is what each layer reads: the positions that it asks of the layer below. Its own outputs are asked for by the layers above it.',
      },
      'not cumulative': {
        wrong: (windows, tokens) => windows.map((_, i) => Math.min(tokens, windows[i + 1] ?? 1)),
        hint: 'You look one layer up only. If the layer above must give 4 positions and each looks back 3, how many are needed here?',
      },
      'prompt length forgotten': {
        wrong: (windows) => climbing(windows, Infinity),
        hint: 'More positions climb than the prompt has. What is the most that can be needed?',
      },
      multiplied: {
        wrong: (windows, tokens) => {
          let needed = 1;
          return [...windows]
            .reverse()
            .map((C) => {
              const now = needed;
              needed = Math.min(tokens, needed * C);
              return now;
            })
            .reverse();
        },
        hint: 'Windows that overlap add up, they do not multiply: four neighbours that look back 3 tokens each see 7 tokens in all.',
      },
      'everybody climbs': {
        wrong: (windows, tokens) => windows.map(() => tokens),
        hint: 'That is the prefill without an exit. From which positions can the last logits be reached?',
      },
    },
  }),
];
