/** Memories that do not grow: a step after sixteen thousand tokens must cost what it cost after one thousand. */
import * as tf from '@tensorflow/tfjs';
import { SlidingWindowAttention } from '../../src/attention/sliding-window';
import type { Memory } from '../../src/layers/memory';
import type { TokenMixer } from '../../src/layers/mixer';
import { ParameterScope, ParameterStore } from '../../src/layers/parameters';
import { GatedRetention } from '../../src/retention/gated-retention';
import { SeededRandom } from '../../src/tensor/random';
import { normal } from './inputs';
import type { Goal, Row, Table } from './measure';

const DIM = 256;
const [SHORT, LONG] = [1024, 16_384];
const makers: Record<string, (scope: ParameterScope) => TokenMixer<Memory>> = {
  'gated retention': (scope) =>
    new GatedRetention(scope, { dim: DIM, heads: 4 }) as unknown as TokenMixer<Memory>,
  'window of 512': (scope) =>
    new SlidingWindowAttention(scope, {
      dim: DIM,
      heads: 4,
      windowSize: 512,
    }) as unknown as TokenMixer<Memory>,
};
const rival = (tokens: number) => `after ${tokens.toLocaleString('en')} tokens`;

function steps(name: string): Row {
  const store = new ParameterStore();
  const mixer = makers[name](new ParameterScope(store, new SeededRandom(1)));
  const token = normal<tf.Tensor3D>(2, [1, 1, DIM]);
  const memories = [SHORT, LONG].map((tokens) => {
    const memory = mixer.newMemory(1);
    for (let done = 0; done < tokens; done += SHORT)
      tf.tidy(() => void mixer.mix(normal<tf.Tensor3D>(done, [1, SHORT, DIM]), memory));
    return { tokens, memory };
  });
  return {
    name,
    rivals: memories.map(({ tokens, memory }) => ({
      name: rival(tokens),
      run: () => mixer.mix(token, memory),
      heldBytes: () => memory.bytes,
    })),
    dispose: () => {
      for (const { memory } of memories) memory.dispose();
      token.dispose();
      store.dispose();
    },
  };
}

export const constantMemoryTable: Table = {
  name: 'constant-memory',
  title: `One step of a layer whose memory has a fixed size, width ${DIM}`,
  rows: () => Object.keys(makers).map((name) => () => steps(name)),
  goals: Object.keys(makers).map(
    (name): Goal => ({
      says: `${name}: a step at 16K / a step at 1K, at most 1.3`,
      value: (ms) => ms(name, rival(LONG)) / ms(name, rival(SHORT)),
      atMost: 1.3,
    }),
  ),
};
