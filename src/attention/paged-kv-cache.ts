/**
 * Every key and value so far: the cache that grows. A Transformer has one per layer, YOCO has one.
 *
 * A tensor cannot grow in place, and copying the whole past for every token would cost as much as reading it. So the past
 * lies in pages that are never touched again, with a short tail that is:
 *
 *   [ page | page | page | open page ][ fresh ]
 *
 * A token joins the fresh tail (at most 64 tokens are copied); a full tail joins the open page (at most 2048 are, every
 * 64 steps); a full page is sealed. What one token costs does not depend on how many came before.
 *
 * Pages lie as the products of one decode step want them: K as [·, n, D] for K·qᵀ, and V transposed, [·, Dv, n], for
 * Vᵀ·p: the large matrix is always the left one, of which no engine here makes a copy.
 *
 * Keys are rotated before they are written, so `length` (of each row, where rows differ) is the only clock.
 */
import * as tf from '@tensorflow/tfjs';
import type { Memory } from '../layers/memory';
import { lengthsAfter, type Padding } from '../layers/padding';
import { readShapes } from '../tensor/shapes';
import { type AttentionOptions, checkRule, foldedAttention } from './blocked-attention';
import { foldKeys, foldQueries, unfoldKeys, unfoldQueries } from './head-layout';
import { KEYS_AND_VALUES, type KeysAndValues } from './keys-and-values';
import { followedRightAligned, hiddenColumns } from './left-padding';
import { frontMask } from './query-blocks';
import { SharedTensors } from './shared-tensors';

const PAGE = 2048;
const FRESH = 64;

/** k [B·Hkv, n, D], vT [B·Hkv, Dv, n]. */
type Page = SharedTensors<{ k: tf.Tensor3D; vT: tf.Tensor3D }>;
/** k [B·Hkv, n, D], v [B·Hkv, n, Dv]. */
type Fresh = SharedTensors<{ k: tf.Tensor3D; v: tf.Tensor3D }>;
const tokensIn = (part?: Page | Fresh): number => part?.tensors.k.shape[1] ?? 0;

export class GrowingCache implements Memory {
  private pages: Page[] = [];
  private fresh?: Fresh;
  private heads = 0;

  private taken: readonly number[];

  constructor(readonly batch: number) {
    this.taken = new Array<number>(batch).fill(0);
  }

  get length(): number {
    return this.pages.reduce((sum, page) => sum + tokensIn(page), 0) + tokensIn(this.fresh);
  }
  get lengths(): readonly number[] {
    return this.taken;
  }
  /** 2 · B · length · Hkv · D · 4, to the byte. */
  get bytes(): number {
    return this.parts().reduce(
      (sum, { tensors }) =>
        sum + Object.values(tensors).reduce((bytes, t) => bytes + 4 * t.size, 0),
      0,
    );
  }

  /** Takes [B,M,Hkv,D] along time. @throws RangeError if batch, heads or sizes are not those of the past. */
  append({ k, v }: KeysAndValues, padding?: Padding): void {
    const { B, Hkv, D, Dv } = readShapes('GrowingCache.append', KEYS_AND_VALUES, { k, v });
    if (B !== this.batch)
      throw new RangeError(`GrowingCache.append: k holds ${B} sequences, the cache ${this.batch}.`);
    const [, heldD, heldDv] = this.sizes();
    if (this.length > 0 && (Hkv !== this.heads || D !== heldD || Dv !== heldDv))
      throw new RangeError(
        `GrowingCache.append: k is [${k.shape}] and v [${v.shape}], but the cache holds ${this.heads} heads of ${heldD} and ${heldDv}; append more of the same.`,
      );
    if (padding?.some((count, row) => count > 0 && this.taken[row] > 0))
      this.realign({ k, v }, padding);
    else this.join({ k, v }, padding);
    if (tokensIn(this.fresh) > FRESH) this.settle();
  }

