/**
 * A counter-example: a YOCO with one self-attending window layer on top. Here the early exit is no longer exact.
 *
 *   tokens → self-decoder → K̂, V̂ → cross-decoder → window layer (C tokens) → logits
 *
 * The exit is exact because no cross-decoder layer asks for another position's upper state. The window layer does: the last
 * position wants the states of the C − 1 before it, which the exit never computed. Leave early, and it sees itself alone.
 *
 * The cure shows what the rule really is: let as many positions climb as the upper half looks at. With C of them the result
 * is exact again; each further window layer would want C − 1 more. YOCO's cross-decoder is the case in which that number
 * stays 1, however deep it is.
 *
 * Made for the lesson and its test: no cache, no file.
 */

import * as tf from '@tensorflow/tfjs';
import { SlidingWindowAttention } from '../attention/sliding-window';
import { DecoderLayer, YOCO_LAYER } from '../layers/decoder-layer';
import type { Embedding } from '../layers/embedding';
import { ParameterScope, ParameterStore } from '../layers/parameters';
import type { YocoConfig } from '../models/config';
import { CrossDecoder } from '../models/cross-decoder';
import type { Tokens } from '../models/language-model';
import { SelfDecoder } from '../models/self-decoder';
import { tokenTensor } from '../models/tokens';
import { embeddingOf, LogitReader, rotaryOf } from '../models/yoco-ends';
import { SeededRandom } from '../tensor/random';

export class WindowedTop {
  readonly parameters = new ParameterStore();
  private readonly embedding: Embedding;
  private readonly selfDecoder: SelfDecoder;
  private readonly crossDecoder: CrossDecoder;
  private readonly windowLayer: DecoderLayer<SlidingWindowAttention>;
  private readonly reader: LogitReader;

  /** @param windowSize C of the layer on top; `config` is that of the YOCO below it. */
  constructor(
    config: YocoConfig,
    readonly windowSize: number,
    { seed = 0 }: { seed?: number } = {},
  ) {
    const { dim, heads } = config;
    const scope = new ParameterScope(this.parameters, new SeededRandom(seed));
    const rotary = rotaryOf(config);
    this.embedding = embeddingOf(scope, config);
    this.selfDecoder = new SelfDecoder(scope.within('self_decoder'), config, rotary);
    this.crossDecoder = new CrossDecoder(scope.within('cross_decoder'), config, rotary);
    const top = scope.within('window_layer');
    this.windowLayer = new DecoderLayer(
      top,
      new SlidingWindowAttention(top.within('mixer'), { dim, heads, windowSize, rotary }),
      {
        ...config,
        names: YOCO_LAYER,
      },
    );
    this.reader = new LogitReader(scope, this.embedding, config);
  }

  /**
   * Logits of the last position, [B,vocab], when only the last `climbing` positions go up: 1 is YOCO's exit, N the full pass.
   * @throws RangeError unless `climbing` is 1 to N.
   */
  lastLogits(tokens: Tokens, climbing: number): tf.Tensor2D {
    return tf.tidy(() => {
      const ids = tokenTensor('WindowedTop.lastLogits', tokens);
      const [B, N] = ids.shape;
      if (!Number.isInteger(climbing) || climbing < 1 || climbing > N)
        throw new RangeError(
          `WindowedTop.lastLogits: climbing is ${climbing}; give 1 (the early exit) to ${N} (the full pass) positions.`,
        );
      const last = (x: tf.Tensor3D, count: number): tf.Tensor3D =>
        x.slice([0, x.shape[1] - count, 0], [-1, count, -1]);
      const middle = this.selfDecoder.apply(this.embedding.apply(ids));
      // All positions leave K̂, V̂; only some climb.
      const crossed = this.crossDecoder.apply(
        last(middle, climbing),
        this.crossDecoder.keysAndValues(middle, 0),
      );
      const top = this.windowLayer.apply(crossed, (window, normed) => window.mix(normed));
      return this.reader.read(last(top, 1)).reshape([B, -1]);
    });
  }
  dispose(): void {
    this.parameters.dispose();
  }
}
