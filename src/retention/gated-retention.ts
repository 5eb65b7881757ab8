/**
 * The gated retention layer: YOCO's self-decoder mixer, from hidden states to hidden states.
 *
 *   q, k, v, z = x W_Q, x W_K, x W_V, x W_γ        q and k turned by position, k times Dk^-½
 *   γ = σ(z)^(1/τ)                                  what each head forgets, read from the text
 *   Y = norm per head (retention(q, k, v, γ))
 *   out = (swish(x W_G) ⊙ Y) W_O
 *
 * Two gates, easily confused: γ (one number per head and token) decides what stays in memory, swish(x W_G) (one per
 * feature) decides what of the answer is let through.
 *
 * The norm brings every head to the same loudness, whatever its memory holds. It also makes the factor Dk^-½ vanish, but
 * for eps; no norm has weights here.
 *
 * Source: YOCO, arXiv 2405.05254, "multi-head gated retention" (arXiv eq. 7, NeurIPS eq. 8); official `gate_retention.py`.
 * With `decay: 'fixed'` γ is RetNet's constant per head, and there is no W_γ.
 */
import * as tf from '@tensorflow/tfjs';
import { Linear } from '../layers/linear';
import type { TokenMixer } from '../layers/mixer';
import { firstPositions, type Padding } from '../layers/padding';
import { type ParameterScope, xavierUniform } from '../layers/parameters';
import { rmsNorm } from '../layers/rms-norm';
import { type RotaryFrequencies, rotary } from '../layers/rotary';
import { checkCount } from '../tensor/shapes';
import { fixedLogDecay, gateLogDecay, retNetGammas } from './decay';
import { formNamed, forms, type RetentionFormName } from './forms';
import { checkPiece, joinHeads, splitHeads } from './heads';
import { withoutTrace } from './mask-padding';
import { RetentionState } from './retention-state';
import { DEFAULT_CHUNK_SIZE } from './types';

export interface GatedRetentionOptions {
  dim: number;
  /** Each dim / heads wide, for keys and values alike. */
  heads: number;
  /** `gated`: γ from the input (YOCO). `fixed`: one constant per head (RetNet). */
  decay?: 'gated' | 'fixed';
  /** τ; only the gated decay has one. */
  gateTemperature?: number;
  /** Keys times Dk^-½, as in the official code; the paper's formula has no scale. */
  keyScale?: boolean;
  ropeTheta?: number;
  rotaryFrequencies?: RotaryFrequencies;
  normEps?: number;
  /** Which of the three equal forms computes a piece of several tokens. One token takes the recurrent form. */
  form?: RetentionFormName;
  chunkSize?: number;
}

/** Everything between x and out, by name: what a lesson draws and a test compares. */
export interface GatedRetentionSteps {
  /** [B,H,N,Dk], turned; k before its scale. */
  rotatedQ: tf.Tensor4D;
  rotatedK: tf.Tensor4D;
  /** [B,H,N,Dv] */
  v: tf.Tensor4D;
  /** ln γ [B,H,N]: exp of it is what each head keeps at each token. */
  logDecay: tf.Tensor3D;
  /** [B,H,N,Dv], before the norm. */
  retention: tf.Tensor4D;
  /** [B,N,dim], each head normed, heads side by side. */
  normed: tf.Tensor3D;
  /** x W_G [B,N,dim], before swish. */
  outputGate: tf.Tensor3D;
  /** swish(outputGate) ⊙ normed [B,N,dim] */
  gated: tf.Tensor3D;
  /** [B,N,dim] */
  out: tf.Tensor3D;
}

const inner = xavierUniform(2 ** -2.5);
const defaults = {
  decay: 'gated',
  gateTemperature: 16,
  keyScale: true,
  ropeTheta: 10_000,
  rotaryFrequencies: 'end-point',
  normEps: 1e-5,
  form: 'chunkwise',
  chunkSize: DEFAULT_CHUNK_SIZE,
} as const;

export class GatedRetention implements TokenMixer<RetentionState> {
  readonly options: Required<GatedRetentionOptions>;
  private readonly q: Linear;
  private readonly k: Linear;
  private readonly v: Linear;
  private readonly g: Linear;
  /** W_γ; none if the decay is fixed. */
  private readonly gt?: Linear;
  private readonly out: Linear;

