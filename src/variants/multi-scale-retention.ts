/**
 * RetNet's multi-scale retention layer, from which gated retention comes.
 *
 *   γ_h = 1 − 2^(−5−h)      one constant for each head, from short to long memory
 *
 * The rest is the layer of gated-retention.ts, with three differences: γ does not depend on the
 * text, values are twice as wide as keys, and the outputs are divided by score normalisation
 * (score-normalisation.ts) before the norm.
 *
 * Source: RetNet, arXiv 2307.08621, "gated multi-scale retention"; torchscale
 * `multiscale_retention.py`.
 */
import type * as tf from '@tensorflow/tfjs';
import type { PadLengths } from '../layers/padding';
import type { ParameterScope } from '../layers/parameters';
import { retNetGammas } from '../retention/decay';
import {
  GatedRetention,
  type GatedRetentionIntermediates,
  type GatedRetentionOptions,
} from '../retention/gated-retention';
import type { RetentionInputs, RetentionResult } from '../retention/retention-form';
import type { RetentionState } from '../retention/retention-state';
import { normalisedForms } from './score-normalisation';

/** `valueDim` is 2 · dim unless given; `form` computes single tokens too. */
export type MultiScaleRetentionOptions = Omit<GatedRetentionOptions, 'decay' | 'gateTemperature'>;

export class MultiScaleRetention extends GatedRetention {
  constructor(scope: ParameterScope, options: MultiScaleRetentionOptions) {
    const defaults = { valueDim: 2 * options.dim, normEps: 1e-6, form: 'parallel' } as const;
    super(scope, { ...defaults, ...options, decay: 'fixed' });
  }

  /**
   * @throws RangeError for padding: the sums of scores would count it. GatedRetention with
   * `decay: 'fixed'` takes it.
   */
  override forwardWithIntermediates(
    x: tf.Tensor3D,
    cache?: RetentionState,
    padLengths?: PadLengths,
  ): GatedRetentionIntermediates {
    if (!padLengths) return super.forwardWithIntermediates(x, cache);
    throw new RangeError(
      `MultiScaleRetention: padLengths is [${padLengths}]; give rows of equal length.`,
    );
  }

  protected override retain(inputs: RetentionInputs, cache?: RetentionState): RetentionResult {
    const { heads, form, chunkSize } = this.options;
    const gammas = retNetGammas(heads);
    const position = cache?.length ?? 0;
    // Without tokens there is no carried state: the factor of the first chunk must not count one.
    const initialState = position > 0 ? cache?.state : undefined;
    return normalisedForms[form]({ ...inputs, gammas }, { initialState, chunkSize, position });
  }
}