  /** Puts newcomers behind the fresh tail. */
  private join({ k, v }: KeysAndValues, padding?: Padding): void {
    const before = this.fresh;
    tf.tidy(() => {
      const newcomers = { k: foldKeys(k), v: foldKeys(v) };
      this.fresh = new SharedTensors(
        before
          ? {
              k: tf.concat<tf.Tensor3D>([before.tensors.k, newcomers.k], 1),
              v: tf.concat<tf.Tensor3D>([before.tensors.v, newcomers.v], 1),
            }
          : newcomers,
      );
    });
    this.heads = k.shape[2];
    this.taken = lengthsAfter(this.taken, k.shape[1], padding);
    before?.release();
  }

  /** Newcomers with padding between them and a row's past: all is laid anew, once per such piece. */
  private realign(newcomers: KeysAndValues, padding: Padding): void {
    const before = this.parts();
    tf.tidy(() => {
      const { k, v } = this.whole();
      const aligned = (past: tf.Tensor3D, fresh: tf.Tensor4D) =>
        foldKeys(followedRightAligned(unfoldKeys(past, this.batch), this.taken, fresh, padding));
      this.fresh = new SharedTensors({ k: aligned(k, newcomers.k), v: aligned(v, newcomers.v) });
    });
    this.pages = [];
    this.taken = lengthsAfter(this.taken, newcomers.k.shape[1], padding);
    for (const part of before) part.release();
  }

  /** Moves the fresh tail into pages. */
  private settle(): void {
    const fresh = this.fresh!;
    const open = tokensIn(this.pages.at(-1)) < PAGE ? this.pages.at(-1) : undefined;
    let settled: Page[] = [];
    tf.tidy(() => {
      const { k, v } = fresh.tensors;
      const vT = v.transpose<tf.Tensor3D>([0, 2, 1]);
      const whole = open
        ? {
            k: tf.concat<tf.Tensor3D>([open.tensors.k, k], 1),
            vT: tf.concat<tf.Tensor3D>([open.tensors.vT, vT], 2),
          }
        : { k, vT };
      const total = whole.k.shape[1];
      const sizes = Array.from({ length: Math.ceil(total / PAGE) }, (_, i) =>
        Math.min(PAGE, total - i * PAGE),
      );
      // A tail that becomes a page as it is still belongs to `fresh`; its copy is a page's size at most.
      const ks =
        sizes.length > 1 ? tf.split(whole.k, sizes, 1) : [open ? whole.k : whole.k.clone()];
      const vs = sizes.length > 1 ? tf.split(whole.vT, sizes, 2) : [whole.vT];
      settled = ks.map(
        (page, i) => new SharedTensors({ k: page as tf.Tensor3D, vT: vs[i] as tf.Tensor3D }),
      );
    });
    // Only now that all is computed does anything leave: a step that fails for want of memory loses no token.
    this.pages = [...(open ? this.pages.slice(0, -1) : this.pages), ...settled];
    this.fresh = undefined;
    fresh.release();
    open?.release();
  }

  /**
   * Softmax attention of q [B,N,H,D], the last N positions held, over everything held → [B,N,H,Dv].
   * @throws RangeError if the cache is shorter than q, or heads do not divide.
   */
  attend(q: tf.Tensor4D, options: Omit<AttentionOptions, 'causal'> = {}): tf.Tensor4D {
    const { B, N, H, D } = readShapes('GrowingCache.attend', { q: 'B N H D' }, { q });
    if (B !== this.batch)
      throw new RangeError(`GrowingCache.attend: q holds ${B} sequences, the cache ${this.batch}.`);
    const [, heldD] = this.sizes();
    if (this.length > 0 && D !== heldD)
      throw new RangeError(
        `GrowingCache.attend: q is [${q.shape}], but the keys held have ${heldD} features; both need the same D.`,
      );
    checkRule('GrowingCache.attend', { B, N, M: this.length, H, Hkv: this.heads || 1 }, options);
    const hidden = hiddenColumns(this.length, this.taken);
    return tf.tidy(() => {
      const folded = foldQueries(q, this.heads);
      if (N === 1 && options.windowSize === undefined)
        return unfoldQueries(this.attendOnce(folded, hidden, options.scale), B);
      const { k, v } = this.whole();
      return unfoldQueries(foldedAttention(folded, k, v, { ...options, hidden }), B);
    });
  }

