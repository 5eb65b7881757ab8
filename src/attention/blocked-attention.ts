/**
 * Softmax attention, softmax(q kᵀ · scale + mask) v, in bands of queries: no N × M matrix is ever held.
 *
 * Forward, a band's scores live for one moment. For the gradient they are not saved but computed again, band by band:
 * with P the band's softmax and dO the gradient that arrives,
 *
 *   dV += Pᵀ dO        dP = dO Vᵀ        dS = P ⊙ (dP − Σ_m P ⊙ dP)        dQ = dS K · scale        dK += dSᵀ Q · scale
 *
 * Source: YOCO's cross-decoder and sliding-window attention (arXiv eqs. 3 and 8). Eq. 8 prints no scale; the official
 * code uses D^-½. The bands are FlashAttention's idea (arXiv 2205.14135) without its blocks over keys.
 */
import * as tf from '@tensorflow/tfjs';
import { checkCount, readShapes } from '../tensor/shapes';
import type { AttentionRule } from './definition';
import { foldKeys, foldQueries, unfoldQueries } from './head-layout';
import {
  blockMask,
  frontMask,
  type QueryBlock,
  queriesPerBlock,
  queryBlocks,
} from './query-blocks';

export interface AttentionInputs {
  q: tf.Tensor4D;
  k: tf.Tensor4D;
  v: tf.Tensor4D;
}
export interface AttentionOptions extends AttentionRule {
  /** Queries per band; the result does not depend on it. */
  blockSize?: number;
  /** Keys at the front of each sequence of the batch that hold no token; nobody sees them. One number per sequence. */
  hidden?: readonly number[];
}

/**
 * q [B,N,H,D], k [B,M,Hkv,D], v [B,M,Hkv,Dv] → [B,N,H,Dv]; the last query stands at the last key.
 * @throws RangeError if shapes disagree, Hkv does not divide H, a query would see no key, or a size is no count.
 */
export function softmaxAttention(
  { q, k, v }: AttentionInputs,
  options: AttentionOptions = {},
): tf.Tensor4D {
  const where = 'softmaxAttention';
  const { B, N, H, M, Hkv } = readShapes(
    where,
    { q: 'B N H D', k: 'B M Hkv D', v: 'B M Hkv Dv' },
    { q, k, v },
  );
  checkRule(where, { B, N, M, H, Hkv }, options);
  return tf.tidy(() =>
    unfoldQueries(foldedAttention(foldQueries(q, Hkv), foldKeys(k), foldKeys(v), options), B),
  );
}

export function checkRule(
  where: string,
  sizes: { B: number; N: number; M: number; H: number; Hkv: number },
  options: AttentionOptions,
): void {
  const { N, M, H, Hkv } = sizes;
  if (H % Hkv !== 0)
    throw new RangeError(
      `${where}: q has ${H} heads, k has ${Hkv}; the number of key/value heads must divide that of query heads.`,
    );
  if (options.causal === false && options.windowSize !== undefined)
    throw new RangeError(
      `${where}: windowSize is ${options.windowSize} without causal; a window here is a causal one.`,
    );
  if (options.causal !== false && N > M)
    throw new RangeError(
      `${where}: there are ${N} queries, but only ${M} keys; the last query stands at the last key, so the first would see nothing.`,
    );
  if (options.windowSize !== undefined)
    checkCount(where, 'windowSize', options.windowSize, 'tokens, the token itself included');
  if (options.blockSize !== undefined) checkCount(where, 'blockSize', options.blockSize, 'queries');
  if (
    options.hidden &&
    (options.hidden.length !== sizes.B ||
      !options.hidden.every((n) => Number.isInteger(n) && n >= 0 && n <= M))
  )
    throw new RangeError(
      `${where}: hidden is [${options.hidden}]; give one number from 0 to ${M} for each of the ${sizes.B} sequences.`,
    );
}

