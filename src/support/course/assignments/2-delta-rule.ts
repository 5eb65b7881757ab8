/**
 * Assignment 2: a third mixer, the delta rule without gates, in three forms.
 *
 *   u_n = β_n (v_n − k_n S_{n−1})     S_n = S_{n−1} + k_nᵀ u_n     output_n = q_n S_n
 *
 * The judge computes it in loops over plain numbers, of its own: a submission that shares a helper
 * with its judge would share the helper's mistakes. Gradients are central differences of the loops.
 */
import * as tf from '@tensorflow/tfjs';
import { SeededRandom } from '../../../tensor/random';
import { difference, judgeParts, type KnownMistake, type Part, type Report } from './judge';

export interface OneHeadDelta {
  q: number[][]; // [N, Dk]
  k: number[][]; // [N, Dk]
  v: number[][]; // [N, Dv]
  beta: number[]; // [N]
}
export type DeltaByDefinition = (
  head: OneHeadDelta,
  initialState?: number[][],
) => { output: number[][]; state: number[][] };

export type DeltaInputs = {
  q: tf.Tensor4D; // [B, H, N, Dk]
  k: tf.Tensor4D; // [B, H, N, Dk]
  v: tf.Tensor4D; // [B, H, N, Dv]
  beta: tf.Tensor3D; // [B, H, N]
};
export type DeltaOptions = { initialState?: tf.Tensor4D; chunkSize?: number };
export type DeltaResult = {
  output: tf.Tensor4D; // [B, H, N, Dv]
  state: tf.Tensor4D; // [B, H, Dk, Dv]
};
export type DeltaForm = (inputs: DeltaInputs, options?: DeltaOptions) => DeltaResult;

export interface DeltaWork {
  byDefinition: DeltaByDefinition;
  recurrent: DeltaForm;
  chunkwise: DeltaForm;
}

/** One token's part in the loops: what a key finds, and what is written. */
interface Rule {
  /** u of one value's feature, from β, v and what the key finds in the state. */
  correct(beta: number, v: number, found: number): number;
  /** The state in which the key looks: the newest, or that before the chunk. */
  looksIn?: 'newest' | 'before the chunk';
  /** Which state the query reads: the newest, or the one before its token. */
  reads?: 'newest' | 'before the token';
  /** Whether a chunk begins with the state that the chunk before has left. */
  carries?: boolean;
}
const deltaRule: Rule = { correct: (beta, v, found) => beta * (v - found) };

const times = (row: number[], S: number[][]): number[] =>
  S[0].map((_, d) => row.reduce((sum, x, i) => sum + x * S[i][d], 0));

function runRule(
  { q, k, v, beta }: OneHeadDelta,
  initialState: number[][] | undefined,
  { correct, looksIn = 'newest', reads = 'newest', carries = true }: Rule,
  chunkSize: number,
): { output: number[][]; state: number[][] } {
  const empty = k[0].map(() => v[0].map(() => 0));
  let S = initialState ?? empty;
  let atStart = S; // of the chunk
  const output: number[][] = [];
  for (let n = 0; n < q.length; n++) {
    if (n % chunkSize === 0) {
      if (n > 0 && !carries) S = empty;
      atStart = S;
    }
    const before = S;
    const found = times(k[n], looksIn === 'newest' ? S : atStart);
    const u = v[n].map((value, d) => correct(beta[n], value, found[d]));
    S = S.map((row, i) => row.map((s, d) => s + k[n][i] * u[d]));
    output.push(times(q[n], reads === 'newest' ? S : before));
  }
  return { output, state: S };
}

interface Sizes {
  B: number;
  H: number;
  N: number;
  Dk: number;
  Dv: number;
  carried?: boolean;
}
interface Case {
  inputs: DeltaInputs;
  options: DeltaOptions & { chunkSize: number };
}

/** Keys of length 1 and β between 0 and 1, as a layer makes them. */
export function drawDeltaCase(
  { B, H, N, Dk, Dv, carried = false }: Sizes,
  chunkSize: number,
  seed = 3,
): Case {
  const random = new SeededRandom(seed);
  const draw = (...shape: [number, number, number, number]): tf.Tensor4D =>
    tf.tensor4d(random.normals(tf.util.sizeFromShape(shape)), shape);
  const k = draw(B, H, N, Dk);
  const inputs = {
    q: draw(B, H, N, Dk),
    k: k.div(k.square().sum(3, true).sqrt()) as tf.Tensor4D,
    v: draw(B, H, N, Dv),
    beta: tf.tensor3d(
      Array.from({ length: B * H * N }, () => random.uniform()),
      [B, H, N],
    ),
  };
  const initialState = carried ? draw(B, H, Dk, Dv) : undefined;
  return { inputs, options: { initialState, chunkSize } };
}

