/**
 * One map for everything that came after: for each layer, whose keys and values does it read?
 *
 *   Transformer   0 1 2 3 4 5 6 7      its own
 *   CLA           0 0 2 2 4 4 6 6      those of the first layer of its pair
 *   YOCO          w w w w 4 4 4 4      below a window of its own, above those of the middle
 *   LCKV          0 7 7 7 7 7 7 7      those of the top layer, of earlier tokens
 *
 * A number s means: keys and values made from X^s, the hidden states that enter layer s. The early
 * exit can be read off: all positions of a prompt are needed up to the **highest s**, above it only
 * the last. For YOCO that is the middle, for CLA nearly the top, for a Transformer the last layer.
 *
 * Two more things can be read off. A window above the exit needs C − 1 more positions there. And a
 * layer that reads from above itself needs what is not computed yet: it can read earlier tokens
 * only, and a prompt must be computed again and again (each pass makes one more position right).
 *
 * Source: YOCO, arXiv 2405.05254; CLA, 2405.12981; LCKV, 2405.10637; such maps are studied in
 * 2410.14442. Differs from all: one small block for all maps, so that only the map changes. LCKV
 * itself trains with few passes; projections per layer (`projections: 'own'`) are those of SwiftKV
 * (2410.03960) and HySparse 2 (2609.26368). Made for the lesson and its test: it keeps no cache.
 */
import * as tf from '@tensorflow/tfjs';
import { CrossAttention, GlobalKeysValues } from '../attention/cross-attention';
import type { KeysValues } from '../attention/kv-cache';
import { SlidingWindowAttention } from '../attention/sliding-window';
import { DecoderLayer } from '../layers/decoder-layer';
import { Embedding } from '../layers/embedding';
import type { Mixer } from '../layers/mixer';
import { ParameterScope, ParameterStore } from '../layers/parameters';
import type { Tokens } from '../models/language-model';
import { LmHead } from '../models/lm-head';
import { lastPositions, tokenTensor } from '../models/prompt';
import { SeededRandom } from '../tensor/random';
import { checkCount } from '../tensor/shapes';
import { checkUpperPositions } from './windowed-top';

/** Per layer: the level its keys and values are made from, or a window of its own. */
export type SharingMap = readonly (number | 'window')[];

const layers = (L: number): number[] => Array.from({ length: L }, (_, l) => l);
/** The corners of the map, for any even number of layers. */
export const sharingMaps = {
  Transformer: (L: number): SharingMap => layers(L),
  CLA: (L: number): SharingMap => layers(L).map((l) => l - (l % 2)),
  YOCO: (L: number): SharingMap => layers(L).map((l) => (l < L / 2 ? 'window' : L / 2)),
  LCKV: (L: number): SharingMap => layers(L).map((l) => (l === 0 ? 0 : L - 1)),
} as const;

const defaults = {
  /** `shared`: one projection per level. `own`: each layer projects the level for itself. */
  projections: 'shared' as 'shared' | 'own',
  /** C of every window layer. */
  windowSize: 4,
  vocabSize: 64,
  dim: 32,
  ffnDim: 64,
  heads: 4,
  kvHeads: 2,
  seed: 0,
  normEps: 1e-5,
  tiedEmbeddings: false,
};
export type CrossLayerSharingOptions = { map: SharingMap } & Partial<typeof defaults>;

function checkMap(map: SharingMap): void {
  for (const [l, level] of map.entries()) {
    const isLevel = Number.isInteger(level) && Number(level) >= 0 && Number(level) < map.length;
    if (level !== 'window' && !isLevel)
      throw new RangeError(
        `sharing map: layer ${l} reads level ${level}; give 0 to ${map.length - 1}, or 'window'.`,
      );
  }
}

export class CrossLayerSharing {
  readonly parameters = new ParameterStore();
  readonly options: Required<CrossLayerSharingOptions>;
  private readonly embedding: Embedding;
  /** `owner` names the keys and values that a layer reads; a window layer has none. */
  private readonly layers: { layer: DecoderLayer<KeysValues>; owner?: number }[] = [];
  /** By owner: the level itself if it is shared, else the layer that reads it. */
  private readonly projections = new Map<number, { level: number; project: GlobalKeysValues }>();
  private readonly head: LmHead;

