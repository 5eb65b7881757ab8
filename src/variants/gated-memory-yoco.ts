/**
 * A YOCO in which every second layer above the middle is a Gated Memory Unit.
 *
 *   self-decoder → K̂, V̂ and m → cross-attention, unit, cross-attention, unit, … → logits
 *
 * m is the output of the last retention layer at the same position: each head normed, before the
 * output gate. It comes from below the middle, so the early exit stays exact, and it is not kept,
 * so the cache does not grow by it.
 *
 * Source: SambaY, arXiv 2507.06607. Differs from it: the lower half is YOCO's retention, not Mamba
 * with windows, and K̂, V̂ are YOCO's projection, not those of a full-attention layer.
 */
import * as tf from '@tensorflow/tfjs';
import type { CrossAttentionOptions } from '../attention/cross-attention';
import type { KeysValues, KvCache } from '../attention/kv-cache';
import { Linear } from '../layers/linear';
import type { LayerCache, Mixer } from '../layers/mixer';
import type { PadLengths } from '../layers/padding';
import type { ParameterScope } from '../layers/parameters';
import { swish } from '../layers/swiglu';
import type { YocoConfig } from '../models/config';
import { CrossDecoder } from '../models/cross-decoder';
import { Yoco } from '../models/yoco';
import type { GatedRetention } from '../retention/gated-retention';
import type { RetentionState } from '../retention/retention-state';
import { checkHalves } from './looped-yoco';

/**
 * The Gated Memory Unit: y = (m ⊙ swish(x W₁)) W₂, a layer that reads no other position.
 *
 * It gates the features of an output that was computed below. A decoded token reads dim numbers
 * here, where cross-attention reads N keys. Source: SambaY, arXiv 2507.06607, gated memory unit;
 * official github.com/microsoft/ArchScale.
 */
export class GatedMemoryUnit implements Mixer<tf.Tensor3D> {
  private readonly gate: Linear;
  private readonly out: Linear;

  /** @param memoryDim features of m; the same as `dim` by default. */
  constructor(scope: ParameterScope, dim: number, memoryDim = dim) {
    this.gate = new Linear(scope.within('in_proj'), dim, memoryDim);
    this.out = new Linear(scope.within('out_proj'), memoryDim, dim);
  }

  /**
   * x [B, N, dim], already normed, and m [B, N, memoryDim] of the same positions → [B, N, dim].
   * @throws RangeError if m is missing or of other positions.
   */
  forward(x: tf.Tensor3D, memory?: tf.Tensor3D): tf.Tensor3D {
    if (x.shape[0] !== memory?.shape[0] || x.shape[1] !== memory.shape[1])
      throw new RangeError(
        `GatedMemoryUnit: x is [${x.shape}], memory [${memory?.shape}]; give one per position.`,
      );
    return tf.tidy(() => {
      const gated = memory.mul<tf.Tensor3D>(swish(this.gate.forward(x))); // [B, N, memoryDim]
      return this.out.forward(gated);
    });
  }
}

/** Cross-attention and Gated Memory Units in turn; `forward` takes x and m side by side. */
class GatedMemoryCrossDecoder extends CrossDecoder {
  protected override newMixer(scope: ParameterScope, i: number, options: CrossAttentionOptions) {
    if (i % 2 === 0) return super.newMixer(scope, i, options);
    return new GatedMemoryUnit(scope, options.dim) as unknown as Mixer<KvCache | KeysValues>;
  }

  override keysValues(both: tf.Tensor3D): KeysValues | undefined {
    return super.keysValues(splitMemory(both).x);
  }
  override appendTo(global: KvCache, both: tf.Tensor3D, padLengths?: PadLengths): void {
    super.appendTo(global, splitMemory(both).x, padLengths);
  }

  override forward(both: tf.Tensor3D, global?: KvCache | KeysValues): tf.Tensor3D {
    let { x, memory } = splitMemory(both); // [B, N, dim] each
    for (const [i, layer] of this.layers.entries()) {
      const read = i % 2 === 0 ? global : (memory as unknown as KeysValues);
      x = layer.forward(x, read);
    }
    return x;
  }
}

/** [B, N, 2 · dim] → x and m [B, N, dim]. */
function splitMemory(both: tf.Tensor3D): { x: tf.Tensor3D; memory: tf.Tensor3D } {
  const [x, memory]: tf.Tensor3D[] = tf.split(both, 2, 2);
  return { x, memory };
}

export class GatedMemoryYoco extends Yoco {
  /** @throws RangeError unless the self-decoder is of retention and both halves have layers. */
  constructor(config: YocoConfig, options: { seed?: number } = {}) {
    checkHalves('GatedMemoryYoco', config);
    if (config.selfDecoder === 'sliding-window')
      throw new RangeError(
        'GatedMemoryYoco: sliding-window has no state; choose retention or gated-retention.',
      );
    super(config, options);
  }
  protected override newCrossDecoder(scope: ParameterScope): CrossDecoder {
    return new GatedMemoryCrossDecoder(scope, this.config);
  }

  /** → [B, c, 2 · dim]: the hidden state and, beside it, m of the same position. */
  protected override runSelfLayers(
    x: tf.Tensor3D,
    caches?: readonly LayerCache[],
    padLengths?: PadLengths,
  ): tf.Tensor3D {
    const { layers, mixers } = this.selfDecoder;
    const last = layers.length - 1;
    for (let i = 0; i < last; i++) x = layers[i].forward(x, caches?.[i], padLengths);

    // The last layer is DecoderLayer.forward written out, because m is inside its mixer.
    const { mixerNorm, ffnNorm, ffn } = layers[last];
    const retention = mixers[last] as GatedRetention;
    const state = caches?.[last] as RetentionState | undefined;
    const steps = retention.forwardWithIntermediates(mixerNorm.forward(x), state, padLengths);
    const y: tf.Tensor3D = x.add(steps.out); // [B, c, dim]
    const z: tf.Tensor3D = y.add(ffn.forward(ffnNorm.forward(y))); // [B, c, dim]
    return tf.concat<tf.Tensor3D>([z, steps.normed], 2);
  }
}