/** The loops on all heads of all sequences, as tensors. */
function byLoops({ inputs, options }: Case, rule = deltaRule): DeltaResult {
  const [B, H, N, Dk] = inputs.q.shape;
  const Dv = inputs.v.shape[3];
  const [q, k, v] = [inputs.q, inputs.k, inputs.v].map((x) => x.arraySync());
  const beta = inputs.beta.arraySync();
  const before = options.initialState?.arraySync();
  const outputs: number[] = [];
  const states: number[] = [];
  for (let b = 0; b < B; b++) {
    for (let h = 0; h < H; h++) {
      const head = { q: q[b][h], k: k[b][h], v: v[b][h], beta: beta[b][h] };
      const { output, state } = runRule(head, before?.[b][h], rule, options.chunkSize);
      outputs.push(...output.flat());
      states.push(...state.flat());
    }
  }
  return {
    output: tf.tensor4d(outputs, [B, H, N, Dv]),
    state: tf.tensor4d(states, [B, H, Dk, Dv]),
  };
}

const ruleMistakes: [Rule, string][] = [
  [
    { correct: (beta, v) => beta * v },
    'the old value stays: write β of the difference between v and what the key finds.',
  ],
  [
    { correct: (beta, v, found) => beta * v - found },
    'β is on v alone: what the key finds is taken out by β, too.',
  ],
  [{ correct: (_, v, found) => v - found }, 'β is missing.'],
  [
    { correct: (beta, v, found) => beta * (v + found) },
    'the sign of what the key finds is wrong: it is taken out.',
  ],
  [
    { ...deltaRule, reads: 'before the token' },
    'the query reads the state before its own token was written.',
  ],
];
const chunkMistakes: [Rule, string][] = [
  [
    { ...deltaRule, looksIn: 'before the chunk' },
    'every key looks in the state before the chunk: what earlier tokens of the same chunk have ' +
      'written is missing. That is the triangular system.',
  ],
  [{ ...deltaRule, carries: false }, 'each chunk begins with an empty state.'],
];

/** Output and state of a form, compared with the loops. */
function compare(form: DeltaForm, case_: Case, mistakes: readonly [Rule, string][]) {
  const got = form(case_.inputs, case_.options);
  if (typeof got !== 'object' || got === null)
    return `It returns ${got}; return { output, state }.`;
  const want = byLoops(case_);
  for (const name of ['output', 'state'] as const) {
    const known: KnownMistake[] = mistakes.map(([rule, reason]) => ({
      result: () => byLoops(case_, rule)[name],
      reason,
    }));
    if (case_.options.initialState) {
      const without = { ...case_, options: { ...case_.options, initialState: undefined } };
      known.push({
        result: () => byLoops(without)[name],
        reason: 'the state before the first token is not read.',
      });
    }
    const reason = difference(name, got[name], want[name], known, 1e-4);
    if (reason) return reason;
  }
  return undefined;
}

const small = { B: 1, H: 1, N: 6, Dk: 3, Dv: 2 };
const heads = { B: 2, H: 2, N: 7, Dk: 3, Dv: 4 };

/** Two values under one key, then a question: 7 replaces 2, as long as β is 1. */
const byHand: OneHeadDelta = {
  q: [[1], [1]],
  k: [[1], [1]],
  v: [[2], [7]],
  beta: [1, 1],
};

