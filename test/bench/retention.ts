/**
 * The three forms of retention by the length of the text: time, and the peak of bytes held.
 *
 * To expect: both grow with N² for the parallel form, with N for the recurrent form but one token
 * at a time, and with N in large products for the chunkwise form. The numbers are the same.
 */
import * as tf from '@tensorflow/tfjs';
import { forms, type RetentionFormName, type RetentionInputs } from '../../src/retention/index';
import { SeededRandom } from '../../src/tensor/random';
import type { Rival, Row, Table } from './measure';

const HEADS = 4;
const HEAD_DIM = 64;
const LENGTHS = [256, 1024, 4096, 8192, 16_384];
/** Beyond these the parallel form needs gigabytes, and the recurrent form's gradient minutes. */
const LONGEST: Record<'forward' | 'both', Record<RetentionFormName, number>> = {
  forward: { chunkwise: 16_384, recurrent: 4096, parallel: 4096 },
  both: { chunkwise: 16_384, recurrent: 1024, parallel: 2048 },
};
const CHUNKS = [16, 32, 64, 128, 256, 512];

function draw(N: number): RetentionInputs {
  const random = new SeededRandom(1);
  const perHead = (): tf.Tensor4D =>
    tf.tensor4d(random.normals(HEADS * N * HEAD_DIM), [1, HEADS, N, HEAD_DIM]);
  return {
    q: perHead(),
    k: perHead(),
    v: perHead(),
    logDecay: tf.tensor3d(random.uniforms(HEADS * N, -0.1, 0), [1, HEADS, N]),
  };
}
/** One run of a form: the output, or also the gradient of its sum by all four inputs. */
function work(
  form: RetentionFormName,
  inputs: RetentionInputs,
  withGradient: boolean,
  chunkSize?: number,
): () => unknown {
  const run = (...[q, k, v, logDecay]: tf.Tensor[]) =>
    forms[form]({ q, k, v, logDecay } as RetentionInputs, { chunkSize }).output;
  const gradients = tf.grads((...given: tf.Tensor[]) => run(...given).sum());
  const list = [inputs.q, inputs.k, inputs.v, inputs.logDecay];
  return () => (withGradient ? gradients(list) : run(...list));
}
const forward = (tokens: number) => `forward, ${tokens.toLocaleString('en')} tokens`;
const both = (tokens: number) => `forward + backward, ${tokens.toLocaleString('en')} tokens`;

function byLength(tokens: number, withGradient: boolean): Row {
  const inputs = draw(tokens);
  const longest = LONGEST[withGradient ? 'both' : 'forward'];
  const rivals = (['chunkwise', 'parallel', 'recurrent'] as const)
    .filter((form) => tokens <= longest[form])
    .map(
      (form): Rival => ({
        name: form,
        run: work(form, inputs, withGradient),
        tokens,
        watchMemory: true,
      }),
    );
  return {
    name: (withGradient ? both : forward)(tokens),
    rivals,
    dispose: () => tf.dispose(Object.values(inputs)),
  };
}
function byChunkSize(tokens: number, withGradient: boolean): Row {
  const inputs = draw(tokens);
  const rivals = CHUNKS.map(
    (size): Rival => ({
      name: `chunks of ${size}`,
      run: work('chunkwise', inputs, withGradient, size),
      tokens,
    }),
  );
  return {
    name: `${(withGradient ? both : forward)(tokens)}, by chunk`,
    rivals,
    dispose: () => tf.dispose(Object.values(inputs)),
  };
}

export const retentionTable: Table = {
  name: 'retention',
  title: `Three forms of retention, ${HEADS} heads of ${HEAD_DIM}`,
  note: 'Equal numbers, different work. Left out where a form needs gigabytes or minutes.',
  rows: ({ quick }) => {
    const lengths = quick ? LENGTHS.filter((tokens) => tokens <= 1024) : LENGTHS;
    return [
      ...lengths.map((tokens) => () => byLength(tokens, false)),
      ...lengths.map((tokens) => () => byLength(tokens, true)),
      ...[false, true].map((gradient) => () => byChunkSize(quick ? 1024 : 4096, gradient)),
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
