/**
 * YOCO in one file: a language model whose keys and values are cached once, not once per layer.
 *
 *   tokens → embedding → self-decoder (L/2 layers) → K̂, V̂ → cross-decoder (L/2 layers) → logits
 *
 * Each self-decoder layer keeps a state of constant size. Only K̂ and V̂ grow with the text: they
 * are made once, from the output of the self-decoder, and every cross-decoder layer reads them.
 *
 * Source: You Only Cache Once, arXiv 2405.05254; equation numbers are those of arXiv. What the
 * paper leaves open, and the names of the weights, follow the official code (microsoft/unilm).
 *
 * Shapes: B texts, N new tokens, M tokens in K̂ and V̂, H heads, Hkv key/value heads, Dk and Dv
 * features of a head, c tokens of a chunk. Memory: the tensors that an exported function returns
 * belong to the caller, who frees them with tf.dispose.
 */
import * as tf from '@tensorflow/tfjs';

export interface YocoConfig {
  vocabSize: number;
  dim: number; // features of a hidden state
  ffnDim: number; // inner width of SwiGLU
  selfLayers: number; // L/2 layers of gated retention
  crossLayers: number; // L/2 layers of cross-attention
  selfHeads: number; // heads of gated retention, each dim / selfHeads wide
  heads: number; // query heads of cross-attention, each dim / heads wide
  kvHeads: number; // heads of K̂ and V̂; heads / kvHeads query heads share one
  tiedEmbeddings: boolean; // true: the embedding table also computes the logits
  ropeTheta: number; // 10000 in the official code
  normEps: number; // 1e-5 in the official code
  gateTemperature: number; // τ in γ = sigmoid(x W_γ)^(1/τ); 16 in the official code
  chunkSize: number; // tokens of a chunk in the chunkwise form; the result does not depend on it
}

/** What is kept between two calls. No call changes a cache: each returns a new one. */
export type YocoCache = {
  length: number; // tokens read so far, also the position of the next token
  layers: tf.Tensor[]; // the state S [B, H, Dk, Dv] of each self-decoder layer
  global?: { k: tf.Tensor; v: tf.Tensor }; // K̂ and V̂ [B, M, Hkv, Dk], K̂ already rotated
};

// ---------- Parts of a layer. The caller's tf.tidy frees what they leave behind. ----------

/** RMSNorm, the LN of the equations: x / √(mean(x²) + eps), over the last axis. */
function rmsNorm(x: tf.Tensor, eps: number): tf.Tensor {
  const meanSquare = x.square().mean(-1, true); // [..., 1]
  return x.div(meanSquare.add(eps).sqrt()); // [..., dim]
}

/** swish(z) = z · sigmoid(z) */
function swish(z: tf.Tensor): tf.Tensor {
  return z.mul(z.sigmoid());
}

/** Rotary position, Θ of eq. 4: features 2i and 2i + 1 rotate by position · θ^(-i / (Dk/2 - 1)). */
function rotary(x: tf.Tensor, firstPosition: number, theta: number): tf.Tensor {
  const [B, N, H, Dk] = x.shape;
  const angles = tf.buffer([N, 1, Dk / 2]);
  for (let n = 0; n < N; n++) {
    for (let i = 0; i < Dk / 2; i++) {
      const frequency = theta ** (-i / Math.max(1, Dk / 2 - 1)); // both 1 and 1/θ occur
      angles.set((firstPosition + n) * frequency, n, 0, i);
    }
  }
  const cos = angles.toTensor().cos(); // [N, 1, Dk/2]
  const sin = angles.toTensor().sin(); // [N, 1, Dk/2]
  const [a, b] = tf.unstack(x.reshape([B, N, H, Dk / 2, 2]), 4); // each [B, N, H, Dk/2]
  const rotatedA = a.mul(cos).sub(b.mul(sin)); // [B, N, H, Dk/2]
  const rotatedB = a.mul(sin).add(b.mul(cos)); // [B, N, H, Dk/2]
  return tf.stack([rotatedA, rotatedB], 4).reshape([B, N, H, Dk]);
}

/** [N, M], true where a query sees a key. The last query stands at the last key. */
function causalMask(N: number, M: number): tf.Tensor {
  const queryPositions = tf.range(M - N, M).reshape([N, 1]);
  const keyPositions = tf.range(0, M).reshape([1, M]);
  return keyPositions.lessEqual(queryPositions); // [N, M]
}

/** [B, M, Hkv, Dk] → [B, M, H, Dk]: each head H / Hkv times in a row. */
function repeatHeads(x: tf.Tensor, H: number): tf.Tensor {
  const [B, M, Hkv, Dk] = x.shape;
  const copies: tf.Tensor[] = new Array(H / Hkv).fill(x);
  return tf.concat(copies, 3).reshape([B, M, H, Dk]);
}

