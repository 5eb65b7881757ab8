/**
 * Assignment 1: the backward pass of chunkwise retention, judged by automatic differentiation.
 *
 * The submission computes the gradients of loss = Σ output ⊙ dOutput, where output is retention of
 * the inputs from an empty state. The judge lets TensorFlow.js differentiate the parallel form, so
 * it shares no formula with a submission.
 */
import * as tf from '@tensorflow/tfjs';
import { parallelRetention } from '../../../retention/parallel';
import { type RetentionInputs, splitTime } from '../../../retention/retention-form';
import { watchTensors } from '../../../tensor/ledger';
import { SeededRandom } from '../../../tensor/random';
import { difference, judgeParts, type KnownMistake, type Part, type Report } from './judge';

export type { RetentionInputs };
/** One gradient for each input, of the same shape; the caller owns them. */
export type InputGradients = {
  q: tf.Tensor4D;
  k: tf.Tensor4D;
  v: tf.Tensor4D;
  logDecay: tf.Tensor3D;
};
export type ChunkwiseBackward = (
  inputs: RetentionInputs,
  dOutput: tf.Tensor4D, // [B, H, N, Dv]
  chunkSize: number,
) => InputGradients;

interface Sizes {
  B: number;
  H: number;
  N: number;
  Dk: number;
  Dv: number;
  /** Taken from every second ln γ. */
  stronger?: number;
}
const oneChunk: Sizes = { B: 1, H: 1, N: 4, Dk: 2, Dv: 3 };
const twoChunks: Sizes = { ...oneChunk, N: 8 };
const ragged: Sizes = { B: 2, H: 2, N: 10, Dk: 3, Dv: 2 };

export interface Case {
  inputs: RetentionInputs;
  dOutput: tf.Tensor4D;
}
export function drawCase({ B, H, N, Dk, Dv, stronger = 0 }: Sizes, seed = 1): Case {
  const random = new SeededRandom(seed);
  const draw = (shape: [number, number, number, number]): tf.Tensor4D =>
    tf.tensor4d(random.normals(tf.util.sizeFromShape(shape)), shape);
  const logDecay = Array.from(
    random.normals(B * H * N),
    (x, n) => -Math.abs(x) - (n % 2) * stronger,
  );
  return {
    inputs: {
      q: draw([B, H, N, Dk]),
      k: draw([B, H, N, Dk]),
      v: draw([B, H, N, Dv]),
      logDecay: tf.tensor3d(logDecay, [B, H, N]),
    },
    dOutput: draw([B, H, N, Dv]),
  };
}

/** What TensorFlow.js finds by itself. */
export function byDifferentiation({ inputs, dOutput }: Case): InputGradients {
  const loss = (...[q, k, v, logDecay]: tf.Tensor[]): tf.Scalar => {
    const { output } = parallelRetention({ q, k, v, logDecay } as RetentionInputs);
    return output.mul(dOutput).sum();
  };
  const { q, k, v, logDecay } = inputs;
  const [dq, dk, dv, dLogDecay] = tf.grads(loss)([q, k, v, logDecay]);
  return { q: dq, k: dk, v: dv, logDecay: dLogDecay } as InputGradients;
}

type Name = keyof InputGradients;
const nameOf: Record<Name, string> = { q: 'dQ', k: 'dK', v: 'dV', logDecay: 'd ln γ' };

/** Each chunk differentiated by itself; the state before it is a number, if it is read at all. */
function chunkByChunk({ inputs, dOutput }: Case, chunkSize: number, readsState: boolean) {
  const parts = {
    q: splitTime(inputs.q, chunkSize),
    k: splitTime(inputs.k, chunkSize),
    v: splitTime(inputs.v, chunkSize),
    logDecay: splitTime(inputs.logDecay, chunkSize),
  };
  const feedback = splitTime(dOutput, chunkSize);
  const found: Record<Name, tf.Tensor[]> = { q: [], k: [], v: [], logDecay: [] };
  let initialState: tf.Tensor4D | undefined;
  for (const [i, ofChunk] of feedback.entries()) {
    const loss = (...[q, k, v, logDecay]: tf.Tensor[]): tf.Scalar => {
      const chunk = { q, k, v, logDecay } as RetentionInputs;
      return parallelRetention(chunk, { initialState }).output.mul(ofChunk).sum();
    };
    const chunk = { q: parts.q[i], k: parts.k[i], v: parts.v[i], logDecay: parts.logDecay[i] };
    const gradients = tf.grads(loss)([chunk.q, chunk.k, chunk.v, chunk.logDecay]);
    for (const [j, name] of (['q', 'k', 'v', 'logDecay'] as const).entries())
      found[name].push(gradients[j]);
    if (readsState) initialState = parallelRetention(chunk, { initialState }).state;
  }
  return (name: Name): tf.Tensor => tf.concat(found[name], 2);
}

/** q · dq − k · dk of every token: what ln γ's gradient is summed from. */
function scaleGradients({ inputs }: Case, { q, k }: InputGradients): tf.Tensor3D {
  return inputs.q.mul(q).sub(inputs.k.mul(k)).sum(3);
}