  /** @throws RangeError if the map names a level that does not exist. */
  constructor(given: CrossLayerSharingOptions) {
    const options = { ...defaults, ...given };
    this.options = options;
    const { map, projections, vocabSize, dim, seed } = options;
    checkMap(map);
    const scope = new ParameterScope(this.parameters, new SeededRandom(seed));
    this.embedding = new Embedding(scope.within('embed_tokens'), vocabSize, dim, Math.sqrt(dim));
    for (const [l, level] of map.entries()) {
      const layerScope = scope.within(`layers.${l}`);
      const mixerScope = layerScope.within('mixer');
      if (level === 'window') {
        const window = new SlidingWindowAttention(mixerScope, options) as Mixer<never>;
        this.layers.push({ layer: new DecoderLayer(layerScope, window, options) });
        continue;
      }
      const owner = projections === 'own' ? l : level;
      if (!this.projections.has(owner)) {
        const project = new GlobalKeysValues(scope.within(`keys_and_values.${owner}`), options);
        this.projections.set(owner, { level, project });
      }
      const mixer = new CrossAttention(mixerScope, options) as Mixer<KeysValues>;
      this.layers.push({ layer: new DecoderLayer(layerScope, mixer, options), owner });
    }
    this.head = new LmHead(scope, this.embedding, options);
  }

  /** The highest level that a layer reads: every position of a prompt is needed up to it. */
  get exitLevel(): number {
    return Math.max(0, ...this.options.map.map((level) => (level === 'window' ? 0 : level)));
  }
  /** Positions needed above the exit: the last, and C − 1 more for each window layer there. */
  get positionsNeeded(): number {
    const { map, windowSize } = this.options;
    const windows = map.slice(this.exitLevel).filter((level) => level === 'window').length;
    return 1 + windows * (windowSize - 1);
  }
  /** Caches that grow with the text: L in a Transformer, one in YOCO. */
  get kvCacheCount(): number {
    return this.projections.size;
  }
  /** Whether a layer reads what only a layer above it makes. */
  get readsFromAbove(): boolean {
    return this.options.map.some((level, l) => level !== 'window' && level > l);
  }

  /**
   * Logits [B, upperPositions, vocab] of the last positions, and the work done. `upperPositions` go
   * through the layers above the exit (default: all). Where a layer reads from above, the prompt is
   * computed `passes` times (default: N, which is exact).
   * @throws RangeError for counts that are not possible.
   */
  forward(tokens: Tokens, options: { upperPositions?: number; passes?: number } = {}) {
    const where = 'CrossLayerSharing.forward';
    return tf.tidy(() => {
      const ids = tokenTensor(where, tokens, this.options.vocabSize);
      const [B, N] = ids.shape;
      const { upperPositions = N, passes = N } = options;
      checkUpperPositions(where, upperPositions, N);
      checkCount(where, 'passes', passes, 'passes');
      const count = this.readsFromAbove ? passes : 1;

      let made = new Map<number, KeysValues>();
      let x!: tf.Tensor3D;
      for (let i = 0; i < count; i++) ({ x, made } = this.runLayers(ids, made, upperPositions));
      // Passes before the last only make keys and values: nothing above the exit is needed.
      const above = this.layers.length - this.exitLevel;
      const layerTokens = B * (count * N * this.exitLevel + upperPositions * above);
      return { logits: this.head.forward(x), layerTokens };
    });
  }

  /** One pass, with the keys and values that the pass before made. */
  private runLayers(ids: tf.Tensor2D, before: Map<number, KeysValues>, upper: number) {
    const made = new Map<number, KeysValues>();
    let x = this.embedding.forward(ids); // [B, N, dim]
    for (const [l, { layer, owner }] of this.layers.entries()) {
      for (const [name, { level, project }] of this.projections) {
        if (level === l) made.set(name, project.forward(x, 0));
      }
      if (l === this.exitLevel) x = lastPositions(x, upper);
      if (owner === undefined) x = layer.forward(x);
      else x = layer.forward(x, made.get(owner) ?? this.shiftRight(before.get(owner), ids));
    }
    return { x, made };
  }

  /** Position n gets the keys and values of tokens before n; where there are none, zeros. */
  private shiftRight(made: KeysValues | undefined, ids: tf.Tensor2D): KeysValues {
    const { dim, heads, kvHeads } = this.options;
    const [B, N] = ids.shape;
    const zeros: tf.Tensor4D = tf.zeros([B, N, kvHeads, dim / heads]);
    if (!made) return { k: zeros, v: zeros };
    const first = zeros.slice([0, 0, 0, 0], [-1, 1, -1, -1]);
    const shifted = (x: tf.Tensor4D): tf.Tensor4D =>
      tf.concat([first, x.slice([0, 0, 0, 0], [-1, N - 1, -1, -1])], 1);
    return { k: shifted(made.k), v: shifted(made.v) };
  }

  dispose(): void {
    this.parameters.dispose();
  }
}
