/**
 * A counter-example: a YOCO with one window layer on top, for which the early exit is not exact.
 *
 *   tokens → self-decoder → K̂, V̂ → cross-decoder → window layer (C tokens) → logits
 *
 * The exit of YOCO is exact because no cross-decoder layer reads another position's upper state.
 * The window layer does: the last position needs the states of the C − 1 before it, which the exit
 * never computed. With the last C positions in the upper half the result is exact again; each
 * further window layer would need C − 1 more. In YOCO this number is 1, however many layers.
 *
 * Made for the lesson and its test: no cache, no file.
 */
import * as tf from '@tensorflow/tfjs';
import { SlidingWindowAttention } from '../attention/sliding-window';
import { DecoderLayer } from '../layers/decoder-layer';
import type { LayerCache } from '../layers/mixer';
import { ParameterScope } from '../layers/parameters';
import { rotaryOf, type YocoConfig } from '../models/config';
import type { Tokens } from '../models/language-model';
import { lastPosition, lastPositions, tokenTensor } from '../models/prompt';
import { Yoco } from '../models/yoco';
import { SeededRandom } from '../tensor/random';
import { checkCount } from '../tensor/shapes';

export class WindowedTop extends Yoco {
  private readonly windowLayer: DecoderLayer<LayerCache>;

  /**
   * @param windowSize C of the layer on top; `config` is that of the YOCO below it.
   * @throws RangeError, before anything is allocated, if one of them is not allowed.
   */
  constructor(
    config: YocoConfig,
    readonly windowSize: number,
    { seed = 0 }: { seed?: number } = {},
  ) {
    // Before the YOCO is made: what fails later would leave its weights behind.
    checkCount('WindowedTop', 'windowSize', windowSize, 'tokens');
    super(config, { seed });
    const { dim, heads } = config;
    const scope = new ParameterScope(this.parameters, new SeededRandom(seed + 1));
    const layerScope = scope.within('window_layer');
    const options = { dim, heads, windowSize, rotary: rotaryOf(config) };
    const window = new SlidingWindowAttention(layerScope.within('mixer'), options);
    this.windowLayer = new DecoderLayer<LayerCache>(layerScope, window, config);
  }

  /**
   * Logits [B, vocab] of the last position when the last `upperPositions` go through the upper
   * half: 1 is YOCO's exit, N the full pass.
   * @throws RangeError unless `upperPositions` is 1 to N.
   */
  lastLogits(tokens: Tokens, upperPositions: number): tf.Tensor2D {
    const where = 'WindowedTop.lastLogits';
    return tf.tidy(() => {
      const ids = tokenTensor(where, tokens, this.config.vocabSize);
      const [B, N] = ids.shape;
      checkUpperPositions(where, upperPositions, N);
      const middle = this.runSelfDecoder({ tokens: ids }); // [B, N, dim]
      const global = this.crossDecoder.keysValues(middle); // of all N positions
      const upper = lastPositions(middle, upperPositions);
      const crossed = this.crossDecoder.forward(upper, global); // [B, upperPositions, dim]
      const top = this.windowLayer.forward(crossed); // [B, upperPositions, dim]
      return this.head.forward(lastPosition(top)).reshape([B, -1]);
    });
  }
}

/** @throws RangeError unless `count` is 1 to N. */
export function checkUpperPositions(where: string, count: number, N: number): void {
  if (!Number.isInteger(count) || count < 1 || count > N)
    throw new RangeError(
      `${where}: upperPositions is ${count}; ` +
        `give 1 (the early exit) to ${N} (the full pass) positions.`,
    );
}
