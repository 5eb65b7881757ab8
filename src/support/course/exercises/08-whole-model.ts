/** Lesson 8: the two halves put together, what they weigh, and one number for how well they read. */
import { exercise, total } from './exercise';

interface Shape {
  dim: number;
  layers: number;
  heads: number;
  kvHeads: number;
}
/** W_K and W_V of one layer, and W_Q and W_O of one layer. */
const pair = ({ dim, heads, kvHeads }: Shape): number => 2 * dim * ((kvHeads * dim) / heads);
const ask = ({ dim }: Shape): number => 2 * dim * dim;
const weights = (s: Shape, pairs = s.layers / 2 + 1): number => s.layers * ask(s) + pairs * pair(s);

/** A model with one feature: each lower layer has a fading state, each upper layer reads the mean of one memory. */
const toy = (
  x: number[],
  gamma: number,
  layers: number,
  { residual = true, causal = true, anew = false, fromEmbeddings = false, carry = true } = {},
): number[] => {
  let now = x;
  for (let l = 0; l < layers / 2; l++) {
    let S = 0;
    now = now.map((y) => {
      S = (carry ? gamma * S : 0) + y;
      return (residual ? y : 0) + S;
    });
  }
  const memory = fromEmbeddings ? x : now;
  for (let l = 0; l < layers / 2; l++) {
    const read = anew ? now : memory;
    now = now.map((y, n) => {
      const seen = causal ? read.slice(0, n + 1) : read;
      return (residual ? y : 0) + total(seen) / seen.length;
    });
  }
  return now;
};

const mean = (list: number[]): number => total(list) / list.length;

export const lesson08 = [
  exercise({
    id: '08-perplexity',
    title: 'From loss to perplexity',
    difficulty: 1,
    signature: 'perplexity(losses: number[]): number',
    reference: (losses: number[]) => Math.exp(mean(losses)),
    cases: {
      'certain of everything': [[0, 0]],
      'one of ten': [[Math.log(10)]],
      'two pieces of text': [[1, 3]],
      'a few letters': [[0.5, 2.5, 1.2, 0.1]],
    },
    mistakes: {
      'mean of the perplexities': {
        wrong: (losses) => mean(losses.map(Math.exp)),
        hint: 'You take exp of each loss and then the mean: one bad letter then outweighs all good ones. Which comes first?',
      },
      'sum instead of mean': {
        wrong: (losses) => Math.exp(total(losses)),
        hint: 'A longer text gets a higher number here, however well it is read. What should the length not matter for?',
      },
      'base two': {
        wrong: (losses) => 2 ** mean(losses),
        hint: 'These losses are in nats (natural logarithms), not in bits.',
      },
      'the loss itself': {
        wrong: mean,
        hint: 'That is the mean loss. (Two tables of the paper call this "perplexity": numbers about 3.5 cannot be one.)',
      },
    },
  }),
  exercise({
    id: '08-weights',
    title: 'What attention weighs',
    difficulty: 2,
    signature:
      'attentionWeights(shape: { dim: number; layers: number; heads: number; kvHeads: number }): number',
    reference: (s: Shape) => weights(s),
    cases: {
      'two layers, a key head for each': [{ dim: 4, layers: 2, heads: 2, kvHeads: 2 }],
      'grouped heads': [{ dim: 8, layers: 4, heads: 4, kvHeads: 2 }],
      'the shape of the 3B model': [{ dim: 3072, layers: 26, heads: 24, kvHeads: 8 }],
    },
    mistakes: {
      'keys in every layer': {
        wrong: (s) => weights(s, s.layers),
        hint: 'That is a Transformer: W_K and W_V in every layer. How many pairs has the whole upper half?',
      },
      'the shared pair forgotten': {
        wrong: (s) => weights(s, s.layers / 2),
        hint: 'The lower half is right. The upper half has no W_K and W_V in its layers, but somebody must make its cache.',
      },
      'one pair in all': {
        wrong: (s) => weights(s, 1),
        hint: 'One pair in the whole model: but each layer of the lower half attends to its own window, with keys of its own.',
      },
      'full key heads': {
        wrong: (s) => weights({ ...s, kvHeads: s.heads }),
        hint: 'Right where every query head has keys of its own. With grouped heads W_K and W_V are narrower.',
      },
      'output projection forgotten': {
        wrong: (s) => weights(s) - s.layers * s.dim * s.dim,
        hint: 'Each layer has four jobs or two: asking, the keys, the values, and bringing the heads together. One is missing.',
      },
      'values forgotten': {
        wrong: (s) => s.layers * ask(s) + ((s.layers / 2 + 1) * pair(s)) / 2,
        hint: 'W_K is counted. Where it stands, there is W_V, too.',
      },
    },
  }),
  exercise({
    id: '08-toy',
    title: 'A whole YOCO in one feature',
    difficulty: 3,
    signature: 'toyYoco(x: number[], gamma: number, layers: number): number[]',
    reference: (x: number[], gamma: number, layers: number) => toy(x, gamma, layers),
    cases: {
      'one token, two layers': [[1], 0.5, 2],
      'three tokens, two layers': [[1, 0, 4], 0.5, 2],
      'four tokens, four layers': [[1, -2, 3, 0.5], 0.9, 4],
      'nothing fades, six layers': [[1, 2, -1], 1, 6],
    },
    laws: {
      'the future changes nothing': (f) =>
        Math.abs(f([1, 2, 9], 0.5, 4)[1] - f([1, 2], 0.5, 4)[1]) < 1e-9,
    },
    mistakes: {
      'memory made anew': {
        wrong: (x, g, L) => toy(x, g, L, { anew: true }),
        hint: 'Right with one upper layer. Each of yours reads a memory made from its own input; YOCO makes it once, in the middle.',
      },
      'memory from the embeddings': {
        wrong: (x, g, L) => toy(x, g, L, { fromEmbeddings: true }),
        hint: 'Your memory is made before the lower half has run. It is made from what comes out of it.',
      },
      'missing causal mask': {
        wrong: (x, g, L) => toy(x, g, L, { causal: false }),
        hint: 'Missing causal mask: the mean in the upper half runs over the whole text.',
      },
      'residual forgotten': {
        wrong: (x, g, L) => toy(x, g, L, { residual: false }),
        hint: 'Each layer replaces its input. It should add to it: x + what it found.',
      },
      'state not carried': {
        wrong: (x, g, L) => toy(x, g, L, { carry: false }),
        hint: 'State not carried: your lower layers see one token at a time and remember none.',
      },
      'all layers below': {
        wrong: (x, g, L) => {
          const below = (y: number[]): number[] => {
            let S = 0;
            return y.map((value) => {
              S = g * S + value;
              return value + S;
            });
          };
          let now = x;
          for (let l = 0; l < L; l++) now = below(now);
          return now;
        },
        hint: 'Every layer of yours is a self-decoder layer. The upper half of them reads the memory instead.',
      },
    },
  }),
];
