/**
 * One map for everything that came after: for each layer, whose keys and values does it read?
 *
 *   Transformer   0 1 2 3 4 5 6 7      its own
 *   CLA           0 0 2 2 4 4 6 6      the first one's of its pair
 *   YOCO          w w w w 4 4 4 4      below a window of its own, above the middle's
 *   LCKV          0 7 7 7 7 7 7 7      the top's, of earlier tokens
 *
 * A number s means: keys and values made from X^s, the stream as it enters layer s. Draw the rows as lines, and the early
 * exit can be read off: a prompt must climb to the **highest s** on the line, and only its last position need go on. For
 * YOCO that is half-way, for CLA nearly the top, for a Transformer the last layer.
 *
 * Two things the map also shows. A window above the exit wants C − 1 more positions up there. And a layer that reads from
 * above itself needs what is not computed yet: only earlier tokens can be read, and a prompt must be gone over again and
 * again (each pass sets one more position right).
 *
 * Source: YOCO, arXiv 2405.05254; CLA, 2405.12981; LCKV, 2405.10637; the systematic study of such maps is 2410.14442.
 * Differs from all of them: one small block for all maps, so that nothing but the map changes. LCKV proper trains with few
 * passes; per-layer projections from the middle (`projections: 'own'`) are SwiftKV's (2410.03960) and HySparse 2's
 * (2609.26368). Made for the lesson and its test: it recomputes, and keeps no cache.
 */
import * as tf from '@tensorflow/tfjs';
import { CrossAttention, GlobalKeysAndValues } from '../attention/cross-attention';
import type { KeysAndValues } from '../attention/keys-and-values';
import { SlidingWindowAttention } from '../attention/sliding-window';
import { DecoderLayer, YOCO_LAYER } from '../layers/decoder-layer';
import { Embedding } from '../layers/embedding';
import { ParameterScope, ParameterStore } from '../layers/parameters';
import { RMSNorm } from '../layers/rms-norm';
import type { Tokens } from '../models/language-model';
import { OutputHead } from '../models/output-head';
import { tokenTensor } from '../models/tokens';
import { SeededRandom } from '../tensor/random';

/** Per layer: the level of the stream that its keys and values are made from, or a window of its own. */
export type SharingMap = readonly (number | 'window')[];

const layers = (L: number): number[] => Array.from({ length: L }, (_, l) => l);
/** The corners of the map, for any even number of layers. */
export const sharingMaps = {
  Transformer: (L: number): SharingMap => layers(L),
  CLA: (L: number): SharingMap => layers(L).map((l) => l - (l % 2)),
  YOCO: (L: number): SharingMap => layers(L).map((l) => (l < L / 2 ? 'window' : L / 2)),
  LCKV: (L: number): SharingMap => layers(L).map((l) => (l === 0 ? 0 : L - 1)),
} as const;

export interface CrossLayerSharingOptions {
  map: SharingMap;
  /** `shared`: one projection per level, one pair in the cache. `own`: each reader projects the level for itself. */
  projections?: 'shared' | 'own';
  /** C of every window layer; default 4. */
  windowSize?: number;
  vocabSize?: number;
  dim?: number;
  ffnDim?: number;
  heads?: number;
  kvHeads?: number;
  seed?: number;
}
const defaults = {
  projections: 'shared',
  windowSize: 4,
  vocabSize: 64,
  dim: 32,
  ffnDim: 64,
  heads: 4,
  kvHeads: 2,
  seed: 0,
} as const;
const normEps = 1e-5;

export interface ReadOptions {
  /** How many of the last positions go on above the exit; default all of them. */
  climbing?: number;
  /** How often the prompt is gone over, where a layer reads from above; default as often as there are tokens: exact. */
  passes?: number;
}

export class CrossLayerSharing {
  readonly parameters = new ParameterStore();
  readonly options: Required<CrossLayerSharingOptions>;
  private readonly embedding: Embedding;
  private readonly layers: DecoderLayer<CrossAttention | SlidingWindowAttention>[];
  /** By the layer they belong to: the level itself if shared, the reader if not. */
  private readonly makers = new Map<number, GlobalKeysAndValues>();
  private readonly norm: RMSNorm;
  private readonly head: OutputHead;

  /** @throws RangeError if the map names a level that is not there. */
  constructor(options: CrossLayerSharingOptions) {
    this.options = { ...defaults, ...options };
    const { map, vocabSize, dim, seed } = this.options;
    map.forEach((level, l) => {
      if (level !== 'window' && !(Number.isInteger(level) && level >= 0 && level < map.length))
        throw new RangeError(
          `CrossLayerSharing: layer ${l} reads level ${level}; give 0 to ${map.length - 1}, or 'window'.`,
        );
    });
    const scope = new ParameterScope(this.parameters, new SeededRandom(seed));
    const widths = { ...this.options, normEps };
    this.embedding = new Embedding(scope.within('embed_tokens'), vocabSize, dim, Math.sqrt(dim));
    this.layers = map.map((level, l) => {
      const place = scope.within(`layers.${l}`);
      const maker = this.makerOf(l);
      if (maker !== undefined && !this.makers.has(maker))
        this.makers.set(
          maker,
          new GlobalKeysAndValues(scope.within(`keys_and_values.${maker}`), widths),
        );
      const mixer =
        level === 'window'
          ? new SlidingWindowAttention(place.within('mixer'), widths)
          : new CrossAttention(place.within('mixer'), widths);
      return new DecoderLayer<CrossAttention | SlidingWindowAttention>(place, mixer, {
        ...widths,
        names: YOCO_LAYER,
      });
    });
    this.norm = new RMSNorm(scope.within('layer_norm'), dim, normEps);
    this.head = new OutputHead(scope, 'output_projection', 'embed_tokens', this.embedding, {
      dim,
      vocabSize,
      tiedEmbeddings: false,
    });
  }

