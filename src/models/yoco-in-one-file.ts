/**
 * YOCO in one file: a language model that caches keys and values once, not once per layer.
 *
 *   tokens → embedding → self-decoder (L/2 layers) → K̂, V̂ → cross-decoder (L/2 layers) → logits
 *
 * Each self-decoder layer keeps one state S of constant size. Only K̂ and V̂ grow with the text:
 * made once, from the output of the self-decoder, they are read by all cross-decoder layers.
 * Source: You Only Cache Once, arXiv 2405.05254, equations as numbered on arXiv. What the paper
 * leaves open, and the names of the weights, follow the official code (microsoft/unilm, YOCO).
 * Shapes: B texts, N new tokens, M tokens in K̂ and V̂, H heads, Hkv key/value heads, Dk and Dv
 * features of a head. Memory: the caller owns the tensors that are returned and frees them with
 * tf.dispose. The functions before the class leave temporaries: call them inside tf.tidy.
 */
import * as tf from '@tensorflow/tfjs';

export interface YocoConfig {
  dim: number; // features of a hidden state
  selfLayers: number; // L/2 layers of gated retention
  crossLayers: number; // L/2 layers of cross-attention
  selfHeads: number; // heads of gated retention, each dim / selfHeads wide
  heads: number; // query heads of cross-attention, each dim / heads wide
  kvHeads: number; // heads of K̂ and V̂: heads / kvHeads query heads share one
  ropeTheta: number; // 10000 in the official code
  normEps: number; // 1e-5 in the official code
  gateTemperature: number; // τ in γ = sigmoid(x W_γ)^(1/τ), 16 in the official code
}

/** S [B, H, Dk, Dv] of each self-decoder layer; the one K̂ (rotated) and V̂ [B, M, Hkv, Dk]. */
export type YocoCache = { layers: tf.Tensor[]; global: { k: tf.Tensor; v: tf.Tensor } };

/** x [B, N, H · Dk] → heads [B, H, N, Dk], rotated by Θ (eq. 4): position · θ^(-i / (Dk/2 - 1)). */
function rotary(x: tf.Tensor, H: number, firstPosition: number, theta: number): tf.Tensor {
  const [B, N, dim] = x.shape;
  const pairs = dim / H / 2; // Dk/2
  const angles: number[] = []; // [N, Dk/2], angle i is that of features 2i and 2i + 1
  for (let n = 0; n < N; n++)
    for (let i = 0; i < pairs; i++)
      angles.push((firstPosition + n) * theta ** (-i / Math.max(1, pairs - 1)));
  const cos = tf.tensor(angles.map(Math.cos), [N, pairs]);
  const sin = tf.tensor(angles.map(Math.sin), [N, pairs]);
  const parts = x.reshape([B, N, H, pairs, 2]).transpose([4, 0, 2, 1, 3]); // [2, B, H, N, Dk/2]
  const [a, b] = tf.unstack(parts); // [B, H, N, Dk/2] each
  const rotatedA = a.mul(cos).sub(b.mul(sin)); // [B, H, N, Dk/2]
  const rotatedB = a.mul(sin).add(b.mul(cos)); // [B, H, N, Dk/2]
  const rotated = tf.stack([rotatedA, rotatedB]).transpose([1, 2, 3, 4, 0]); // [B, H, N, Dk/2, 2]
  return rotated.reshape([B, H, N, 2 * pairs]); // [B, H, N, Dk]
}

const swish = (z: tf.Tensor): tf.Tensor => z.mul(z.sigmoid());

// Gated retention in three equal forms: q, k [B, H, N, Dk], v [B, H, N, Dv], logDecay = ln γ
// [B, H, N]. S [B, H, Dk, Dv] is the state before the first token, and returned after the last.
type Inputs = { q: tf.Tensor; k: tf.Tensor; v: tf.Tensor; logDecay: tf.Tensor };

