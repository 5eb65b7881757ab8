/**
 * The gated retention layer: the mixer of YOCO's self-decoder.
 *
 *   Q, K, V, z = x W_Q, x W_K, x W_V, x W_γ   Q and K rotated by position, K times Dk^-½
 *   γ = σ(z)^(1/τ)                             the decay of each head, computed from the text
 *   Y = norm of each head of retention(Q, K, V, γ)
 *   output = (swish(x W_G) ⊙ Y) W_O
 *
 * There are two gates. γ, one number for each head and token, decides how much of the state is
 * kept. swish(x W_G), one number for each feature, decides how much of the result is passed on.
 *
 * The norm gives all heads the same scale, whatever their states hold. It cancels the factor Dk^-½
 * up to eps. It has no weights.
 *
 * Source: YOCO, arXiv 2405.05254, multi-head gated retention (arXiv eq. 7, NeurIPS 8); official
 * `gate_retention.py`. With `decay: 'fixed'` γ is RetNet's constant of each head, without W_γ.
 */
import * as tf from '@tensorflow/tfjs';
import { rotaryFor } from '../layers/fast-rotary';
import { mergeHeads, splitHeads } from '../layers/heads';
import { Linear } from '../layers/linear';
import type { Implementation, TokenMixer } from '../layers/mixer';
import { firstPositions, type PadLengths } from '../layers/padding';
import { type ParameterScope, xavierUniform } from '../layers/parameters';
import { rmsNorm } from '../layers/rms-norm';
import { type RotaryFrequencies, YOCO_ROTARY } from '../layers/rotary';
import { swiglu } from '../layers/swiglu';
import { checkCount, readShapes } from '../tensor/shapes';
import { fixedLogDecay, gateLogDecay, retNetGammas } from './decay';
import { checkFormName, forms, type RetentionFormName } from './forms';
import { DEFAULT_CHUNK_SIZE, type RetentionInputs, type RetentionResult } from './retention-form';
import { RetentionState } from './retention-state';

export interface GatedRetentionOptions {
  dim: number;
  heads: number;
  /** Width of the values of all heads together; as wide as the keys in YOCO: `dim`. */
  valueDim?: number;
  /** `gated`: γ from the input (YOCO). `fixed`: one constant per head (RetNet). */
  decay?: 'gated' | 'fixed';
  /** τ; only the gated decay has one. */
  gateTemperature?: number;
  /** Keys times Dk^-½, as in the official code; the paper's formula has no scale. */
  keyScale?: boolean;
  ropeTheta?: number;
  rotaryFrequencies?: RotaryFrequencies;
  normEps?: number;
  /** The form that computes several tokens. A single token takes the recurrent form. */
  form?: RetentionFormName;
  chunkSize?: number;
  implementation?: Implementation;
}

/** What the layer computes on the way from x to out. */
export type GatedRetentionIntermediates = {
  rotatedQ: tf.Tensor4D; // [B, H, N, Dk]
  rotatedK: tf.Tensor4D; // [B, H, N, Dk], before its scale
  v: tf.Tensor4D; // [B, H, N, Dv]
  logDecay: tf.Tensor3D; // [B, H, N], ln γ
  retention: tf.Tensor4D; // [B, H, N, Dv], before the norm
  normed: tf.Tensor3D; // [B, N, H · Dv], the normed heads side by side
  outputGate: tf.Tensor3D; // [B, N, H · Dv], x W_G before swish
  gated: tf.Tensor3D; // [B, N, H · Dv], swish(outputGate) ⊙ normed
  out: tf.Tensor3D; // [B, N, dim]
};

export class GatedRetention implements TokenMixer<RetentionState> {
  readonly options: Required<GatedRetentionOptions>;
  private readonly q: Linear;
  private readonly k: Linear;
  private readonly v: Linear;
  private readonly g: Linear;
  private readonly gt?: Linear; // W_γ; absent if the decay is fixed
  private readonly out: Linear;

  /** @throws RangeError if `heads` does not divide `dim` into even parts, or for a wrong option. */
  constructor(scope: ParameterScope, options: GatedRetentionOptions) {
    this.options = {
      valueDim: options.dim,
      decay: 'gated',
      gateTemperature: 16,
      keyScale: true,
      ropeTheta: YOCO_ROTARY.theta,
      rotaryFrequencies: YOCO_ROTARY.frequencies,
      normEps: 1e-5,
      form: 'chunkwise',
      chunkSize: DEFAULT_CHUNK_SIZE,
      implementation: 'fast',
      ...options,
    };
    const { dim, heads, valueDim, decay, form, chunkSize } = this.options;
    const where = this.constructor.name;
    checkFormName(where, form);
    checkCount(where, 'heads', heads, 'heads');
    checkCount(where, 'chunkSize', chunkSize, 'tokens');
    const evenKeys = dim >= 2 && (dim / heads) % 2 === 0;
    if (!evenKeys || !(valueDim >= 1 && valueDim % heads === 0))
      throw new RangeError(
        `${where}: dim is ${dim}, valueDim is ${valueDim} and heads is ${heads}; each head ` +
          `needs a whole number of features, for keys an even one (rotary rotates pairs).`,
      );
    const init = xavierUniform(2 ** -2.5);
    this.q = new Linear(scope.within('q_proj'), dim, dim, init);
    this.k = new Linear(scope.within('k_proj'), dim, dim, init);
    this.v = new Linear(scope.within('v_proj'), dim, valueDim, init);
    this.g = new Linear(scope.within('g_proj'), dim, valueDim, init);
    if (decay === 'gated') this.gt = new Linear(scope.within('gt_proj'), dim, heads, init);
    this.out = new Linear(scope.within('out_proj'), valueDim, dim, xavierUniform(2 ** -1));
  }