  /** @throws RangeError if `heads` does not divide `dim` or an option is no number of its kind. */
  constructor(scope: ParameterScope, options: GatedRetentionOptions) {
    this.options = { ...defaults, ...options };
    const { dim, heads, decay, form, chunkSize } = this.options;
    formNamed('GatedRetention', forms, form);
    checkCount('GatedRetention', 'heads', heads, 'heads');
    checkCount('GatedRetention', 'chunkSize', chunkSize, 'tokens');
    if (!Number.isInteger(dim / heads) || (dim / heads) % 2 !== 0)
      throw new RangeError(
        `GatedRetention: dim is ${dim} and heads is ${heads}; each head needs a whole, even number of features (rotary positions turn pairs).`,
      );
    this.q = new Linear(scope.within('q_proj'), dim, dim, inner);
    this.k = new Linear(scope.within('k_proj'), dim, dim, inner);
    this.v = new Linear(scope.within('v_proj'), dim, dim, inner);
    this.g = new Linear(scope.within('g_proj'), dim, dim, inner);
    if (decay === 'gated') this.gt = new Linear(scope.within('gt_proj'), dim, heads, inner);
    this.out = new Linear(scope.within('out_proj'), dim, dim, xavierUniform(2 ** -1));
  }

  newMemory(batch: number): RetentionState {
    const { dim, heads } = this.options;
    return new RetentionState({ batch, heads, keyDim: dim / heads, valueDim: dim / heads });
  }

  /** x [B,N,dim], already normed → [B,N,dim]. The caller owns it; the memory, if given, has moved on by N tokens. */
  mix(x: tf.Tensor3D, memory?: RetentionState, padding?: Padding): tf.Tensor3D {
    return tf.tidy(() => this.compute(x, memory, padding).out);
  }

  /** The same, with every step on the way. The caller owns them all. */
  explain(x: tf.Tensor3D, memory?: RetentionState): GatedRetentionSteps {
    return tf.tidy(() => ({ ...this.compute(x, memory) }));
  }

  private compute(x: tf.Tensor3D, memory?: RetentionState, padding?: Padding): GatedRetentionSteps {
    const { dim, heads, keyScale, ropeTheta, rotaryFrequencies, normEps, form, chunkSize } =
      this.options;
    const { B, N } = checkPiece('GatedRetention', x, dim, memory);
    const start = firstPositions(memory?.lengths ?? new Array<number>(B).fill(0), padding);
    const turn = (y: tf.Tensor4D) =>
      rotary(y, start, { style: 'interleaved', frequencies: rotaryFrequencies, theta: ropeTheta });

    const rotatedQ = splitHeads(this.q.apply(x), heads, turn);
    const rotatedK = splitHeads(this.k.apply(x), heads, turn);
    const v = splitHeads(this.v.apply(x), heads);
    const logDecay = this.logDecay(x);

    const retain = N === 1 ? forms.recurrent : forms[form];
    const k = keyScale ? rotatedK.mul<tf.Tensor4D>((dim / heads) ** -0.5) : rotatedK;
    const { output: retention, state } = retain(
      withoutTrace({ q: rotatedQ, k, v, logDecay }, padding),
      { initialState: memory?.state, chunkSize },
    );

    const normed = joinHeads(rmsNorm(retention, normEps));
    const outputGate = this.g.apply(x);
    const gated = outputGate.mul(outputGate.sigmoid()).mul<tf.Tensor3D>(normed);
    const out = this.out.apply(gated);
    memory?.advance(state, N, padding);
    return { rotatedQ, rotatedK, v, logDecay, retention, normed, outputGate, gated, out };
  }

  /** [B,N,dim] → ln γ [B,H,N]. */
  private logDecay(x: tf.Tensor3D): tf.Tensor3D {
    const [B, N] = x.shape;
    if (!this.gt) return fixedLogDecay(retNetGammas(this.options.heads), B, N);
    return gateLogDecay(this.gt.apply(x), this.options.gateTemperature).transpose<tf.Tensor3D>([
      0, 2, 1,
    ]);
  }
}
