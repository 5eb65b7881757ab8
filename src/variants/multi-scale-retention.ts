/**
 * RetNet's multi-scale retention layer, the parent of gated retention.
 *
 *   q, k, v = x W_Q, x W_K, x W_V                  q and k turned by position, k times Dk^-½
 *   γ_h = 1 − 2^(−5−h)                             one fixed decay per head: short, middle and long memories side by side
 *   out = (swish(x W_G) ⊙ norm per head (retention(q, k, v, γ))) W_O
 *
 * What gated retention changed: γ comes from the text, values are as wide as keys (here up to twice as wide), and the
 * score normalisation is gone (`score-normalisation.ts`; choose with `normalisation`).
 *
 * Source: RetNet, arXiv 2307.08621, "gated multi-scale retention"; torchscale `multiscale_retention.py`.
 */
import * as tf from '@tensorflow/tfjs';
import { Linear } from '../layers/linear';
import type { TokenMixer } from '../layers/mixer';
import type { Padding } from '../layers/padding';
import { type ParameterScope, xavierUniform } from '../layers/parameters';
import { rmsNorm } from '../layers/rms-norm';
import { rotary, YOCO_ROTARY } from '../layers/rotary';
import { fixedLogDecay, retNetGammas } from '../retention/decay';
import { formNamed, forms, type RetentionFormName } from '../retention/forms';
import { checkPiece, joinHeads, splitHeads } from '../retention/heads';
import { RetentionState } from '../retention/retention-state';
import { DEFAULT_CHUNK_SIZE } from '../retention/types';
import { checkCount } from '../tensor/shapes';
import { normalisedForms } from './score-normalisation';

export interface MultiScaleRetentionOptions {
  dim: number;
  /** Width of all values together; twice `dim` in the paper. */
  valueDim?: number;
  heads: number;
  /** One γ per head; RetNet's 1 − 2^(−5−h) by default. */
  gammas?: readonly number[];
  /** `scores`: divide as torchscale does before the norm; `none`: the plain formula. */
  normalisation?: 'scores' | 'none';
  ropeTheta?: number;
  normEps?: number;
  /** Computes every piece, single tokens included: with score normalisation the forms differ up to the norm's eps. */
  form?: RetentionFormName;
  chunkSize?: number;
}

/** Everything between x and out, by name. */
export interface MultiScaleRetentionSteps {
  /** [B,H,N,Dk], turned; k before its scale. */
  rotatedQ: tf.Tensor4D;
  rotatedK: tf.Tensor4D;
  /** [B,H,N,Dv] */
  v: tf.Tensor4D;
  /** [B,H,N,Dv], after score normalisation, before the norm. */
  retention: tf.Tensor4D;
  /** [B,N,H·Dv], each head normed. */
  normed: tf.Tensor3D;
  /** x W_G [B,N,H·Dv], before swish. */
  outputGate: tf.Tensor3D;
  /** [B,N,dim] */
  out: tf.Tensor3D;
}

const inner = xavierUniform(2 ** -2.5);

export class MultiScaleRetention implements TokenMixer<RetentionState> {
  readonly options: Required<MultiScaleRetentionOptions>;
  private readonly q: Linear;
  private readonly k: Linear;
  private readonly v: Linear;
  private readonly g: Linear;
  private readonly out: Linear;