/** Recurrent form (eq. 5), one token: S_n = γ_n S_{n-1} + k_nᵀ v_n, output_n = q_n S_n. */
export function recurrentRetention({ q, k, v, logDecay }: Inputs, S: tf.Tensor) {
  const gamma = logDecay.exp().expandDims(3); // [B, H, 1, 1]
  const state = S.mul(gamma).add(tf.matMul(k, v, true)); // [B, H, Dk, Dv]
  return { output: tf.matMul(q, state), state }; // [B, H, 1, Dv] and [B, H, Dk, Dv]
}

/** Parallel form (eq. 4): output = (Q Kᵀ ⊙ D) V, plus (Q S) ⊙ β from the state before. */
export function parallelRetention({ q, k, v, logDecay }: Inputs, S: tf.Tensor) {
  const [, , N] = q.shape;
  const mask = tf.linalg.bandPart(tf.ones([N, N]), -1, 0); // [N, N], 1 for m ≤ n, else 0
  const gates = logDecay.maximum(-1e30).expandDims(2).mul(mask); // [B, H, N, N], without -∞ · 0
  const logD = tf.cumsum(gates, 3, true, true); // [B, H, N, N], [n,m]: ln γ_{m+1} + … + ln γ_n
  const D = logD.exp().mul(mask); // [B, H, N, N], decay from token m to token n
  const beta = tf.cumsum(logDecay, 2).exp().expandDims(3); // [B, H, N, 1], decay from S to token n
  const decayToEnd = tf.cumsum(logDecay, 2, true, true).exp().expandDims(3); // [B, H, N, 1]
  const totalDecay = logDecay.sum(2, true).exp().expandDims(3); // [B, H, 1, 1], S to the end
  const scores = tf.matMul(q, k, false, true).mul(D); // [B, H, N, N]
  const fromState = tf.matMul(q, S).mul(beta); // [B, H, N, Dv]
  const output = tf.matMul(scores, v).add(fromState); // [B, H, N, Dv]
  const added = tf.matMul(k, v.mul(decayToEnd), true); // [B, H, Dk, Dv]
  return { output, state: S.mul(totalDecay).add(added) };
}

/** Chunkwise form (eq. 6): parallel inside a chunk of c tokens, recurrent between chunks. */
export function chunkwiseRetention({ q, k, v, logDecay }: Inputs, S: tf.Tensor, c = 64) {
  const [, , N] = q.shape;
  const outputs: tf.Tensor[] = [];
  for (let start = 0; start < N; start += c) {
    const cut = (x: tf.Tensor) => x.slice([0, 0, start], [-1, -1, Math.min(c, N - start)]);
    const chunk = { q: cut(q), k: cut(k), v: cut(v), logDecay: cut(logDecay) };
    const result = parallelRetention(chunk, S);
    outputs.push(result.output); // [B, H, c, Dv]
    S = result.state; // [B, H, Dk, Dv]
  }
  return { output: tf.concat(outputs, 2), state: S };
}

export class Yoco {
  readonly weights: Record<string, tf.Tensor> = {}; // by official name; free: tf.dispose(weights)
  constructor(
    readonly config: YocoConfig,
    file: Map<string, { shape: number[]; data: tf.TypedArray }>, // tied tables under both names
  ) {
    for (const [name, { shape, data }] of file) {
      const isMatrix = shape.length === 2 && name !== 'embed_tokens.weight';
      const transposed = () => tf.tensor(data, shape).transpose(); // [out, in] → [in, out]
      this.weights[name] = isMatrix ? tf.tidy(transposed) : tf.tensor(data, shape);
    }
  }

