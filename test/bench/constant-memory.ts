/** Caches of a fixed size: a step after 16K tokens must take the time of one after 1K. */
import * as tf from '@tensorflow/tfjs';
import { SlidingWindowAttention } from '../../src/attention/sliding-window';
import type { LayerCache, TokenMixer } from '../../src/layers/mixer';
import { ParameterScope, ParameterStore } from '../../src/layers/parameters';
import { GatedRetention } from '../../src/retention/gated-retention';
import { SeededRandom } from '../../src/tensor/random';
import { normal } from './inputs';
import type { Goal, Row, Table } from './measure';

const dim = 256;
const [SHORT, LONG] = [1024, 16_384]; // tokens
const mixers: Record<string, (scope: ParameterScope) => TokenMixer<LayerCache>> = {
  'gated retention': (scope) => new GatedRetention(scope, { dim, heads: 4 }),
  'window of 512': (scope) => new SlidingWindowAttention(scope, { dim, heads: 4, windowSize: 512 }),
};
const after = (tokens: number) => `after ${tokens.toLocaleString('en')} tokens`;

function steps(name: string): Row {
  const store = new ParameterStore();
  const mixer = mixers[name](new ParameterScope(store, new SeededRandom(1)));
  const token = normal<tf.Tensor3D>(2, [1, 1, dim]);
  const caches = [SHORT, LONG].map((tokens) => {
    const cache = mixer.newCache(1);
    for (let start = 0; start < tokens; start += SHORT) {
      tf.tidy(() => void mixer.forward(normal<tf.Tensor3D>(start, [1, SHORT, dim]), cache));
    }
    return { tokens, cache };
  });
  return {
    name,
    rivals: caches.map(({ tokens, cache }) => ({
      name: after(tokens),
      run: () => mixer.forward(token, cache),
      heldBytes: () => cache.bytes,
    })),
    dispose: () => {
      for (const { cache } of caches) cache.dispose();
      token.dispose();
      store.dispose();
    },
  };
}

export const constantMemoryTable: Table = {
  name: 'constant-memory',
  title: `One step of a layer whose cache has a fixed size, width ${dim}`,
  rows: () => Object.keys(mixers).map((name) => () => steps(name)),
  goals: Object.keys(mixers).map(
    (name): Goal => ({
      says: `${name}: a step at 16K / a step at 1K, at most 1.3`,
      value: (ms) => ms(name, after(LONG)) / ms(name, after(SHORT)),
      atMost: 1.3,
    }),
  ),
};