const parts: Part<DeltaWork>[] = [
  {
    asks: 'the definition: one key, the values 2 and 7; and drawn numbers',
    points: 2,
    wrongBecause: ({ byDefinition }) => {
      const replaced = byDefinition(byHand).output.flat();
      if (replaced.join() !== '2,7')
        return `after 2 and 7 under one key with β = 1 the outputs are ${replaced}; expected 2,7.`;
      const form: DeltaForm = ({ q, k, v, beta }, { initialState } = {}) => {
        const head = { q: q.arraySync()[0][0], k: k.arraySync()[0][0] };
        const rest = { v: v.arraySync()[0][0], beta: beta.arraySync()[0][0] };
        const result = byDefinition({ ...head, ...rest }, initialState?.arraySync()[0][0]);
        return {
          output: tf.tensor4d([[result.output]]),
          state: tf.tensor4d([[result.state]]),
        };
      };
      return compare(form, drawDeltaCase({ ...small, carried: true }, 6), ruleMistakes);
    },
  },
  {
    asks: 'the recurrent form, batches and heads, with and without a state before',
    points: 2,
    wrongBecause: ({ recurrent }) =>
      compare(recurrent, drawDeltaCase(heads, 7), ruleMistakes) ??
      compare(recurrent, drawDeltaCase({ ...heads, carried: true }, 7), ruleMistakes),
  },
  {
    asks: 'the chunkwise form, one chunk',
    points: 2,
    wrongBecause: ({ chunkwise }) =>
      compare(chunkwise, drawDeltaCase(small, 6), [...ruleMistakes, ...chunkMistakes]),
  },
  {
    asks: 'several chunks, also ragged, and chunks of one token',
    points: 2,
    wrongBecause: ({ chunkwise }) => {
      for (const chunkSize of [3, 4, 1, 64]) {
        const case_ = drawDeltaCase(heads, chunkSize);
        const reason = compare(chunkwise, case_, [...ruleMistakes, ...chunkMistakes]);
        if (reason) return `chunks of ${chunkSize}, 7 tokens: ${reason}`;
      }
      return undefined;
    },
  },
  {
    asks: 'a state before the first token, in chunks',
    points: 1,
    wrongBecause: ({ chunkwise }) =>
      compare(chunkwise, drawDeltaCase({ ...heads, carried: true }, 3), chunkMistakes),
  },
  {
    asks: '200 tokens in chunks of 64: as exact as the loops',
    points: 1,
    wrongBecause: ({ chunkwise }) =>
      compare(chunkwise, drawDeltaCase({ B: 1, H: 2, N: 200, Dk: 16, Dv: 8 }, 64), chunkMistakes),
  },
  {
    asks: 'gradients go through the chunkwise form, also from chunk to chunk',
    points: 1,
    wrongBecause: ({ chunkwise }) => gradientsWrong(chunkwise),
  },
  {
    asks: 'both tensor forms keep no tensor but output and state',
    points: 1,
    wrongBecause: ({ recurrent, chunkwise }) => {
      for (const [name, form] of Object.entries({ recurrent, chunkwise })) {
        const { inputs, options } = drawDeltaCase(heads, 3);
        const before = tf.memory().numTensors;
        form(inputs, options);
        const kept = tf.memory().numTensors - before;
        if (kept !== 2)
          return `${name}: ${kept} tensors remain after one call, expected 2: use tf.tidy.`;
      }
      return undefined;
    },
  },
];

/** d Σ output² / d k and d β, against central differences of the loops. */
function gradientsWrong(form: DeltaForm): string | undefined {
  const case_ = drawDeltaCase({ ...small, N: 5 }, 2);
  const { inputs, options } = case_;
  const loss = (k: tf.Tensor, beta: tf.Tensor): tf.Scalar => {
    const changed = { ...inputs, k, beta } as DeltaInputs;
    return form(changed, options).output.square().sum();
  };
  const [dk, dBeta] = tf.grads(loss as (...x: tf.Tensor[]) => tf.Scalar)([inputs.k, inputs.beta]);
  const head = {
    q: inputs.q.arraySync()[0][0],
    k: inputs.k.arraySync()[0][0],
    v: inputs.v.arraySync()[0][0],
    beta: inputs.beta.arraySync()[0][0],
  };
  const lossOf = (): number => {
    const { output } = runRule(head, undefined, deltaRule, 5);
    return output.flat().reduce((sum, y) => sum + y * y, 0);
  };
  const slope = (list: number[], i: number): number => {
    const [x, step] = [list[i], 1e-5];
    list[i] = x + step;
    const above = lossOf();
    list[i] = x - step;
    const below = lossOf();
    list[i] = x;
    return (above - below) / (2 * step);
  };
  const ofKeys = head.k.flatMap((row) => row.map((_, i) => slope(row, i)));
  const ofBeta = head.beta.map((_, n) => slope(head.beta, n));
  return (
    difference('the gradient of k', dk, tf.tensor4d(ofKeys, [1, 1, 5, 3]), [], 1e-3) ??
    difference('the gradient of β', dBeta, tf.tensor3d(ofBeta, [1, 1, 5]), [], 1e-3)
  );
}

/** Judges three forms of the delta rule: 12 points. */
export const examineDeltaRule = (work: DeltaWork): Promise<Report> =>
  judgeParts('Assignment 2, the delta rule', parts, work);

/** The same, printed. */
export async function judgeDeltaRule(work: DeltaWork): Promise<void> {
  console.log((await examineDeltaRule(work)).text);
}