/** q [B·Hkv, G, N, D], k [B·Hkv, M, D], v [B·Hkv, M, Dv] → [B·Hkv, G, N, Dv]. */
export function foldedAttention(
  q: tf.Tensor4D,
  k: tf.Tensor3D,
  v: tf.Tensor3D,
  options: AttentionOptions,
): tf.Tensor4D {
  const [BHkv, G, N, D] = q.shape;
  const M = k.shape[1];
  const scale = options.scale ?? D ** -0.5;
  const seen = Math.min(M, (options.windowSize ?? M) + 256);
  const blocks = queryBlocks(N, M, options.blockSize ?? queriesPerBlock(BHkv * G, seen), options);

  /** A band's weights, [B·Hkv, G·n, keys]. */
  const weights = (rows: tf.Tensor3D, keysT: tf.Tensor3D, block: QueryBlock): tf.Tensor3D => {
    const scores = tf.matMul<tf.Tensor3D>(rows, timeSlice(keysT, 2, block.firstKey, block.endKey));
    const mask = blockMask(block, N, M, options);
    const front = frontMask(options.hidden, BHkv, block.firstKey, block.endKey);
    if (!mask && !front) return tf.softmax(scores);
    let byHead = scores.reshape<tf.Tensor4D>([BHkv, G, block.count, -1]);
    if (mask) byHead = byHead.add(mask);
    // A padded query sees no key at all: its softmax is even over what is masked, finite, and unread.
    if (front) byHead = byHead.add<tf.Tensor4D>(front.reshape([BHkv, 1, 1, -1]));
    return tf.softmax(byHead.reshape<tf.Tensor3D>(scores.shape));
  };
  const rowsOf = (x: tf.Tensor4D, { start, count }: QueryBlock): tf.Tensor3D =>
    x.slice([0, 0, start, 0], [-1, -1, count, -1]).reshape([BHkv, G * count, x.shape[3]]);
  const bandsToWhole = (bands: tf.Tensor3D[]): tf.Tensor4D =>
    tf.concat(
      bands.map((band, i) => band.reshape<tf.Tensor4D>([BHkv, G, blocks[i].count, -1])),
      2,
    );

  const forwardAndBack = tf.customGrad((...args: unknown[]) => {
    const [Q, K, V, save] = args as [
      tf.Tensor4D,
      tf.Tensor3D,
      tf.Tensor3D,
      (tensors: tf.Tensor[]) => void,
    ];
    save([Q, K, V]);
    const value = tf.tidy(() => {
      const keysT = K.transpose<tf.Tensor3D>([0, 2, 1]);
      const scaled = Q.mul<tf.Tensor4D>(scale);
      return bandsToWhole(
        blocks.map((block) =>
          tf.tidy(() =>
            tf.matMul<tf.Tensor3D>(
              weights(rowsOf(scaled, block), keysT, block),
              timeSlice(V, 1, block.firstKey, block.endKey),
            ),
          ),
        ),
      );
    });
    return {
      value,
      gradFunc: (dO: tf.Tensor, saved: tf.Tensor[]) =>
        backward(dO as tf.Tensor4D, saved as [tf.Tensor4D, tf.Tensor3D, tf.Tensor3D]),
    };
  });

  const backward = (
    dO: tf.Tensor4D,
    [Q, K, V]: [tf.Tensor4D, tf.Tensor3D, tf.Tensor3D],
  ): tf.Tensor[] =>
    tf.tidy(() => {
      const keysT = K.transpose<tf.Tensor3D>([0, 2, 1]);
      const valuesT = V.transpose<tf.Tensor3D>([0, 2, 1]);
      const scaled = Q.mul<tf.Tensor4D>(scale);
      let dK: tf.Tensor3D = tf.zerosLike(K);
      let dV: tf.Tensor3D = tf.zerosLike(V);
      const dQ: tf.Tensor3D[] = [];
      for (const block of blocks) {
        const { firstKey, endKey } = block;
        const [dQBand, dKBand, dVBand] = tf.tidy(() => {
          const rows = rowsOf(scaled, block);
          const dRows = rowsOf(dO, block);
          const P = weights(rows, keysT, block);
          const dP = tf.matMul(dRows, timeSlice(valuesT, 2, firstKey, endKey));
          const PdP = P.mul<tf.Tensor3D>(dP);
          const dS = PdP.sub<tf.Tensor3D>(P.mul(PdP.sum(2, true)));
          const full = (band: tf.Tensor3D): tf.Tensor3D =>
            endKey - firstKey === M
              ? band
              : band.pad([
                  [0, 0],
                  [firstKey, M - endKey],
                  [0, 0],
                ]);
          return [
            tf.matMul(dS, timeSlice(K, 1, firstKey, endKey)).mul<tf.Tensor3D>(scale),
            dK.add<tf.Tensor3D>(full(tf.matMul(dS, rows, true))),
            dV.add<tf.Tensor3D>(full(tf.matMul(P, dRows, true))),
          ];
        });
        tf.dispose([dK, dV]);
        dK = dKBand;
        dV = dVBand;
        dQ.push(dQBand);
      }
      return [bandsToWhole(dQ), dK, dV];
    });

  return forwardAndBack(q, k, v) as tf.Tensor4D;
}

/** x[…, from:to, …] along `axis`; the whole of it is not copied. */
function timeSlice(x: tf.Tensor3D, axis: 1 | 2, from: number, to: number): tf.Tensor3D {
  if (from === 0 && to === x.shape[axis]) return x;
  return axis === 1
    ? x.slice([0, from, 0], [-1, to - from, -1])
    : x.slice([0, 0, from], [-1, -1, to - from]);
}
