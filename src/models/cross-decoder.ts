/**
 * The upper half of YOCO: K̂ and V̂, computed once from the middle of the model, and layers that
 * only read them.
 *
 * No layer here reads another position's state in this half, only K̂ and V̂. That is why earlier
 * positions of a prompt can stop below it: the early exit is exact.
 *
 * Source: YOCO, arXiv 2405.05254, global cache (arXiv eq. 2) and cross-decoder (arXiv eq. 3);
 * official `yoco.py`.
 */
import type * as tf from '@tensorflow/tfjs';
import {
  CrossAttention,
  type CrossAttentionOptions,
  GlobalKeysValues,
} from '../attention/cross-attention';
import type { KeysValues, KvCache } from '../attention/kv-cache';
import { DecoderLayer } from '../layers/decoder-layer';
import type { Mixer } from '../layers/mixer';
import { firstPositions, type PadLengths } from '../layers/padding';
import type { ParameterScope } from '../layers/parameters';
import { rotaryOf, type YocoConfig } from './config';
import type { Observer } from './language-model';

export class CrossDecoder {
  readonly layers: DecoderLayer<KvCache | KeysValues>[] = [];
  /** Absent if there are no cross-decoder layers: then nothing would read K̂ and V̂. */
  readonly globalKeysValues?: GlobalKeysValues;

  constructor(scope: ParameterScope, config: YocoConfig) {
    const options = { ...config, rotary: rotaryOf(config) };
    if (config.crossLayers > 0) this.globalKeysValues = new GlobalKeysValues(scope, options);
    for (let i = 0; i < config.crossLayers; i++) {
      const layerScope = scope.within(`layers.${i}`);
      const mixer = this.newMixer(layerScope.within('mixer'), i, options);
      this.layers.push(new DecoderLayer(layerScope, mixer, config));
    }
  }

  /** K̂ and V̂ [B, N, Hkv, D] of x [B, N, dim], the self-decoder's output from position 0 on. */
  keysValues(x: tf.Tensor3D, observe?: Observer): KeysValues | undefined {
    return this.globalKeysValues?.forward(x, 0, observe);
  }

  /** Appends K̂ and V̂ of x [B, N, dim] to the global cache. */
  appendTo(global: KvCache, x: tf.Tensor3D, padLengths?: PadLengths): void {
    const start = firstPositions(global.lengths, padLengths);
    const keysValues = this.globalKeysValues?.forward(x, start); // each [B, N, Hkv, D]
    if (keysValues) global.append(keysValues, padLengths);
  }

  /** The mixer of layer i. */
  protected newMixer(
    scope: ParameterScope,
    _i: number,
    options: CrossAttentionOptions,
  ): Mixer<KvCache | KeysValues> {
    return new CrossAttention(scope, options);
  }

  /** x [B, N, dim], the last N positions of `global` → [B, N, dim]; `global` is only read. */
  forward(x: tf.Tensor3D, global?: KvCache | KeysValues, observe?: Observer): tf.Tensor3D {
    for (const [i, layer] of this.layers.entries()) {
      x = layer.forward(x, global);
      observe?.(`cross.${i}`, x);
    }
    return x;
  }
}
