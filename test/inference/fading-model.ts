/**
 * The smallest model that does what `LanguageModel` asks: a hidden state that halves at each token.
 *
 *   h_n = h_{n−1} / 2 + E[token_n],   logits_n = h_n W
 *
 * It depends on the order, so a token given twice, left out or fed to the wrong row shows in the
 * logits.
 */
import * as tf from '@tensorflow/tfjs';
import type { LayerCache } from '../../src/layers/mixer';
import { normalInit, ParameterScope, ParameterStore } from '../../src/layers/parameters';
import { type ModelConfig, transformerConfig } from '../../src/models/config';
import type { LanguageModel, PrefillOptions, Tokens } from '../../src/models/language-model';
import { ModelCache } from '../../src/models/model-cache';
import { oneTokenEach, readPrompt } from '../../src/models/prompt';
import { SeededRandom } from '../../src/tensor/random';

class FadingState implements LayerCache {
  constructor(
    private hidden: tf.Tensor2D, // [B, dim]
    public length: number,
  ) {
    tf.keep(hidden);
  }
  get lengths(): number[] {
    return new Array(this.hidden.shape[0]).fill(this.length);
  }
  get bytes(): number {
    return 4 * this.hidden.size;
  }
  /** h of each of N positions: rows [B, dim] each. */
  advance(rows: tf.Tensor2D[]): tf.Tensor2D[] {
    const states: tf.Tensor2D[] = [];
    let h = this.hidden;
    for (const row of rows) {
      h = h.mul<tf.Tensor2D>(0.5).add(row);
      states.push(h);
    }
    this.hidden.dispose();
    this.hidden = tf.keep(h.clone());
    this.length += rows.length;
    return states;
  }
  fork(): FadingState {
    return new FadingState(this.hidden.clone(), this.length);
  }
  snapshot(): Record<string, tf.Tensor> {
    return { hidden: this.hidden.clone() };
  }
  dispose(): void {
    this.hidden.dispose();
  }
}

class FadingCache extends ModelCache {
  constructor(
    model: object,
    batch: number,
    public state: FadingState,
  ) {
    super(model, batch);
  }
  parts(): Record<string, LayerCache> {
    return { 'layers.0': this.state };
  }
  protected withParts(parts: Record<string, LayerCache>): this {
    return new FadingCache(this.model, this.batch, parts['layers.0'] as FadingState) as this;
  }
  protected assign(other: this): void {
    this.state = other.state;
  }
}

export class FadingModel implements LanguageModel {
  readonly config: ModelConfig;
  readonly parameters = new ParameterStore();
  /** The lengths of all prompts that were prefilled, for tests that count. */
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
    const sizes = { dim, ffnDim: 8, heads: 1, kvHeads: 1, layers: 1, headDim: 2 };
    this.config = transformerConfig({ vocabSize, ...sizes });
  }

  newCache(batch = 1): FadingCache {
    return new FadingCache(this, batch, new FadingState(tf.zeros([batch, this.dim]), 0));
  }

  forward(tokens: Tokens, cache?: ModelCache, options: PrefillOptions = {}): tf.Tensor3D {
    return tf.tidy(() => {
      const given = cache as FadingCache | undefined;
      const chunks = readPrompt('FadingModel', this, tokens, given, options);
      const used = given ?? this.newCache(chunks[0].tokens.shape[0]);
      const logits = used.transaction((working) => {
        const states: tf.Tensor2D[] = [];
        for (const chunk of chunks) {
          if (chunk.padLengths) throw new RangeError('The fading model takes no padding.');
          states.push(...working.state.advance(this.embed(chunk.tokens)));
        }
        const all = tf.stack(states, 1); // [B, N, dim]
        const [B, N] = all.shape;
        const rows: tf.Tensor2D = all.reshape([B * N, this.dim]);
        return tf.matMul(rows, this.head as tf.Tensor2D).reshape<tf.Tensor3D>([B, N, -1]);
      });
      if (!given) used.dispose();
      return logits;
    });
  }
  prefill(tokens: Tokens, cache: ModelCache, options: PrefillOptions = {}): tf.Tensor2D {
    return tf.tidy(() => {
      const logits = this.forward(tokens, cache, options);
      const [B, N] = logits.shape;
      this.prefills.push(N);
      return logits.slice([0, N - 1, 0], [B, 1, -1]).reshape([B, -1]);
    });
  }
  step(token: readonly number[] | tf.Tensor1D, cache: ModelCache): tf.Tensor2D {
    return tf.tidy(() => {
      const logits = this.forward(oneTokenEach('FadingModel.step', token), cache);
      return logits.reshape([logits.shape[0], -1]);
    });
  }

  /** tokens [B, N] → N rows of embeddings [B, dim]. */
  private embed(tokens: tf.Tensor2D): tf.Tensor2D[] {
    const [B, N] = tokens.shape;
    const oneHot = tf.oneHot(tokens.reshape([-1]), this.vocabSize).toFloat() as tf.Tensor2D;
    const rows: tf.Tensor3D = tf
      .matMul(oneHot, this.table as tf.Tensor2D)
      .reshape([B, N, this.dim]);
    return tf.unstack(rows, 1) as tf.Tensor2D[];
  }
  dispose(): void {
    this.parameters.dispose();
  }
}