  /** One query per head, [B·Hkv, G, 1, D]: page by page, nothing glued. */
  private attendOnce(
    q: tf.Tensor4D,
    hidden: number[] | undefined,
    scale = q.shape[3] ** -0.5,
  ): tf.Tensor4D {
    const [BHkv, G, , D] = q.shape;
    const qT = q.mul(scale).reshape<tf.Tensor3D>([BHkv, G, D]).transpose<tf.Tensor3D>([0, 2, 1]);
    const parts = this.parts();
    const all = tf.concat<tf.Tensor3D>(
      parts.map(({ tensors }) => tf.matMul<tf.Tensor3D>(tensors.k, qT)), // [B·Hkv, n, G]
      1,
    );
    const front = frontMask(hidden, BHkv, 0, this.length);
    const scores = front ? all.add<tf.Tensor3D>(front.reshape([BHkv, -1, 1])) : all;
    // Softmax runs over the last axis; with one query per key/value head the turn is only a new name for the same numbers.
    const p: tf.Tensor3D =
      G === 1
        ? tf.softmax(scores.reshape([BHkv, -1])).reshape(scores.shape)
        : softmaxOverRows(scores);
    const shares = parts.length > 1 ? tf.split(p, parts.map(tokensIn), 1) : [p];
    const sums = parts.map(({ tensors }, i) => {
      const share = shares[i];
      return 'vT' in tensors ? tf.matMul(tensors.vT, share) : tf.matMul(tensors.v, share, true); // [B·Hkv, Dv, G]
    });
    const outT = sums.reduce((a, b) => a.add(b));
    return outT.transpose<tf.Tensor3D>([0, 2, 1]).reshape([BHkv, G, 1, -1]);
  }

  /** All pages glued: k [B·Hkv, M, D], v [B·Hkv, M, Dv]. Worth its copy when many queries come at once. */
  private whole(): { k: tf.Tensor3D; v: tf.Tensor3D } {
    const fresh = this.fresh ? [this.fresh.tensors] : [];
    const pages = this.pages.map(({ tensors }) => tensors);
    const settled =
      pages.length > 0
        ? [
            tf
              .concat(
                pages.map(({ vT }) => vT),
                2,
              )
              .transpose<tf.Tensor3D>([0, 2, 1]),
          ]
        : [];
    return {
      k: tf.concat(
        [...pages, ...fresh].map(({ k }) => k),
        1,
      ),
      v: tf.concat([...settled, ...fresh.map(({ v }) => v)], 1),
    };
  }

  private parts(): (Page | Fresh)[] {
    return this.fresh ? [...this.pages, this.fresh] : this.pages;
  }

  private sizes(): [number, number, number] {
    const D = this.parts()[0]?.tensors.k.shape[2] ?? 0;
    const Dv = this.pages[0]?.tensors.vT.shape[1] ?? this.fresh?.tensors.v.shape[2] ?? 0;
    return [this.heads, D, Dv];
  }

  /** Shares every page with its twin: what was written is never written again. */
  fork(): GrowingCache {
    const twin = new GrowingCache(this.batch);
    twin.heads = this.heads;
    twin.taken = this.taken;
    twin.pages = this.pages.map((page) => page.share());
    twin.fresh = this.fresh?.share();
    return twin;
  }
  /** { k, v }, each [B, length, Hkv, D], oldest first; nothing while the cache is empty. */
  read(): Record<string, tf.Tensor> {
    if (this.length === 0) return {};
    return tf.tidy(() => {
      const { k, v } = this.whole();
      return { k: unfoldKeys(k, this.batch).clone(), v: unfoldKeys(v, this.batch).clone() };
    });
  }
  dispose(): void {
    for (const part of this.parts()) part.release();
    this.pages = [];
    this.fresh = undefined;
  }
}

/** Softmax over axis 1 of [·, n, G]. */
const softmaxOverRows = (scores: tf.Tensor3D): tf.Tensor3D =>
  tf.softmax(scores.transpose<tf.Tensor3D>([0, 2, 1])).transpose([0, 2, 1]);
