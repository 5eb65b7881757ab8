/**
 * Softmax attention in query blocks: the inputs and results of attention.ts, never N × M scores.
 *
 *   P = softmax(Q Kᵀ + mask),   for the queries of one block after the other
 *   dV += Pᵀ dO     dP = dO Vᵀ     dS = P ⊙ (dP − rowSum(P ⊙ dP))     dQ = dS K     dK += dSᵀ Q
 *
 * Q contains the scale. The gradient computes a block's weights P again instead of keeping them.
 *
 * Source: FlashAttention, arXiv 2205.14135; here only the queries are cut into blocks.
 */
import * as tf from '@tensorflow/tfjs';
import type { Implementation } from '../layers/mixer';
import {
  type AttentionForm,
  type AttentionInputs,
  type AttentionOptions,
  attention,
  attentionMask,
  readAttentionShapes,
} from './attention';
import { foldHeads, unfoldHeads } from './head-layout';
import { type QueryBlock, queriesPerBlock, queryBlocks } from './query-blocks';

/** The result does not depend on `queryBlockSize`, how many queries are computed at once. */
export type BlockedAttentionOptions = AttentionOptions & { queryBlockSize?: number };

/**
 * As `attention`: q [B, N, H, Dk], k [B, M, Hkv, Dk], v [B, M, Hkv, Dv] → [B, N, H, Dv], with the
 * same errors, and NaN where q · k overflows float32 (entries around 1e19).
 */
export function blockedAttention(
  inputs: AttentionInputs,
  options: BlockedAttentionOptions = {},
): tf.Tensor4D {
  const { B, N, Hkv, Dk } = readAttentionShapes('blockedAttention', inputs, options);
  const { scale = Dk ** -0.5 } = options;
  return tf.tidy(() => {
    const Q = foldHeads(inputs.q.mul(scale), Hkv); // [B·Hkv, N·G, Dk]
    const K = foldHeads(inputs.k, Hkv); // [B·Hkv, M, Dk]
    const V = foldHeads(inputs.v, Hkv); // [B·Hkv, M, Dv]
    return unfoldHeads(foldedAttention(Q, K, V, N, options), B, N); // [B, N, H, Dv]
  });
}

/** The form that a tier takes. */
export const attentionFor = (implementation: Implementation): AttentionForm =>
  implementation === 'plain' ? attention : blockedAttention;

/**
 * N queries Q [B·Hkv, N·G, Dk], K [B·Hkv, M, Dk], V [B·Hkv, M, Dv] → [B·Hkv, N·G, Dv]. Q is
 * scaled, options are checked.
 */
export function foldedAttention(
  Q: tf.Tensor3D,
  K: tf.Tensor3D,
  V: tf.Tensor3D,
  N: number,
  options: BlockedAttentionOptions,
): tf.Tensor3D {
  const [BHkv, rows] = Q.shape;
  const M = K.shape[1];
  const G = rows / N;
  // A block of at most 256 queries meets at most 256 keys more than a window.
  const keysPerBlock = Math.min(M, (options.windowSize ?? M) + 256);
  const { queryBlockSize = queriesPerBlock(BHkv * G, keysPerBlock) } = options;
  const plan = { N, M, G, options, blocks: queryBlocks(N, M, queryBlockSize, options) };

  const withGradient = tf.customGrad((...args: unknown[]) => {
    const [Q, K, V, save] = args as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D, tf.GradSaveFunc];
    save([Q, K, V]);
    return {
      value: tf.tidy(() => forward(Q, K, V, plan)),
      gradFunc: (dO: tf.Tensor, saved: tf.Tensor[]) => {
        const [Q, K, V] = saved as tf.Tensor3D[];
        return tf.tidy(() => backward(dO as tf.Tensor3D, Q, K, V, plan));
      },
    };
  });
  return withGradient(Q, K, V) as tf.Tensor3D;
}

interface Plan {
  N: number; // queries
  M: number; // keys
  G: number; // query heads per key/value head
  blocks: QueryBlock[];
  options: AttentionOptions;
}

function forward(Q: tf.Tensor3D, K: tf.Tensor3D, V: tf.Tensor3D, plan: Plan): tf.Tensor3D {
  const KT: tf.Tensor3D = K.transpose([0, 2, 1]); // [B·Hkv, Dk, M]
  const outputs: tf.Tensor3D[] = []; // [B·Hkv, n·G, Dv] each
  for (const block of plan.blocks) {
    const output: tf.Tensor3D = tf.tidy(() => {
      const P = weightsOf(queriesOf(Q, block, plan), KT, block, plan); // [B·Hkv, n·G, keys]
      return tf.matMul(P, keysOf(V, 1, block));
    });
    outputs.push(output);
  }
  return tf.concat(outputs, 1);
}

