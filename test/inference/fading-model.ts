/**
 * The smallest model that keeps the promise of `LanguageModel`: a hidden state that fades by half at each token.
 *
 *   h_n = h_{n−1} / 2 + E[token_n],   logits_n = h_n W
 *
 * It remembers order, so a token given twice, left out or fed to the wrong row shows in the logits.
 */
import * as tf from '@tensorflow/tfjs';
import { normalInit, ParameterScope, ParameterStore } from '../../src/layers/parameters';
import { type ModelConfig, transformerConfig } from '../../src/models/config';
import type {
  AllLogits,
  LanguageModel,
  ModelCache,
  PrefillOptions,
  Tokens,
} from '../../src/models/language-model';
import { SeededRandom } from '../../src/tensor/random';
import type { StateDict } from '../../src/weights/state-dict';

class FadingCache implements ModelCache {
  length = 0;
  layerTokens = 0;
  readonly parts = new Map();
  constructor(
    readonly batch: number,
    public hidden: tf.Tensor2D,
  ) {
    tf.keep(hidden);
  }
  get lengths(): number[] {
    return new Array(this.batch).fill(this.length);
  }
  get bytes(): number {
    return 4 * this.hidden.size;
  }
  take(hidden: tf.Tensor2D, positions: number): void {
    const before = this.hidden;
    this.hidden = tf.keep(hidden.clone());
    before.dispose();
    this.length += positions;
    this.layerTokens += positions * this.batch;
  }
  fork(): FadingCache {
    const twin = new FadingCache(this.batch, this.hidden.clone());
    twin.length = this.length;
    twin.layerTokens = this.layerTokens;
    return twin;
  }
  read(): Record<string, tf.Tensor> {
    return { hidden: this.hidden.clone() };
  }
  dispose(): void {
    this.hidden.dispose();
  }
}

export class FadingModel implements LanguageModel {
  readonly config: ModelConfig;
  readonly parameters = new ParameterStore();
  /** What was prefilled, for tests that count. */
  readonly prefills: number[] = [];
  private readonly table: tf.Variable;
  private readonly head: tf.Variable;

  constructor(
    private readonly vocabSize = 7,
    private readonly dim = 5,
    seed = 1,
  ) {
    const scope = new ParameterScope(this.parameters, new SeededRandom(seed));
    this.table = scope.table('embed.weight', vocabSize, dim, normalInit(1));
    this.head = scope.matrix('head.weight', dim, vocabSize, normalInit(1));
    this.config = transformerConfig({
      vocabSize,
      dim,
      ffnDim: 8,
      heads: 1,
      kvHeads: 1,
      layers: 1,
      headDim: 2,
    });
  }

  private hiddenStates(tokens: Tokens, start?: tf.Tensor2D): tf.Tensor2D[] {
    const ids = (
      tokens instanceof tf.Tensor ? tokens : tf.tensor2d(tokens as number[][], undefined, 'int32')
    ).toInt();
    const [B, N] = ids.shape as [number, number];
    const rows = tf
      .oneHot(ids.reshape([-1]), this.vocabSize)
      .toFloat()
      .matMul(this.table as tf.Tensor2D);
    const states: tf.Tensor2D[] = [];
    for (const x of tf.split(rows.reshape([B, N, this.dim]), N, 1)) {
      const row = x.reshape<tf.Tensor2D>([B, this.dim]);
      const before = states.at(-1) ?? start;
      states.push(before ? before.mul<tf.Tensor2D>(0.5).add(row) : row);
    }
    return states;
  }
  logits(tokens: Tokens): tf.Tensor3D {
    return tf.tidy(() => {
      const hidden = tf.stack(this.hiddenStates(tokens), 1) as tf.Tensor3D;
      const [B, N] = hidden.shape;
      return tf
        .matMul(hidden.reshape([-1, this.dim]), this.head as tf.Tensor2D)
        .reshape<tf.Tensor3D>([B, N, -1]);
    });
  }
  newCache(batch = 1): FadingCache {
    return new FadingCache(batch, tf.zeros([batch, this.dim]));
  }
  prefill(tokens: Tokens, cache: ModelCache, options: AllLogits): tf.Tensor3D;
  prefill(tokens: Tokens, cache: ModelCache, options?: PrefillOptions): tf.Tensor2D;
  prefill(tokens: Tokens, cache: ModelCache, { logits, padding }: PrefillOptions = {}): tf.Tensor {
    if (padding) throw new RangeError('The fading model takes no padding.');
    const fading = cache as FadingCache;
    return tf.tidy(() => {
      const hidden = this.hiddenStates(tokens, fading.hidden);
      this.prefills.push(hidden.length);
      fading.take(hidden.at(-1)!, hidden.length);
      const read = (state: tf.Tensor2D) => tf.matMul<tf.Tensor2D>(state, this.head as tf.Tensor2D);
      return logits === 'all' ? tf.stack(hidden.map(read), 1) : read(fading.hidden);
    });
  }
  step(token: readonly number[] | tf.Tensor1D, cache: ModelCache): tf.Tensor2D {
    const fading = cache as FadingCache;
    const column =
      token instanceof tf.Tensor ? token.reshape<tf.Tensor2D>([-1, 1]) : token.map((id) => [id]);
    return tf.tidy(() => {
      fading.take(this.hiddenStates(column, fading.hidden)[0], 1);
      return tf.matMul<tf.Tensor2D>(fading.hidden, this.head as tf.Tensor2D);
    });
  }
  stateDict(): StateDict {
    throw new Error('The fading model has no file.');
  }
  dispose(): void {
    this.parameters.dispose();
  }
}
