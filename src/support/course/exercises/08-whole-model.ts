/** Lesson 8: the two halves together, how many weights they have, and the perplexity. */
import { mean, total } from './arithmetic';
import { alike } from './compare';
import { exercise } from './exercise';

interface Shape {
  dim: number;
  layers: number;
  heads: number;
  kvHeads: number;
}
/** W_Q and W_O of one layer; W_K and W_V of one layer. */
const queryAndOutput = ({ dim }: Shape): number => 2 * dim * dim;
const keyAndValue = ({ dim, heads, kvHeads }: Shape): number => 2 * dim * ((kvHeads * dim) / heads);
const weights = (shape: Shape, pairs = shape.layers / 2 + 1): number =>
  shape.layers * queryAndOutput(shape) + pairs * keyAndValue(shape);

type ToyYoco = (x: number[], gamma: number, layers: number) => number[];
interface Choices {
  residual?: boolean;
  causal?: boolean;
  keepsState?: boolean;
  /** The memory that an upper layer reads. */
  memoryOf?: (middle: number[], now: number[], x: number[]) => number[];
}
/** A model with one feature: a fading state below, the mean of one memory above. */
const toyYocoBy =
  ({
    residual = true,
    causal = true,
    keepsState = true,
    memoryOf = (middle) => middle,
  }: Choices = {}): ToyYoco =>
  (x, gamma, layers) => {
    let now = x;
    for (let layer = 0; layer < layers / 2; layer++) {
      let S = 0;
      now = now.map((y) => {
        S = (keepsState ? gamma * S : 0) + y;
        return (residual ? y : 0) + S;
      });
    }
    const middle = now;
    for (let layer = 0; layer < layers / 2; layer++) {
      const memory = memoryOf(middle, now, x);
      now = now.map((y, n) => (residual ? y : 0) + mean(causal ? memory.slice(0, n + 1) : memory));
    }
    return now;
  };

export const lesson08 = [
  exercise({
    id: '08-perplexity',
    title: 'From loss to perplexity',
    difficulty: 1,
    signature: 'perplexity(losses: number[]): number',
    reference: (losses: number[]) => Math.exp(mean(losses)),
    cases: {
      'certain of everything': [[0, 0]],
      'ten equal choices': [[Math.log(10)]],
      'two letters': [[1, 3]],
      'four letters': [[0.5, 2.5, 1.2, 0.1]],
    },
    mistakes: {
      'mean of the perplexities': {
        wrong: (losses) => mean(losses.map(Math.exp)),
        hint:
          'You take exp of each loss and then the mean, so that one bad letter outweighs all ' +
          'good ones. Which comes first?',
      },
      'sum instead of mean': {
        wrong: (losses) => Math.exp(total(losses)),
        hint: 'You sum the losses: a longer text would have a higher perplexity.',
      },
      'base two': {
        wrong: (losses) => 2 ** mean(losses),
        hint: 'These losses are in nats (natural logarithms), not in bits.',
      },
      'the loss itself': {
        wrong: mean,
        hint: 'That is the mean loss (which two tables of the paper call "perplexity").',
      },
    },
  }),
  exercise({
    id: '08-weights',
    title: 'The weights of attention',
    difficulty: 2,
    signature:
      'attentionWeights(shape: { dim: number; layers: number; heads: number; ' +
      'kvHeads: number }): number',
    reference: (shape: Shape) => weights(shape),
    cases: {
      'two layers, a key head for each': [{ dim: 4, layers: 2, heads: 2, kvHeads: 2 }],
      'grouped heads': [{ dim: 8, layers: 4, heads: 4, kvHeads: 2 }],
      'the shape of the 3B model': [{ dim: 3072, layers: 26, heads: 24, kvHeads: 8 }],
    },
    mistakes: {
      'keys in every layer': {
        wrong: (shape) => weights(shape, shape.layers),
        hint: 'That is a Transformer: W_K and W_V in every layer. How many has the upper half?',
      },
      'the shared pair forgotten': {
        wrong: (shape) => weights(shape, shape.layers / 2),
        hint: 'The lower half is right. Which W_K and W_V make the cache of the upper half?',
      },
      'one pair in all': {
        wrong: (shape) => weights(shape, 1),
        hint: 'One pair in the whole model, but each layer of the lower half has its own.',
      },
      'full key heads': {
        wrong: (shape) => weights({ ...shape, kvHeads: shape.heads }),
        hint: 'Right without groups. With grouped heads W_K and W_V are narrower.',
      },
      'output projection forgotten': {
        wrong: (shape) => weights(shape) - shape.layers * shape.dim * shape.dim,
        hint: 'One matrix of each layer is missing: W_Q asks, and W_O brings the heads together.',
      },
      'values forgotten': {
        wrong: (shape) => weights(shape, (shape.layers / 2 + 1) / 2),
        hint: 'You count each W_K. Wherever there is one, there is a W_V, too.',
      },
    },
  }),
  exercise({
    id: '08-toy',
    title: 'A whole YOCO in one feature',
    difficulty: 3,
    signature: 'toyYoco(x: number[], gamma: number, layers: number): number[]',
    reference: toyYocoBy(),
    cases: {
      'one token, two layers': [[1], 0.5, 2],
      'three tokens, two layers': [[1, 0, 4], 0.5, 2],
      'four tokens, four layers': [[1, -2, 3, 0.5], 0.9, 4],
      'γ = 1, six layers': [[1, 2, -1], 1, 6],
    },
    properties: {
      'the future changes nothing': (f) => alike(f([1, 2, 9], 0.5, 4)[1], f([1, 2], 0.5, 4)[1]),
    },
    mistakes: {
      'a memory for each upper layer': {
        wrong: toyYocoBy({ memoryOf: (_, now) => now }),
        hint:
          'Right with one upper layer. Each of yours reads a memory made from its own input; ' +
          'YOCO makes it once, in the middle.',
      },
      'memory from the embeddings': {
        wrong: toyYocoBy({ memoryOf: (_, __, x) => x }),
        hint: 'Your memory is the input. It is made from what comes out of the lower half.',
      },
      'missing causal mask': {
        wrong: toyYocoBy({ causal: false }),
        hint: 'Missing causal mask: the mean in the upper half runs over the whole text.',
      },
      'residual forgotten': {
        wrong: toyYocoBy({ residual: false }),
        hint: 'Each layer replaces its input by what it found. It should add it to its input.',
      },
      'state not carried': {
        wrong: toyYocoBy({ keepsState: false }),
        hint: 'State not carried: a lower layer of yours sees one token at a time.',
      },
      'all layers below': {
        wrong: (x, gamma, layers) => {
          const lowerHalf = toyYocoBy({ memoryOf: (middle) => middle.map(() => 0) });
          return lowerHalf(x, gamma, 2 * layers);
        },
        hint: 'All of your layers are self-decoder layers. The upper half reads the memory.',
      },
    },
  }),
];