function mistakesOf(name: Name, case_: Case, chunkSize: number): KnownMistake[] {
  const { inputs, dOutput } = case_;
  const wanted = byDifferentiation(case_);
  const N = inputs.q.shape[2];
  const mistakes: KnownMistake[] = [
    {
      result: () => wanted[name].neg(),
      reason: 'every number has the wrong sign.',
    },
  ];
  if (name !== 'logDecay') {
    mistakes.push({
      result: () => byDifferentiation({ inputs: { ...inputs, logDecay: zeros() }, dOutput })[name],
      reason: 'the decay is missing: the backward pass multiplies by the same D, entry by entry.',
    });
  } else {
    const ofTokens = () => scaleGradients(case_, wanted);
    mistakes.push(
      {
        result: () => tf.cumsum(ofTokens(), 2, true, true),
        reason: 'token n is left out. Which running sums of ln γ contain ln γ_n?',
      },
      {
        result: () => tf.cumsum(ofTokens(), 2),
        reason: 'the sum runs from the left. Which tokens come to feel ln γ_n: earlier or later?',
      },
      { result: ofTokens, reason: 'this is the gradient of the running sum, not yet of ln γ_n.' },
      {
        result: () =>
          tf.concat(
            splitTime(ofTokens(), chunkSize).map((part) => tf.cumsum(part, 2, false, true)),
            2,
          ),
        reason:
          'the sum begins anew in each chunk. What do later chunks read of what ln γ_n ' +
          'has faded? It is in the state at the end of the chunk and in its gradient.',
      },
    );
  }
  if (N > chunkSize) {
    mistakes.push(
      {
        result: () => chunkByChunk(case_, chunkSize, false)(name),
        reason: 'the state before a chunk is not read: every chunk stands alone.',
      },
      {
        result: () => chunkByChunk(case_, chunkSize, true)(name),
        reason:
          'nothing comes back through the state: later chunks read what this one wrote into ' +
          'it, so a gradient of the state runs from the last chunk to the first.',
      },
    );
  }
  return mistakes;

  function zeros(): tf.Tensor3D {
    return tf.zerosLike(inputs.logDecay);
  }
}

/** Compares the named gradients of one case. */
function compare(
  backward: ChunkwiseBackward,
  case_: Case,
  chunkSize: number,
  names: readonly Name[],
): string | undefined {
  const { inputs, dOutput } = case_;
  const got = backward(inputs, dOutput, chunkSize);
  if (typeof got !== 'object' || got === null)
    return `It returns ${got}; return { q, k, v, logDecay }, a gradient for each.`;
  const want = byDifferentiation(case_);
  for (const name of names) {
    const mistakes = mistakesOf(name, case_, chunkSize);
    const reason = difference(nameOf[name], got[name], want[name], mistakes);
    if (reason) return reason;
  }
  return undefined;
}

const all: readonly Name[] = ['q', 'k', 'v', 'logDecay'];

const parts: Part<ChunkwiseBackward>[] = [
  {
    asks: 'dV of one chunk',
    points: 1,
    wrongBecause: (backward) => compare(backward, drawCase(oneChunk), 4, ['v']),
  },
  {
    asks: 'dQ and dK of one chunk',
    points: 2,
    wrongBecause: (backward) => compare(backward, drawCase(oneChunk), 4, ['q', 'k']),
  },
  {
    asks: 'dQ in the second chunk, which reads the state',
    points: 1,
    wrongBecause: (backward) => compare(backward, drawCase(twoChunks), 4, ['q']),
  },
  {
    asks: 'dK and dV in the first chunk, which the second one reads',
    points: 2,
    wrongBecause: (backward) => compare(backward, drawCase(twoChunks), 4, ['k', 'v']),
  },
  {
    asks: 'd ln γ of one chunk',
    points: 1,
    wrongBecause: (backward) => compare(backward, drawCase(oneChunk), 4, ['logDecay']),
  },
  {
    asks: 'd ln γ of two chunks',
    points: 1,
    wrongBecause: (backward) => compare(backward, drawCase(twoChunks), 4, ['logDecay']),
  },
  {
    asks: 'all gradients in chunks of 1, 3, 4 and more than N tokens, batches and heads',
    points: 1,
    wrongBecause: (backward) => {
      for (const chunkSize of [1, 3, 4, 64]) {
        const reason = compare(backward, drawCase(ragged, 7), chunkSize, all);
        if (reason) return `chunks of ${chunkSize}, 10 tokens: ${reason}`;
      }
      return undefined;
    },
  },
  {
    asks: 'every second gate below e^-60: finite, and right',
    points: 1,
    wrongBecause: (backward) => compare(backward, drawCase({ ...twoChunks, stronger: 60 }), 4, all),
  },
  {
    asks: 'keeps no tensor but the four gradients',
    points: 1,
    wrongBecause: (backward) => {
      const { inputs, dOutput } = drawCase(twoChunks);
      const before = tf.memory().numTensors;
      backward(inputs, dOutput, 4);
      const kept = tf.memory().numTensors - before;
      return kept === 4
        ? undefined
        : `${kept} tensors remain after one call, expected 4: compute inside tf.tidy.`;
    },
  },
  {
    asks: 'makes no N × N matrix',
    points: 1,
    wrongBecause: (backward) => {
      const case_ = drawCase({ B: 1, H: 1, N: 512, Dk: 2, Dv: 2 });
      const largest = largestMade(() => backward(case_.inputs, case_.dOutput, 16));
      return largest < 512 * 64
        ? undefined
        : `a tensor of ${largest} numbers was made for 512 tokens in chunks of 16: ` +
            'the matrices of a chunk are 16 × 16.';
    },
  },
];

/** The size of the largest tensor that `run` makes; all of them are freed. */
function largestMade(run: () => unknown): number {
  let largest = 0;
  const stop = watchTensors((tensor) => {
    largest = Math.max(largest, tensor.size);
  });
  try {
    run();
  } finally {
    stop();
  }
  return largest;
}

/** Judges a backward pass: 12 points. */
export const examineBackward = (backward: ChunkwiseBackward): Promise<Report> =>
  judgeParts('Assignment 1, the chunkwise backward', parts, backward);

/** The same, printed. */
export async function judgeBackward(backward: ChunkwiseBackward): Promise<void> {
  console.log((await examineBackward(backward)).text);
}