/** softmax(Q Kᵀ / √Dk) V: q [B, N, H, Dk], k and v [B, M, Hkv, Dk] → [B, N, H, Dk]. */
function attention(q: tf.Tensor, k: tf.Tensor, v: tf.Tensor): tf.Tensor {
  const [, N, H, Dk] = q.shape;
  const Q = q.transpose([0, 2, 1, 3]); // [B, H, N, Dk]
  const K = repeatHeads(k, H).transpose([0, 2, 1, 3]); // [B, H, M, Dk]
  const V = repeatHeads(v, H).transpose([0, 2, 1, 3]); // [B, H, M, Dk]
  const scores = tf.matMul(Q, K, false, true).div(Math.sqrt(Dk)); // [B, H, N, M]
  const masked = tf.where(causalMask(N, k.shape[1]), scores, -1e30); // [B, H, N, M]
  const weights = tf.softmax(masked); // [B, H, N, M], each row sums to 1
  return tf.matMul(weights, V).transpose([0, 2, 1, 3]); // [B, N, H, Dk]
}

// ---------- Gated retention in three equal forms. S is the state before the first token. ----------

export interface RetentionInputs {
  q: tf.Tensor; // [B, H, N, Dk]
  k: tf.Tensor; // [B, H, N, Dk]
  v: tf.Tensor; // [B, H, N, Dv]
  logDecay: tf.Tensor; // [B, H, N], ln γ
}
export type Retention = { output: tf.Tensor; S: tf.Tensor }; // [B, H, N, Dv] and [B, H, Dk, Dv]

/** Recurrent form (eq. 5): S_n = γ_n S_{n-1} + k_nᵀ v_n, output_n = q_n S_n. */
export function recurrentRetention(inputs: RetentionInputs, S: tf.Tensor): Retention {
  return tf.tidy(() => {
    const tokens = intoChunks(inputs, 1);
    const outputs: tf.Tensor[] = [];
    for (const { q, k, v, logDecay } of tokens) {
      const gamma = logDecay.exp().expandDims(3); // [B, H, 1, 1]
      S = S.mul(gamma).add(tf.matMul(k, v, true)); // [B, H, Dk, Dv]
      outputs.push(tf.matMul(q, S)); // [B, H, 1, Dv]
    }
    return { output: tf.concat(outputs, 2), S: S };
  });
}

/** D [B, H, N, N] (eq. 4): D[n,m] = γ_{m+1} ⋯ γ_n for m ≤ n, else 0. */
export function decayMatrix(logDecay: tf.Tensor): tf.Tensor {
  return tf.tidy(() => {
    const N = logDecay.shape[2];
    const mask = causalMask(N, N); // [N, N]
    const upToN = tf.where(mask, logDecay.expandDims(2), 0); // [B, H, N, N], row n: ln γ_1 … ln γ_n
    const logD = tf.cumsum(upToN, 3, true, true); // [B, H, N, N], sums of the columns m+1 … n
    return tf.where(mask, logD.exp(), 0); // masked before exp too: above the diagonal logD is 0
  });
}

/** Parallel form (eq. 4): output = (Q Kᵀ ⊙ D) V, here with a state before the first token. */
export function parallelRetention(inputs: RetentionInputs, S: tf.Tensor): Retention {
  return tf.tidy(() => {
    const { q, k, v, logDecay } = inputs;
    const D = decayMatrix(logDecay); // [B, H, N, N], decay from token m to token n
    const beta = tf.cumsum(logDecay, 2).exp().expandDims(3); // [B, H, N, 1], from S to token n
    const decayToEnd = tf.cumsum(logDecay, 2, true, true).exp().expandDims(3); // [B, H, N, 1]
    const total = logDecay.sum(2, true).exp().expandDims(3); // [B, H, 1, 1], from S to the end

    const scores = tf.matMul(q, k, false, true).mul(D); // [B, H, N, N]
    const fromTheseTokens = tf.matMul(scores, v); // [B, H, N, Dv]
    const fromState = tf.matMul(q, S).mul(beta); // [B, H, N, Dv]
    const added = tf.matMul(k, v.mul(decayToEnd), true); // [B, H, Dk, Dv]
    return { output: fromTheseTokens.add(fromState), S: S.mul(total).add(added) };
  });
}

/** Chunkwise form (eq. 6): parallel inside a chunk of c tokens, recurrent between chunks. */
export function chunkwiseRetention(inputs: RetentionInputs, S: tf.Tensor, c: number): Retention {
  return tf.tidy(() => {
    const outputs: tf.Tensor[] = [];
    for (const chunk of intoChunks(inputs, c)) {
      const result = parallelRetention(chunk, S);
      outputs.push(result.output); // [B, H, c, Dv]
      S = result.S; // [B, H, Dk, Dv]
    }
    return { output: tf.concat(outputs, 2), S: S };
  });
}
