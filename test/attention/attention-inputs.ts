/** Seeded inputs for attention, and the float64 definition over all batches and grouped heads of them. */
import type * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import type { AttentionInputs } from '../../src/attention/blocked-attention';
import { type AttentionRule, attentionByDefinition } from '../../src/attention/definition';
import type { KeysAndValues } from '../../src/attention/keys-and-values';
import { normal, SeededRandom } from '../helpers';

export interface Drawn {
  B: number;
  /** Query heads per key/value head. */
  G: number;
  Hkv: number;
  N: number;
  /** Keys before the first query's own: M = N + past. */
  past: number;
  D: number;
  Dv: number;
  seed: number;
}
export const sizes = (longest: number): fc.Arbitrary<Drawn> =>
  fc.record({
    B: fc.integer({ min: 1, max: 2 }),
    G: fc.integer({ min: 1, max: 3 }),
    Hkv: fc.integer({ min: 1, max: 3 }),
    N: fc.integer({ min: 1, max: longest }),
    past: fc.integer({ min: 0, max: longest }),
    D: fc.integer({ min: 1, max: 6 }),
    Dv: fc.integer({ min: 1, max: 6 }),
    seed: fc.nat(9999),
  });
/** Causal, not causal, and windows from the token alone to more than there is. */
export const rules = (longest: number): fc.Arbitrary<AttentionRule> =>
  fc.oneof(
    fc.constant({}),
    fc.constant({ causal: false }),
    fc.record({ windowSize: fc.integer({ min: 1, max: 2 * longest }) }),
    fc.record({ scale: fc.constantFrom(0.3, 1) }),
  );
export const small: Drawn = { B: 2, G: 2, Hkv: 2, N: 7, past: 4, D: 4, Dv: 3, seed: 5 };

/** The caller owns the tensors. */
export function drawInputs({ B, G, Hkv, N, past, D, Dv, seed }: Drawn): AttentionInputs {
  const random = new SeededRandom(seed);
  return {
    q: normal<tf.Tensor4D>(random, [B, N, G * Hkv, D]),
    k: normal<tf.Tensor4D>(random, [B, N + past, Hkv, D]),
    v: normal<tf.Tensor4D>(random, [B, N + past, Hkv, Dv]),
  };
}
export function drawKeysAndValues(
  B: number,
  M: number,
  Hkv: number,
  D: number,
  seed = 1,
): KeysAndValues {
  const { k, v } = drawInputs({ B, G: 1, Hkv, N: M, past: 0, D, Dv: D, seed });
  return { k, v };
}
/** Tokens [from, to) of [B,M,H,D]. */
export const piece = <T extends tf.Tensor>(x: T, from: number, to: number): T =>
  x.slice(
    [0, from, ...x.shape.slice(2).map(() => 0)],
    [-1, to - from, ...x.shape.slice(2).map(() => -1)],
  ) as T;
export const pieceOf = ({ k, v }: KeysAndValues, from: number, to: number): KeysAndValues => ({
  k: piece(k, from, to),
  v: piece(v, from, to),
});

/** Which key/value head a query head reads: the law of grouped heads, and the mistake of laying them like tiles. */
export const grouped = (h: number, H: number, Hkv: number): number => Math.floor(h / (H / Hkv));
export const tiled = (h: number, _: number, Hkv: number): number => h % Hkv;

/** What the loops say: [B][N][H][Dv]. */
export function inFloat64(
  { q, k, v }: AttentionInputs,
  rule: AttentionRule = {},
  headOf = grouped,
): number[][][][] {
  const [Q, K, V] = [q.arraySync(), k.arraySync(), v.arraySync()];
  const H = q.shape[2];
  const ofHead = (rows: number[][][], h: number) => rows.map((heads) => heads[h]);
  return Q.map((rows, b) => {
    const heads = Array.from({ length: H }, (_, h) => {
      const own = headOf(h, H, k.shape[2]);
      return attentionByDefinition(
        { q: ofHead(rows, h), k: ofHead(K[b], own), v: ofHead(V[b], own) },
        rule,
      );
    });
    return rows.map((_, n) => heads.map((head) => head[n]));
  });
}