  /** The highest level that anybody reads: every position of a prompt must come this far. */
  get exitLevel(): number {
    return Math.max(0, ...this.options.map.filter((level): level is number => level !== 'window'));
  }
  /** How many positions must go on above it: the last, and C − 1 more for each window up there. */
  get mustClimb(): number {
    const windows = this.options.map
      .slice(this.exitLevel)
      .filter((level) => level === 'window').length;
    return 1 + windows * (this.options.windowSize - 1);
  }
  /** Pairs of keys and values that grow with the text. A Transformer has L, YOCO has one. */
  get growingPairs(): number {
    return this.makers.size;
  }
  /** Does a layer want what only a layer above it makes? */
  get readsFromAbove(): boolean {
    return this.options.map.some((level, l) => level !== 'window' && level > l);
  }

  /** Logits of the positions that climbed, [B,climbing,vocab], and the work. @throws RangeError for counts that are not possible. */
  read(
    tokens: Tokens,
    { climbing, passes }: ReadOptions = {},
  ): { logits: tf.Tensor3D; layerTokens: number } {
    return tf.tidy(() => {
      const ids = tokenTensor('CrossLayerSharing.read', tokens);
      const [B, N] = ids.shape;
      const up = climbing ?? N;
      if (!Number.isInteger(up) || up < 1 || up > N)
        throw new RangeError(
          `CrossLayerSharing.read: climbing is ${up}; give 1 (leave early) to ${N} (the full pass) positions.`,
        );
      const times = this.readsFromAbove ? (passes ?? N) : 1;
      if (!Number.isInteger(times) || times < 1)
        throw new RangeError(
          `CrossLayerSharing.read: passes is ${times}; give a whole number, 1 or more.`,
        );
      let made = new Map<number, KeysAndValues>();
      let top = this.embedding.apply(ids);
      let layerTokens = 0;
      for (let pass = 1; pass <= times; pass++) {
        const last = pass === times;
        ({ top, made } = this.climb(ids, made, up));
        // Passes before the last only serve to make keys and values: above the exit nobody needs them.
        layerTokens +=
          B * (N * this.exitLevel + (last ? up * (this.layers.length - this.exitLevel) : 0));
      }
      return { logits: this.head.apply(this.norm.apply(top)), layerTokens };
    });
  }

  /** One pass, with what the pass before has made above. */
  private climb(
    ids: tf.Tensor2D,
    before: Map<number, KeysAndValues>,
    climbing: number,
  ): { top: tf.Tensor3D; made: Map<number, KeysAndValues> } {
    const made = new Map<number, KeysAndValues>();
    const top = this.layers.reduce((x, layer, l) => {
      for (const [owner, maker] of this.makers)
        if (this.levelOf(owner) === l) made.set(owner, maker.project(maker.norm.apply(x), 0));
      const stream = l === this.exitLevel ? lastPositions(x, climbing) : x;
      return layer.apply(stream, (mixer, normed) => {
        if (mixer instanceof SlidingWindowAttention) return mixer.mix(normed);
        const owner = this.makerOf(l)!;
        const own = made.get(owner);
        return mixer.attend(normed, own ?? earlier(before.get(owner) ?? this.nothing(ids.shape)));
      });
    }, this.embedding.apply(ids));
    return { top, made };
  }

  private makerOf(l: number): number | undefined {
    const level = this.options.map[l];
    if (level === 'window' || level === undefined) return undefined;
    return this.options.projections === 'own' ? l : level;
  }
  private levelOf(owner: number): number {
    return this.options.projections === 'own' ? (this.options.map[owner] as number) : owner;
  }
  private nothing([B, N]: readonly number[]): KeysAndValues {
    const { dim, heads, kvHeads } = this.options;
    const shape: [number, number, number, number] = [B, N, kvHeads, dim / heads];
    return { k: tf.zeros(shape), v: tf.zeros(shape) };
  }
  dispose(): void {
    this.parameters.dispose();
  }
}

const lastPositions = (x: tf.Tensor3D, count: number): tf.Tensor3D =>
  x.slice([0, x.shape[1] - count, 0], [-1, count, -1]);
/** Moved on by one: position n finds the keys and values of tokens before n, and in front a pair of zeros that says nothing. */
function earlier({ k, v }: KeysAndValues): KeysAndValues {
  const moved = (x: tf.Tensor4D): tf.Tensor4D => {
    const [B, N, H, D] = x.shape;
    return tf.concat<tf.Tensor4D>(
      [tf.zeros([B, 1, H, D]), x.slice([0, 0, 0, 0], [-1, N - 1, -1, -1])],
      1,
    );
  };
  return { k: moved(k), v: moved(v) };
}
