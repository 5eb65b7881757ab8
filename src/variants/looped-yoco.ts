/**
 * A YOCO whose self-decoder runs T times with the same weights.
 *
 *   X ← embedding;   T times: X ← SelfDecoder(X);   then K̂, V̂ once, and the cross-decoder
 *
 * The model computes more with no more weights. A Transformer that loops must keep the keys and
 * values of every layer in every round. Here a round adds only the bounded caches of the lower
 * half, one set per round, because each round keeps other hidden states:
 *
 *   cache = T · L/2 · state  +  one global cache        O((N + T·L)·D): N is not multiplied
 *
 * The early exit stays exact: N·T·L/2 + L/2 layer-tokens.
 *
 * Source: Universal YOCO, arXiv 2604.01220, which takes T = 3, windows of 512 and no positions in
 * the cross-decoder. Differs from it: positions everywhere, as in YOCO. The formulas of `costs` do
 * not know T.
 */
import type * as tf from '@tensorflow/tfjs';
import type { LayerCache } from '../layers/mixer';
import type { PadLengths } from '../layers/padding';
import type { YocoConfig } from '../models/config';
import { Yoco } from '../models/yoco';
import { checkCount } from '../tensor/shapes';

export class LoopedYoco extends Yoco {
  readonly loops: number;

  /** @throws RangeError if `loops` is no count, a half has no layer, or the config is wrong. */
  constructor(config: YocoConfig, { loops = 3, seed = 0 }: { loops?: number; seed?: number } = {}) {
    checkCount('LoopedYoco', 'loops', loops, 'rounds through the self-decoder');
    checkHalves('LoopedYoco', config);
    super(config, { seed });
    this.loops = loops;
  }

  /** A set of caches for each round: those of round r begin at r · L/2. */
  protected override newLayerCaches(batch: number): LayerCache[] {
    const caches: LayerCache[] = [];
    for (let round = 0; round < this.loops; round++) {
      caches.push(...super.newLayerCaches(batch));
    }
    return caches;
  }

  protected override runSelfLayers(
    x: tf.Tensor3D,
    caches?: readonly LayerCache[],
    padLengths?: PadLengths,
  ): tf.Tensor3D {
    const depth = this.config.selfLayers;
    for (let round = 0; round < this.loops; round++) {
      const ofThisRound = caches?.slice(round * depth, (round + 1) * depth);
      x = super.runSelfLayers(x, ofThisRound, padLengths); // [B, c, dim]
    }
    return x;
  }
}

/** @throws RangeError unless both halves have a layer. */
export function checkHalves(where: string, { selfLayers, crossLayers }: YocoConfig): void {
  if (selfLayers === 0 || crossLayers === 0)
    throw new RangeError(
      `${where}: selfLayers is ${selfLayers}, crossLayers ${crossLayers}; give 1 or more.`,
    );
}