  /** @throws RangeError if `heads` does not divide the widths or the number of gammas is another. */
  constructor(scope: ParameterScope, options: MultiScaleRetentionOptions) {
    this.options = {
      valueDim: 2 * options.dim,
      gammas: retNetGammas(options.heads),
      normalisation: 'scores',
      ropeTheta: YOCO_ROTARY.theta,
      normEps: 1e-6,
      form: 'parallel',
      chunkSize: DEFAULT_CHUNK_SIZE,
      ...options,
    };
    const { dim, valueDim, heads, gammas, form, chunkSize } = this.options;
    formNamed('MultiScaleRetention', forms, form);
    checkCount('MultiScaleRetention', 'chunkSize', chunkSize, 'tokens');
    if (!Number.isInteger(dim / heads) || (dim / heads) % 2 !== 0)
      throw new RangeError(
        `MultiScaleRetention: dim is ${dim} and heads is ${heads}; each head needs a whole, even number of key features.`,
      );
    if (!Number.isInteger(valueDim / heads) || valueDim < heads)
      throw new RangeError(
        `MultiScaleRetention: valueDim is ${valueDim} and heads is ${heads}; heads must divide valueDim.`,
      );
    if (gammas.length !== heads)
      throw new RangeError(
        `MultiScaleRetention: there are ${gammas.length} gammas for ${heads} heads; give one each.`,
      );
    this.q = new Linear(scope.within('q_proj'), dim, dim, inner);
    this.k = new Linear(scope.within('k_proj'), dim, dim, inner);
    this.v = new Linear(scope.within('v_proj'), dim, valueDim, inner);
    this.g = new Linear(scope.within('g_proj'), dim, valueDim, inner);
    this.out = new Linear(scope.within('out_proj'), valueDim, dim, xavierUniform(2 ** -1));
  }

  newMemory(batch: number): RetentionState {
    const { dim, valueDim, heads } = this.options;
    return new RetentionState({ batch, heads, keyDim: dim / heads, valueDim: valueDim / heads });
  }

  /**
   * x [B,N,dim], already normed → [B,N,dim]. The caller owns it; the memory, if given, has moved on by N tokens.
   * @throws RangeError for padding: the scores' sums would count it. GatedRetention with `decay: 'fixed'` takes it.
   */
  mix(x: tf.Tensor3D, memory?: RetentionState, padding?: Padding): tf.Tensor3D {
    if (padding)
      throw new RangeError(
        `MultiScaleRetention: padding is [${padding}], but its score normalisation would count padded slots; give rows of equal length.`,
      );
    return tf.tidy(() => this.compute(x, memory).out);
  }

  /** The same, with every step on the way. The caller owns them all. */
  explain(x: tf.Tensor3D, memory?: RetentionState): MultiScaleRetentionSteps {
    return tf.tidy(() => ({ ...this.compute(x, memory) }));
  }

  private compute(x: tf.Tensor3D, memory?: RetentionState): MultiScaleRetentionSteps {
    const { dim, heads, gammas, normalisation, ropeTheta, normEps, form, chunkSize } = this.options;
    const { B, N } = checkPiece('MultiScaleRetention', x, dim, memory);
    const position = memory?.length ?? 0;
    const turn = (y: tf.Tensor4D) => rotary(y, position, { ...YOCO_ROTARY, theta: ropeTheta });
    const rotatedQ = splitHeads(this.q.apply(x), heads, turn);
    const rotatedK = splitHeads(this.k.apply(x), heads, turn);
    const v = splitHeads(this.v.apply(x), heads);

    const qkv = { q: rotatedQ, k: rotatedK.mul<tf.Tensor4D>((dim / heads) ** -0.5), v };
    // A fresh memory is no carried state: the factors of the first chunk must not count one.
    const carried = { initialState: position > 0 ? memory?.state : undefined, chunkSize, position };
    const { output: retention, state } =
      normalisation === 'scores'
        ? normalisedForms[form]({ ...qkv, gammas }, carried)
        : forms[form]({ ...qkv, logDecay: fixedLogDecay(gammas, B, N) }, carried);

    const normed = joinHeads(rmsNorm(retention, normEps));
    const outputGate = this.g.apply(x);
    const out = this.out.apply(outputGate.mul(outputGate.sigmoid()).mul<tf.Tensor3D>(normed));
    memory?.advance(state, N);
    return { rotatedQ, rotatedK, v, retention, normed, outputGate, out };
  }
}