  newCache(batch: number): RetentionState {
    const { dim, heads, valueDim } = this.options;
    return new RetentionState({ batch, heads, keyDim: dim / heads, valueDim: valueDim / heads });
  }

  /** x [B, N, dim], already normed → [B, N, dim]. @throws RangeError if a shape differs. */
  forward(x: tf.Tensor3D, cache?: RetentionState, padLengths?: PadLengths): tf.Tensor3D {
    return tf.tidy(() => this.forwardWithIntermediates(x, cache, padLengths).out);
  }

  /** The same, with all that is computed on the way. The caller owns all of it. */
  forwardWithIntermediates(
    x: tf.Tensor3D,
    cache?: RetentionState,
    padLengths?: PadLengths,
  ): GatedRetentionIntermediates {
    const { dim, heads, ropeTheta, rotaryFrequencies, implementation } = this.options;
    const spec = { x: 'B N dim', cache: 'B H Dk Dv' } as const;
    const { B, N } = readShapes(this.constructor.name, spec, { x, cache: cache?.state });
    checkCount(this.constructor.name, 'N', N, 'tokens');
    const start = firstPositions(cache?.lengths ?? new Array<number>(B).fill(0), padLengths);
    const rotary = rotaryFor(implementation);
    const rotaryOptions = { ...YOCO_ROTARY, frequencies: rotaryFrequencies, theta: ropeTheta };

    return tf.tidy(() => {
      const q = splitHeads(this.q.forward(x), heads); // [B, N, H, Dk]
      const k = splitHeads(this.k.forward(x), heads); // [B, N, H, Dk]
      const rotatedQ = swapHeadsAndTime(rotary(q, start, rotaryOptions)); // [B, H, N, Dk]
      const rotatedK = swapHeadsAndTime(rotary(k, start, rotaryOptions)); // [B, H, N, Dk]
      const v = swapHeadsAndTime(splitHeads(this.v.forward(x), heads)); // [B, H, N, Dv]
      const logDecay = this.logDecay(x); // [B, H, N]

      const keyScale = this.options.keyScale ? (dim / heads) ** -0.5 : 1;
      const scaledK: tf.Tensor4D = rotatedK.mul(keyScale); // [B, H, N, Dk]
      let inputs: RetentionInputs = { q: rotatedQ, k: scaledK, v, logDecay };
      if (padLengths) inputs = maskPadding(inputs, padLengths);
      const result = this.retain(inputs, cache);

      const retention = result.output; // [B, H, N, Dv]
      const perHead = rmsNorm(retention, this.options.normEps); // [B, H, N, Dv]
      const normed = mergeHeads(swapHeadsAndTime(perHead)); // [B, N, H · Dv]
      const outputGate = this.g.forward(x); // [B, N, H · Dv]
      const gated = swiglu(outputGate, normed); // [B, N, H · Dv]
      const out = this.out.forward(gated); // [B, N, dim]
      cache?.advance(result.state, N, padLengths);
      return { rotatedQ, rotatedK, v, logDecay, retention, normed, outputGate, gated, out };
    });
  }

  /** The retention of all heads; RetNet's layer replaces it. */
  protected retain(inputs: RetentionInputs, cache?: RetentionState): RetentionResult {
    const { form, chunkSize } = this.options;
    const chosen = inputs.q.shape[2] === 1 ? forms.recurrent : forms[form];
    return chosen(inputs, { initialState: cache?.state, chunkSize });
  }

  /** x [B, N, dim] → ln γ [B, H, N]. */
  private logDecay(x: tf.Tensor3D): tf.Tensor3D {
    const [B, N] = x.shape;
    if (!this.gt) return fixedLogDecay(retNetGammas(this.options.heads), B, N);
    const logDecay = gateLogDecay(this.gt.forward(x), this.options.gateTemperature); // [B, N, H]
    return logDecay.transpose([0, 2, 1]);
  }
}

/** [B, N, H, D] → [B, H, N, D], and back. */
const swapHeadsAndTime = (x: tf.Tensor4D): tf.Tensor4D => x.transpose([0, 2, 1, 3]);

/**
 * The inputs with k = 0 and ln γ = 0 at padded positions, so that they leave the state as it was:
 * S_n = γ_n S_{n−1} + K_nᵀ V_n becomes S_n = S_{n−1}. The caller owns the new tensors.
 *
 * Both are needed. With zero keys alone the padding would still decay the state: not visible in a
 * first prompt, where the state is zero, but wrong in every later turn. The official code masks
 * both too, when it pads to a multiple of the chunk.
 */
export function maskPadding(inputs: RetentionInputs, padLengths: PadLengths): RetentionInputs {
  const [B, , N] = inputs.k.shape;
  const isToken = new Uint8Array(B * N);
  for (let row = 0; row < B; row++) isToken.fill(1, row * N + padLengths[row], (row + 1) * N);
  return tf.tidy(() => {
    const mask = tf.tensor3d(isToken, [B, 1, N], 'bool');
    const k: tf.Tensor4D = inputs.k.mul(mask.reshape([B, 1, N, 1]).cast('float32'));
    // where, not a product: −∞ · 0 is NaN.
    const logDecay: tf.Tensor3D = tf.where(mask, inputs.logDecay, 0);
    return { ...inputs, k, logDecay };
  });
}
