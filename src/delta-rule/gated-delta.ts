/**
 * The gated delta layer: a self-decoder whose state corrects itself.
 *
 *   Q, K, V, z, b = x W_Q, x W_K, x W_V, x W_γ, x W_β    each head of Q and K divided by its length
 *   γ = σ(z)^(1/τ), β = σ(b)                             how much stays, how much is corrected
 *   Y = norm of each head of the gated delta rule of Q, K, V, β, γ
 *   output = (swish(x W_G) ⊙ Y) W_O
 *
 * It is the gated retention layer with three differences. Keys have length 1, so that β is the
 * share of what a key finds that is replaced. There is a second gate, β. And there is no rotation:
 * the order of the tokens is in the recurrence, which overwrites.
 *
 * The cache is a retention state: one matrix for each head, whatever the length of the text.
 *
 * Source: Yang et al., Gated Delta Networks, arXiv 2412.06464; flash-linear-attention's YOCO takes
 * this mixer by default. Differs from them: γ is YOCO's gate, and there is no short convolution
 * before the keys, queries and values.
 */
import * as tf from '@tensorflow/tfjs';
import { mergeHeads, splitHeads } from '../layers/heads';
import { Linear } from '../layers/linear';
import type { TokenMixer } from '../layers/mixer';
import type { PadLengths } from '../layers/padding';
import { type ParameterScope, xavierUniform } from '../layers/parameters';
import { rmsNorm } from '../layers/rms-norm';
import { swiglu } from '../layers/swiglu';
import { gateLogDecay } from '../retention/decay';
import { maskPadding } from '../retention/gated-retention';
import { DEFAULT_CHUNK_SIZE } from '../retention/retention-form';
import { RetentionState } from '../retention/retention-state';
import { checkCount, readShapes } from '../tensor/shapes';
import { chunkwiseGatedDelta } from './chunkwise';
import type { GatedDeltaForm, GatedDeltaInputs } from './delta-form';
import { recurrentGatedDelta } from './recurrent';

export interface GatedDeltaOptions {
  dim: number;
  heads: number;
  /** τ of the gate γ. */
  gateTemperature?: number;
  normEps?: number;
  /** The form that computes several tokens. A single token takes the recurrent form. */
  form?: 'parallel' | 'recurrent' | 'chunkwise';
  chunkSize?: number;
}

export class GatedDelta implements TokenMixer<RetentionState> {
  readonly options: Required<GatedDeltaOptions>;
  private readonly q: Linear;
  private readonly k: Linear;
  private readonly v: Linear;
  private readonly g: Linear;
  private readonly gt: Linear; // W_γ
  private readonly b: Linear; // W_β
  private readonly out: Linear;

  /** @throws RangeError if `heads` does not divide `dim`, or for a wrong option. */
  constructor(scope: ParameterScope, options: GatedDeltaOptions) {
    this.options = {
      gateTemperature: 16,
      normEps: 1e-5,
      form: 'chunkwise',
      chunkSize: DEFAULT_CHUNK_SIZE,
      ...options,
    };
    const { dim, heads, chunkSize } = this.options;
    checkCount('GatedDelta', 'heads', heads, 'heads');
    checkCount('GatedDelta', 'chunkSize', chunkSize, 'tokens');
    if (!(dim >= 1 && dim % heads === 0))
      throw new RangeError(
        `GatedDelta: dim is ${dim} and heads is ${heads}; each head needs a whole number of ` +
          'features.',
      );
    const init = xavierUniform(2 ** -2.5);
    this.q = new Linear(scope.within('q_proj'), dim, dim, init);
    this.k = new Linear(scope.within('k_proj'), dim, dim, init);
    this.v = new Linear(scope.within('v_proj'), dim, dim, init);
    this.g = new Linear(scope.within('g_proj'), dim, dim, init);
    this.gt = new Linear(scope.within('gt_proj'), dim, heads, init);
    this.b = new Linear(scope.within('b_proj'), dim, heads, init);
    this.out = new Linear(scope.within('out_proj'), dim, dim, xavierUniform(2 ** -1));
  }

  newCache(batch: number): RetentionState {
    const { dim, heads } = this.options;
    return new RetentionState({ batch, heads, keyDim: dim / heads, valueDim: dim / heads });
  }

  /** x [B, N, dim], already normed → [B, N, dim]. @throws RangeError if a shape differs. */
  forward(x: tf.Tensor3D, cache?: RetentionState, padLengths?: PadLengths): tf.Tensor3D {
    const spec = { x: 'B N dim', cache: 'B H Dk Dv' } as const;
    const { N } = readShapes('GatedDelta', spec, { x, cache: cache?.state });
    checkCount('GatedDelta', 'N', N, 'tokens');

    return tf.tidy(() => {
      const read = this.inputs(x);
      // Padding has zero keys and ln γ = 0: it adds nothing at no key, and nothing fades.
      const inputs = padLengths ? { ...read, ...maskPadding(read, padLengths) } : read;
      const { output, state } = this.formFor(N)(inputs, {
        initialState: cache?.state,
        chunkSize: this.options.form === 'parallel' ? N : this.options.chunkSize,
      });

      const perHead = rmsNorm(output, this.options.normEps); // [B, H, N, D]
      const normed = mergeHeads(perHead.transpose([0, 2, 1, 3])); // [B, N, dim]
      const gated = swiglu(this.g.forward(x), normed); // [B, N, dim]
      const out = this.out.forward(gated); // [B, N, dim]
      cache?.advance(state, N, padLengths);
      return out;
    });
  }

  /** x [B, N, dim] → what the rule needs of it. The caller owns the tensors. */
  inputs(x: tf.Tensor3D): GatedDeltaInputs {
    const { heads, gateTemperature } = this.options;
    const byHead = (y: tf.Tensor3D): tf.Tensor4D => splitHeads(y, heads).transpose([0, 2, 1, 3]);
    return tf.tidy(() => {
      const beta = this.b.forward(x).sigmoid(); // [B, N, H]
      const logDecay = gateLogDecay(this.gt.forward(x), gateTemperature); // [B, N, H]
      return {
        q: unitLength(byHead(this.q.forward(x))), // [B, H, N, D]
        k: unitLength(byHead(this.k.forward(x))), // [B, H, N, D]
        v: byHead(this.v.forward(x)), // [B, H, N, D]
        beta: beta.transpose<tf.Tensor3D>([0, 2, 1]), // [B, H, N]
        logDecay: logDecay.transpose<tf.Tensor3D>([0, 2, 1]), // [B, H, N]
      };
    });
  }

  private formFor(N: number): GatedDeltaForm {
    return N === 1 || this.options.form === 'recurrent' ? recurrentGatedDelta : chunkwiseGatedDelta;
  }
}

/** x / √(Σ x² + 1e-6) over the last axis; a vector of zeros stays zeros. */
export const unitLength = <T extends tf.Tensor>(x: T): T =>
  tf.tidy(() => x.mul(x.square().sum(-1, true).add(1e-6).rsqrt()) as T);