  /** x [B, N, in] → x W [B, N, out], as one product of two matrices. */
  private linear(x: tf.Tensor, name: string): tf.Tensor {
    const [B, N] = x.shape;
    const rows = x.reshape([B * N, -1]); // [B · N, in]
    return rows.matMul(this.weights[`${name}.weight`]).reshape([B, N, -1]);
  }
  /** RMSNorm, the LN of the equations: x / √(mean(x²) + eps), times the weight if it has one. */
  private norm(x: tf.Tensor, name?: string): tf.Tensor {
    const meanSquare = x.square().mean(-1, true); // [..., 1]
    const normed = x.div(meanSquare.add(this.config.normEps).sqrt()); // [..., dim]
    return name ? normed.mul(this.weights[`${name}.weight`]) : normed;
  }
  /** The second half of every layer (eq. 1): Y + SwiGLU(LN(Y)). */
  private feedForward(y: tf.Tensor, name: string): tf.Tensor {
    const normed = this.norm(y, `${name}.final_layer_norm`); // [B, N, dim]
    const gate = swish(this.linear(normed, `${name}.ffn.fc1`)); // [B, N, ffnDim]
    const inner = gate.mul(this.linear(normed, `${name}.ffn.gate`)); // [B, N, ffnDim]
    return y.add(this.linear(inner, `${name}.ffn.fc2`)); // [B, N, dim]
  }
  /** A self-decoder layer: Y = X + gRet(LN(X)) (eqs. 1 and 7), continued from the state S. */
  private selfLayer(x: tf.Tensor, S: tf.Tensor, position: number, name: string) {
    const { selfHeads: H, ropeTheta: theta, gateTemperature } = this.config;
    const [B, N, dim] = x.shape;
    const normed = this.norm(x, `${name}.mixer_layer_norm`); // [B, N, dim]
    const project = (part: string) => this.linear(normed, `${name}.mixer.${part}`);
    const q = rotary(project('q_proj'), H, position, theta); // [B, H, N, Dk]
    const k = rotary(project('k_proj'), H, position, theta).mul((dim / H) ** -0.5); // [B, H, N, Dk]
    const v = tf.transpose(project('v_proj').reshape([B, N, H, -1]), [0, 2, 1, 3]); // [B, H, N, Dv]
    const z = project('gt_proj').transpose([0, 2, 1]); // [B, H, N]
    const logDecay = tf.softplus(z.neg()).div(-gateTemperature); // [B, H, N], ln sigmoid(z) / τ
    const retention = N === 1 ? recurrentRetention : chunkwiseRetention;
    const { output, state } = retention({ q, k, v, logDecay }, S); // [B, H, N, Dv]
    const perHead = this.norm(output).transpose([0, 2, 1, 3]).reshape([B, N, dim]); // [B, N, dim]
    const gated = swish(project('g_proj')).mul(perHead); // [B, N, dim]
    const y = x.add(this.linear(gated, `${name}.mixer.out_proj`)); // [B, N, dim]
    return { x: this.feedForward(y, name), state };
  }
  /** A cross-decoder layer: Y = X + Attention(LN(X) W_Q, K̂, V̂) (eq. 3). Only reads the cache. */
  private crossLayer(x: tf.Tensor, { k, v }: YocoCache['global'], name: string): tf.Tensor {
    const { heads: H, ropeTheta: theta } = this.config;
    const [B, M, Hkv, Dk] = k.shape;
    const [, N] = x.shape; // x stands at the last N of the M positions
    const normed = this.norm(x, `${name}.mixer_layer_norm`); // [B, N, dim]
    const Q = rotary(this.linear(normed, `${name}.mixer.q_proj`), H, M - N, theta); // [B, H, N, Dk]
    const group = H / Hkv; // query heads that share one head of K̂ and V̂
    const K = tf.concat(new Array(group).fill(k.transpose([0, 2, 1, 3])), 2).reshape([B, H, M, Dk]);
    const V = tf.concat(new Array(group).fill(v.transpose([0, 2, 1, 3])), 2).reshape([B, H, M, Dk]);
    const scores = tf.matMul(Q, K, false, true).div(Dk ** 0.5); // [B, H, N, M]
    const causal = tf.linalg.bandPart(tf.ones([N, M]), -1, M - N); // [N, M], 1 for m ≤ n + M - N
    const weights = tf.softmax(scores.add(causal.sub(1).mul(1e30))); // [B, H, N, M]
    const mixed = tf.matMul(weights, V).transpose([0, 2, 1, 3]).reshape(x.shape); // [B, N, dim]
    const y = x.add(this.linear(mixed, `${name}.mixer.out_proj`)); // [B, N, dim]
    return this.feedForward(y, name);
  }
  /** tokens [B][N] → X^{L/2} [B, N, dim] (eq. 1), and a cache with the new S, K̂, V̂ (eq. 2). */
  private runSelfDecoder(tokens: number[][], cache?: YocoCache) {
    const { dim, selfLayers, selfHeads: H, kvHeads: Hkv, ropeTheta } = this.config;
    const [, position] = cache ? cache.global.k.shape : [0, 0]; // of the first new token
    let x = tf.gather(this.weights['embed_tokens.weight'], tokens).mul(dim ** 0.5); // [B, N, dim]
    const layers: tf.Tensor[] = [];
    for (let i = 0; i < selfLayers; i++) {
      const S = cache ? cache.layers[i] : tf.zeros([tokens.length, H, dim / H, dim / H]);
      const next = tf.tidy(() => this.selfLayer(x, S, position, `self_decoder.layers.${i}`));
      x = next.x; // [B, N, dim]
      layers.push(next.state); // [B, H, Dk, Dv]
    }
    const normed = this.norm(x, 'cross_decoder.kv_layer_norm'); // [B, N, dim]
    const newK = rotary(this.linear(normed, 'cross_decoder.k_proj'), Hkv, position, ropeTheta);
    let k = newK.transpose([0, 2, 1, 3]); // [B, N, Hkv, Dk]
    let v = this.linear(normed, 'cross_decoder.v_proj').reshape(k.shape); // [B, N, Hkv, Dk]
    if (cache) k = tf.concat([cache.global.k, k], 1); // [B, M, Hkv, Dk]
    if (cache) v = tf.concat([cache.global.v, v], 1); // [B, M, Hkv, Dk]
    return { x, cache: { layers, global: { k, v } } };
  }
  /** X^{L/2} [B, N, dim] at the last N positions → logits [B, N, vocab]. */
  private runCrossDecoder(x: tf.Tensor, { global }: YocoCache): tf.Tensor {
    for (let i = 0; i < this.config.crossLayers; i++)
      x = tf.tidy(() => this.crossLayer(x, global, `cross_decoder.layers.${i}`)); // [B, N, dim]
    return this.linear(this.norm(x, 'layer_norm'), 'output_projection'); // [B, N, vocab]
  }