function backward(
  dO: tf.Tensor3D,
  Q: tf.Tensor3D,
  K: tf.Tensor3D,
  V: tf.Tensor3D,
  plan: Plan,
): tf.Tensor3D[] {
  const KT: tf.Tensor3D = K.transpose([0, 2, 1]); // [B·Hkv, Dk, M]
  const VT: tf.Tensor3D = V.transpose([0, 2, 1]); // [B·Hkv, Dv, M]
  const dQ: tf.Tensor3D[] = []; // [B·Hkv, n·G, Dk] each
  let dK: tf.Tensor3D = tf.zerosLike(K); // [B·Hkv, M, Dk]
  let dV: tf.Tensor3D = tf.zerosLike(V); // [B·Hkv, M, Dv]
  for (const block of plan.blocks) {
    const gradients = tf.tidy(() => {
      const queries = queriesOf(Q, block, plan); // [B·Hkv, n·G, Dk]
      const dOutput = queriesOf(dO, block, plan); // [B·Hkv, n·G, Dv]
      const P = weightsOf(queries, KT, block, plan); // [B·Hkv, n·G, keys]
      const dP = tf.matMul(dOutput, keysOf(VT, 2, block)); // [B·Hkv, n·G, keys]
      const PdP = P.mul(dP);
      const dS: tf.Tensor3D = PdP.sub(P.mul(PdP.sum(2, true))); // [B·Hkv, n·G, keys]
      return {
        dQ: tf.matMul(dS, keysOf(K, 1, block)) as tf.Tensor3D,
        dK: addToKeys(dK, tf.matMul(dS, queries, true), block),
        dV: addToKeys(dV, tf.matMul(P, dOutput, true), block),
      };
    });
    tf.dispose([dK, dV]);
    dQ.push(gradients.dQ);
    ({ dK, dV } = gradients);
  }
  return [tf.concat(dQ, 1), dK, dV];
}

/** P of one block: queries [B·Hkv, n·G, Dk], KT [B·Hkv, Dk, M] → [B·Hkv, n·G, keys]. */
function weightsOf(
  queries: tf.Tensor3D,
  KT: tf.Tensor3D,
  block: QueryBlock,
  { N, M, G, options }: Plan,
): tf.Tensor3D {
  const scores: tf.Tensor3D = tf.matMul(queries, keysOf(KT, 2, block)); // [B·Hkv, n·G, keys]
  const { causal = true, padLengths } = options;
  // A block ends at its last query's key, so a single query sees all keys of its block.
  if ((!causal || block.count === 1) && !padLengths) return tf.softmax(scores);

  const [BHkv, , keys] = scores.shape;
  const heads = padLengths && BHkv / padLengths.length;
  const padPerHead = padLengths?.flatMap((padLength) => new Array(heads).fill(padLength));
  const mask = attentionMask(N, M, { ...options, padLengths: padPerHead }, block);
  const byQuery = scores.reshape([BHkv, block.count, G, keys]);
  const masked = byQuery.add(mask.reshape([-1, block.count, 1, keys])); // [B·Hkv, n, G, keys]
  return tf.softmax(masked.reshape<tf.Tensor3D>(scores.shape));
}

/** The rows of the block's queries: x [B·Hkv, N·G, D] → [B·Hkv, n·G, D]. */
function queriesOf(x: tf.Tensor3D, { start, count }: QueryBlock, { G }: Plan): tf.Tensor3D {
  return x.slice([0, start * G, 0], [-1, count * G, -1]);
}

/** The block's keys along `axis`, where x has all M; if these are all, x without a copy. */
function keysOf(x: tf.Tensor3D, axis: 1 | 2, { firstKey, endKey }: QueryBlock): tf.Tensor3D {
  const keys = endKey - firstKey;
  if (keys === x.shape[axis]) return x;
  return axis === 1
    ? x.slice([0, firstKey, 0], [-1, keys, -1])
    : x.slice([0, 0, firstKey], [-1, -1, keys]);
}

/** total [B·Hkv, M, D], with x [B·Hkv, keys, D] added at the block's keys. */
function addToKeys(total: tf.Tensor3D, x: tf.Tensor3D, block: QueryBlock): tf.Tensor3D {
  if (x.shape[1] === total.shape[1]) return total.add(x);
  const around: [number, number] = [block.firstKey, total.shape[1] - block.endKey];
  return total.add(x.pad([[0, 0], around, [0, 0]]));
}
