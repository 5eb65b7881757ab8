/**
 * The upper half of YOCO: one global cache, written once from the middle of the model, and layers that only read it.
 *
 * Source: YOCO, arXiv 2405.05254, eqs. 2 and 3; official `cross_decoder` in `yoco.py`.
 */
import * as tf from '@tensorflow/tfjs';
import { CrossAttention, GlobalKeysAndValues } from '../attention/cross-attention';
import type { KeysAndValues } from '../attention/keys-and-values';
import type { GrowingCache } from '../attention/paged-kv-cache';
import { DecoderLayer, YOCO_LAYER } from '../layers/decoder-layer';
import type { ParameterScope } from '../layers/parameters';
import type { RotaryOptions } from '../layers/rotary';
import type { YocoConfig } from './config';
import type { Observer } from './language-model';

export class CrossDecoder {
  private readonly global: GlobalKeysAndValues;
  private readonly layers: DecoderLayer<CrossAttention>[];
  constructor(scope: ParameterScope, config: YocoConfig, rotary: RotaryOptions) {
    this.global = new GlobalKeysAndValues(scope, { ...config, rotary });
    this.layers = Array.from({ length: config.crossLayers }, (_, i) => {
      const layer = scope.within(`layers.${i}`);
      return new DecoderLayer(
        layer,
        new CrossAttention(layer.within('mixer'), { ...config, rotary }),
        { ...config, names: YOCO_LAYER },
      );
    });
  }
  get depth(): number {
    return this.layers.length;
  }
  /** K̂ and V̂ of x [B,N,dim], the self-decoder's output whose first token stands at `start` (of each row, if they differ). */
  keysAndValues(
    x: tf.Tensor3D,
    start: number | readonly number[],
    observe?: Observer,
  ): KeysAndValues {
    return tf.tidy(() => {
      const normed = this.global.norm.apply(x);
      observe?.('kv_norm', normed);
      return this.global.project(normed, start) as KeysAndValues & tf.NamedTensorMap;
    });
  }
  /** x [B,N,dim], the last N positions of `global` → [B,N,dim]. Note that x itself enters, not the norm that made K̂, V̂. */
  apply(x: tf.Tensor3D, global: GrowingCache | KeysAndValues, observe?: Observer): tf.Tensor3D {
    return this.layers.reduce((stream, layer, i) => {
      const out = layer.apply(stream, (attention, normed) => attention.attend(normed, global));
      observe?.(`cross.${i}`, out);
      return out;
    }, x);
  }
}
