/**
 * The three forms of retention against the length of the text: time, and the most bytes alive at once.
 *
 * What to expect: parallel grows with N² in both, recurrent with N but one token at a time, chunkwise with N in large
 * products. All three compute the same numbers.
 */
import * as tf from '@tensorflow/tfjs';
import { forms, type RetentionFormName, type RetentionInputs } from '../../src/retention/index';
import { SeededRandom } from '../../src/tensor/random';
import type { Rival, Row, Table } from './measure';

const HEADS = 4;
const HEAD_DIM = 64;
const LENGTHS = [256, 1024, 4096, 8192, 16_384];
/** Beyond these the parallel form needs gigabytes, and the recurrent form minutes for its gradient. */
const LONGEST: Record<'forward' | 'both', Record<RetentionFormName, number>> = {
  forward: { chunkwise: 16_384, recurrent: 4096, parallel: 4096 },
  both: { chunkwise: 16_384, recurrent: 1024, parallel: 2048 },
};
const CHUNKS = [16, 32, 64, 128, 256, 512];

function draw(N: number): RetentionInputs {
  const random = new SeededRandom(1);
  const four = (): tf.Tensor4D =>
    tf.tensor4d(random.normals(HEADS * N * HEAD_DIM), [1, HEADS, N, HEAD_DIM]);
  return {
    q: four(),
    k: four(),
    v: four(),
    logDecay: tf.tensor3d(random.uniforms(HEADS * N, -0.1, 0), [1, HEADS, N]),
  };
}
/** One run of a form: the output, or also the gradient of its sum by all four inputs. */
function work(
  form: RetentionFormName,
  { q, k, v, logDecay }: RetentionInputs,
  back: boolean,
  chunkSize?: number,
): () => unknown {
  const run = (...[Q, K, V, G]: tf.Tensor[]) =>
    forms[form](
      { q: Q as tf.Tensor4D, k: K as tf.Tensor4D, v: V as tf.Tensor4D, logDecay: G as tf.Tensor3D },
      { chunkSize },
    ).output;
  const gradients = tf.grads((...inputs: tf.Tensor[]) => run(...inputs).sum());
  return () => (back ? gradients([q, k, v, logDecay]) : run(q, k, v, logDecay));
}
const forward = (tokens: number) => `forward, ${tokens.toLocaleString('en')} tokens`;
const both = (tokens: number) => `forward + backward, ${tokens.toLocaleString('en')} tokens`;

function againstLength(tokens: number, back: boolean): Row {
  const inputs = draw(tokens);
  const longest = LONGEST[back ? 'both' : 'forward'];
  const rivals = (['chunkwise', 'parallel', 'recurrent'] as const)
    .filter((form) => tokens <= longest[form])
    .map(
      (form): Rival => ({ name: form, run: work(form, inputs, back), tokens, watchMemory: true }),
    );
  return {
    name: (back ? both : forward)(tokens),
    rivals,
    dispose: () => tf.dispose(Object.values(inputs)),
  };
}
function bestChunk(tokens: number, back: boolean): Row {
  const inputs = draw(tokens);
  const rivals = CHUNKS.map(
    (size): Rival => ({
      name: `chunks of ${size}`,
      run: work('chunkwise', inputs, back, size),
      tokens,
    }),
  );
  return {
    name: `${(back ? both : forward)(tokens)}, by chunk`,
    rivals,
    dispose: () => tf.dispose(Object.values(inputs)),
  };
}

export const retentionTable: Table = {
  name: 'retention',
  title: `Three forms of retention, ${HEADS} heads of ${HEAD_DIM}`,
  note: 'Equal numbers, different work. A form is left out where it would need gigabytes or minutes.',
  rows: ({ quick }) => {
    const lengths = quick ? LENGTHS.filter((tokens) => tokens <= 1024) : LENGTHS;
    return [
      ...lengths.map((tokens) => () => againstLength(tokens, false)),
      ...lengths.map((tokens) => () => againstLength(tokens, true)),
      ...[false, true].map((back) => () => bestChunk(quick ? 1024 : 4096, back)),
    ];
  },
  goals: [
    {
      says: 'chunkwise forward, 8192 / 1024 tokens, at most 10',
      value: (ms) => ms(forward(8192), 'chunkwise') / ms(forward(1024), 'chunkwise'),
      atMost: 10,
    },
    {
      says: 'chunkwise forward + backward, 8192 / 1024 tokens, at most 10',
      value: (ms) => ms(both(8192), 'chunkwise') / ms(both(1024), 'chunkwise'),
      atMost: 10,
    },
  ],
};
