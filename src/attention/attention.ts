/**
 * Softmax attention in plain tensors: scores, mask, softmax, mix.
 *
 *   output = softmax(Q Kᵀ / √Dk + mask) V
 *
 * All N × M scores exist at once; models run blocked-attention.ts, which has the same inputs and
 * results. Which keys a query sees, and the source: definition.ts.
 */
import * as tf from '@tensorflow/tfjs';
import type { PadLengths } from '../layers/padding';
import { checkCount, readShapes } from '../tensor/shapes';
import { type AttentionRule, visibleKeys } from './definition';
import type { QueryBlock } from './query-blocks';

export interface AttentionInputs {
  q: tf.Tensor4D; // [B, N, H, Dk]
  k: tf.Tensor4D; // [B, M, Hkv, Dk]
  v: tf.Tensor4D; // [B, M, Hkv, Dv]
}
export interface AttentionOptions extends AttentionRule {
  padLengths?: PadLengths; // keys at the front of each sequence that hold no token
}
export type AttentionForm = (inputs: AttentionInputs, options?: AttentionOptions) => tf.Tensor4D;

/**
 * q [B, N, H, Dk], k [B, M, Hkv, Dk], v [B, M, Hkv, Dv] → [B, N, H, Dv]; the caller owns it.
 *
 * A query that sees only padding gets finite numbers without meaning. Scores are float32: where
 * q · k overflows (entries around 1e19) the result is NaN, which sampling names as a diverged
 * model; NaN in the inputs stays NaN.
 *
 * @throws RangeError if shapes disagree, Hkv does not divide H, a query would see no key, or an
 * option is not allowed.
 */
export const attention: AttentionForm = (inputs, options = {}) => {
  const { N, M, H, Hkv, Dk } = readAttentionShapes('attention', inputs, options);
  const { scale = Dk ** -0.5 } = options;
  return tf.tidy(() => {
    const q = inputs.q.mul(scale).transpose([0, 2, 1, 3]); // [B, H, N, Dk]
    const k = repeatHeads(inputs.k, H / Hkv).transpose([0, 2, 1, 3]); // [B, H, M, Dk]
    const v = repeatHeads(inputs.v, H / Hkv).transpose([0, 2, 1, 3]); // [B, H, M, Dv]

    const scores = tf.matMul(q, k, false, true); // [B, H, N, M]
    const masked = scores.add(attentionMask(N, M, options)); // [B, H, N, M]
    const weights = tf.softmax(masked); // [B, H, N, M], each row sums to 1
    const mixed = tf.matMul(weights, v); // [B, H, N, Dv]
    return mixed.transpose([0, 2, 1, 3]); // [B, N, H, Dv]
  });
};

/** [B, M, Hkv, D] → [B, M, H, D]: each head `group` times in a row. */
function repeatHeads(x: tf.Tensor4D, group: number): tf.Tensor4D {
  const [B, M, Hkv, D] = x.shape;
  const copies: tf.Tensor4D[] = new Array(group).fill(x);
  return tf.concat(copies, 3).reshape([B, M, Hkv * group, D]);
}

/** So far below every score that the softmax is exactly 0; finite, because ∞ − ∞ is NaN. */
const MASKED_SCORE = -1e38;

/**
 * 0 where a query sees a key, else MASKED_SCORE or less, of all queries and keys or of one block:
 * [N, M], and with padLengths [B, 1, N, M].
 */
export function attentionMask(
  N: number,
  M: number,
  { padLengths, ...rule }: AttentionOptions,
  block: QueryBlock = { start: 0, count: N, firstKey: 0, endKey: M },
): tf.Tensor {
  const { start, count, firstKey, endKey } = block;
  const keys = endKey - firstKey;
  const mask = new Float32Array(count * keys);
  for (let i = 0; i < count; i++) {
    const [first, end] = visibleKeys(start + i, N, M, rule);
    mask.fill(MASKED_SCORE, i * keys, i * keys + first - firstKey);
    mask.fill(MASKED_SCORE, i * keys + end - firstKey, (i + 1) * keys);
  }
  const byPosition = tf.tensor2d(mask, [count, keys]);
  if (!padLengths) return byPosition;

  const padding = new Float32Array(padLengths.length * keys);
  for (const [b, padLength] of padLengths.entries()) {
    const masked = Math.min(keys, Math.max(0, padLength - firstKey));
    padding.fill(MASKED_SCORE, b * keys, b * keys + masked);
  }
  return byPosition.add(tf.tensor4d(padding, [padLengths.length, 1, 1, keys]));
}

/** The sizes of the inputs, for both tiers. @throws RangeError as `attention` says. */
export function readAttentionShapes(
  where: string,
  inputs: AttentionInputs,
  options: AttentionOptions & { queryBlockSize?: number },
) {
  const spec = { q: 'B N H Dk', k: 'B M Hkv Dk', v: 'B M Hkv Dv' } as const;
  const shapes = readShapes(where, spec, { ...inputs });
  const { B, N, M, H, Hkv } = shapes;
  const { causal = true, windowSize, scale = 1, padLengths, queryBlockSize = 1 } = options;
  const refuse = (problem: string): never => {
    throw new RangeError(`${where}: ${problem}`);
  };
  if (N < 1) refuse('q holds 0 queries; give 1 or more.');
  if (M < 1) refuse('k holds 0 keys; give 1 or more.');
  if (H % Hkv !== 0)
    refuse(`q has ${H} heads, k has ${Hkv}; give k and v a number of heads that divides ${H}.`);
  if (causal && N > M)
    refuse(
      `there are ${N} queries, but only ${M} keys; the last query stands at the last key, so ` +
        `the first would see nothing.`,
    );
  if (!causal && windowSize !== undefined)
    refuse(`windowSize is ${windowSize} without causal; a window here is a causal one.`);
  if (!Number.isFinite(scale)) refuse(`scale is ${scale}; give a number (by default 1/√Dk).`);
  checkCount(where, 'windowSize', windowSize ?? 1, 'tokens, the token itself included');
  checkCount(where, 'queryBlockSize', queryBlockSize, 'queries');
  if (padLengths) checkPadding(where, padLengths, B, M);
  return shapes;
}

/** @throws RangeError unless there is one whole number from 0 to `columns` for each sequence. */
export function checkPadding(
  where: string,
  padLengths: PadLengths,
  B: number,
  columns: number,
): void {
  const allowed = (n: number) => Number.isInteger(n) && n >= 0 && n <= columns;
  if (padLengths.length === B && padLengths.every(allowed)) return;
  throw new RangeError(
    `${where}: padLengths is [${padLengths}]; give one whole number from 0 to ${columns} ` +
      `for each of the ${B} sequences.`,
  );
}