  /** Logits [B, N, vocab] at all tokens [B][N]; with a cache, they follow the tokens in it. */
  forward(tokens: number[][], cache?: YocoCache): tf.Tensor {
    return tf.tidy(() => {
      const middle = this.runSelfDecoder(tokens, cache); // N tokens through L/2 layers
      return this.runCrossDecoder(middle.x, middle.cache); // N tokens through L/2 layers
    });
  }
  /** Reads tokens [B][N]: logits [B, vocab] of the next ones, and a new cache; the old stays. */
  prefill(tokens: number[][], cache?: YocoCache): { logits: tf.Tensor; cache: YocoCache } {
    return tf.tidy(() => {
      const middle = this.runSelfDecoder(tokens, cache); // N tokens through L/2 layers
      const last = middle.x.slice([0, tokens[0].length - 1], [-1, 1]); // the early exit [B, 1, dim]
      const logits = this.runCrossDecoder(last, middle.cache); // 1 token through L/2 layers
      return { logits: logits.squeeze([1]), cache: middle.cache };
    });
  }
  /** Decoding: one token of each of the B texts passes through all L layers. */
  step(tokens: number[], cache: YocoCache): { logits: tf.Tensor; cache: YocoCache } {
    const column = tokens.map((token) => [token]); // [B][1]
    return this.prefill(column, cache);
  }
  /** Greedy decoding: continues one text with the likeliest token until it has `length` tokens. */
  generate(text: number[], length: number): number[] {
    let cache: YocoCache | undefined;
    while (text.length < length) {
      const next = cache ? this.step(text.slice(-1), cache) : this.prefill([text]);
      text = [...text, tf.tidy(() => next.logits.argMax(1).dataSync()[0])];
      tf.dispose([next.logits, cache]);
      cache = next.cache;
    }
    tf.dispose(cache);
    return text;
  }
}
