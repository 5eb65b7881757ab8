/** Random inputs for attention, and what the definition makes of them in float64. */
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import type { AttentionInputs, AttentionOptions } from '../../src/attention/attention';
import { attentionByDefinition } from '../../src/attention/definition';
import type { KeysValues } from '../../src/attention/kv-cache';
import { normal, SeededRandom } from '../helpers';

export interface Sizes {
  B: number;
  G: number; // query heads per key/value head
  Hkv: number;
  N: number;
  past: number; // keys before the first query's own: M = N + past
  Dk: number;
  Dv: number;
  seed: number;
}
export const small: Sizes = { B: 2, G: 2, Hkv: 2, N: 7, past: 4, Dk: 4, Dv: 3, seed: 5 };

export const drawnSizes = (longest: number): fc.Arbitrary<Sizes> =>
  fc.record({
    B: fc.integer({ min: 1, max: 2 }),
    G: fc.integer({ min: 1, max: 3 }),
    Hkv: fc.integer({ min: 1, max: 3 }),
    N: fc.integer({ min: 1, max: longest }),
    past: fc.integer({ min: 0, max: longest }),
    Dk: fc.integer({ min: 1, max: 6 }),
    Dv: fc.integer({ min: 1, max: 6 }),
    seed: fc.nat(9999),
  });

/** Causal, not causal, and windows from the token alone to more than there is; scales; padding. */
export const drawnOptions = (longest: number): fc.Arbitrary<AttentionOptions> => {
  const mask = fc.oneof(
    fc.constant({}),
    fc.constant({ causal: false }),
    fc.record({ windowSize: fc.integer({ min: 1, max: 2 * longest }) }),
  );
  const scale = fc.option(fc.constantFrom(0.3, 1), { nil: undefined });
  const padding = fc.option(fc.tuple(fc.nat(longest), fc.nat(longest)), { nil: undefined });
  return fc
    .tuple(mask, scale, padding)
    .map(([mask, scale, padLengths]) => ({ ...mask, scale, padLengths }));
};
/** Drawn padding cut to the batch, with one token left in each sequence. */
export function fitPadding(options: AttentionOptions, { B, N, past }: Sizes): AttentionOptions {
  const padLengths = options.padLengths?.slice(0, B).map((n) => Math.min(n, N + past - 1));
  return { ...options, padLengths };
}

/** The caller owns the tensors. */
export function drawInputs({ B, G, Hkv, N, past, Dk, Dv, seed }: Sizes): AttentionInputs {
  const random = new SeededRandom(seed);
  return {
    q: normal<tf.Tensor4D>(random, [B, N, G * Hkv, Dk]),
    k: normal<tf.Tensor4D>(random, [B, N + past, Hkv, Dk]),
    v: normal<tf.Tensor4D>(random, [B, N + past, Hkv, Dv]),
  };
}
export function drawKeysValues(B: number, M: number, Hkv: number, Dk: number, seed = 1) {
  const { k, v } = drawInputs({ B, G: 1, Hkv, N: M, past: 0, Dk, Dv: Dk + 1, seed });
  return { k, v };
}

/** Tokens from … to − 1 of [B, M, H, D]. */
export const tokensOf = (x: tf.Tensor4D, from: number, to: number): tf.Tensor4D =>
  x.slice([0, from, 0, 0], [-1, to - from, -1, -1]);
export const partOf = ({ k, v }: KeysValues, from: number, to: number): KeysValues => ({
  k: tokensOf(k, from, to),
  v: tokensOf(v, from, to),
});

/**
 * 1 at the queries that are tokens, 0 at padded ones, whose output has no meaning: [B, N, 1, 1].
 */
export function realQueries(
  { q, k }: AttentionInputs,
  padLengths?: readonly number[],
): tf.Tensor4D {
  const [B, N] = q.shape;
  const past = k.shape[1] - N;
  const rows = Array.from({ length: B }, (_, b) =>
    Array.from({ length: N }, (_, n) => (!padLengths || past + n >= padLengths[b] ? 1 : 0)),
  );
  return tf.tensor2d(rows, [B, N]).reshape([B, N, 1, 1]);
}

export type Form = (inputs: AttentionInputs, options: AttentionOptions) => tf.Tensor4D;

/** dq, dk, dv of Σ dOutput · output. */
export function gradientsOf(
  form: (inputs: AttentionInputs) => tf.Tensor4D,
  { q, k, v }: AttentionInputs,
  dOutput: tf.Tensor4D,
): tf.Tensor[] {
  const ofList = (...given: tf.Tensor[]): tf.Tensor => {
    const [q, k, v] = given as tf.Tensor4D[];
    return form({ q, k, v });
  };
  return tf.grads(ofList)([q, k, v], dOutput);
}

/** The numbers of q, k and v, where a test may move one of them by less than float32 shows. */
export interface Numbers {
  q: number[][][][];
  k: number[][][][];
  v: number[][][][];
}
export const numbersOf = ({ q, k, v }: AttentionInputs): Numbers => ({
  q: q.arraySync(),
  k: k.arraySync(),
  v: v.arraySync(),
});

/** The definition for every head of every sequence, [B][N][H][Dv]; 0 at padded queries. */
export function definitionOfAllHeads(
  { q, k, v }: Numbers,
  { padLengths, ...rule }: AttentionOptions = {},
): number[][][][] {
  const past = k[0].length - q[0].length;
  return q.map((queries, b) => {
    const padded = padLengths?.[b] ?? 0;
    const firstQuery = padded > 0 ? Math.max(0, padded - past) : 0;
    const H = queries[0].length;
    const output = queries.map((heads) => heads.map(() => v[b][0][0].map(() => 0)));
    for (let h = 0; h < H; h++) {
      const kvHead = Math.floor((h * k[b][0].length) / H);
      const ofHead = {
        q: queries.slice(firstQuery).map((heads) => heads[h]),
        k: k[b].slice(padded).map((heads) => heads[kvHead]),
        v: v[b].slice(padded).map((heads) => heads[kvHead]),
      };
      for (const [n, row] of attentionByDefinition(ofHead, rule).entries())
        output[firstQuery + n][h] = row;
    }
    return output;
  });
}
