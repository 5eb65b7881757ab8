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
 * Keys are rotated before they are written, so `length` is the only clock.
 */
import * as tf from '@tensorflow/tfjs';
import type { Memory } from '../blocks/memory';
import { readShapes } from '../engine/shapes';
import { foldKeys, foldQueries, unfoldKeys, unfoldQueries } from './head-layout';
import { KEYS_AND_VALUES, type KeysAndValues } from './keys-and-values';
import { type AttentionOptions, checkRule, foldedAttention } from './softmax-attention';

const PAGE = 2048;
const FRESH = 64;

/** k [B·Hkv, n, D], vT [B·Hkv, Dv, n]. */
interface Page {
  k: tf.Tensor3D;
  vT: tf.Tensor3D;
}
/** k [B·Hkv, n, D], v [B·Hkv, n, Dv]. */
interface Fresh {
  k: tf.Tensor3D;
  v: tf.Tensor3D;
}
const tokensIn = (part?: Page | Fresh): number => part?.k.shape[1] ?? 0;

export class GrowingCache implements Memory {
  private pages: Page[] = [];
  private fresh?: Fresh;
  private heads = 0;

  constructor(readonly batch: number) {}

  get length(): number {
    return this.pages.reduce((sum, page) => sum + tokensIn(page), 0) + tokensIn(this.fresh);
  }
  /** 2 · B · length · Hkv · D · 4, to the byte. */
  get bytes(): number {
    const tensors = [...this.pages.flatMap(({ k, vT }) => [k, vT]), ...(this.fresh ? [this.fresh.k, this.fresh.v] : [])];
    return tensors.reduce((sum, t) => sum + 4 * t.size, 0);
  }

  /** Takes [B,M,Hkv,D] along time. @throws RangeError if batch, heads or sizes are not those of the past. */
  append({ k, v }: KeysAndValues): void {
    const { B, Hkv, D, Dv } = readShapes('GrowingCache.append', KEYS_AND_VALUES, { k, v });
    if (B !== this.batch) throw new RangeError(`GrowingCache.append: k holds ${B} sequences, the cache ${this.batch}.`);
    const [, heldD, heldDv] = this.sizes();
    if (this.length > 0 && (Hkv !== this.heads || D !== heldD || Dv !== heldDv))
      throw new RangeError(
        `GrowingCache.append: k is [${k.shape}] and v [${v.shape}], but the cache holds ${this.heads} heads of ${heldD} and ${heldDv}; append more of the same.`,
      );
    this.heads = Hkv;
    const before = this.fresh;
    const arrived = tf.tidy(() => {
      const newcomers = { k: foldKeys(k), v: foldKeys(v) };
      const tail = before ? { k: tf.concat([before.k, newcomers.k], 1), v: tf.concat([before.v, newcomers.v], 1) } : newcomers;
      return { k: tf.keep(tail.k.clone()), v: tf.keep(tail.v.clone()) };
    });
    if (before) tf.dispose([before.k, before.v]);
    this.fresh = arrived;
    if (tokensIn(this.fresh) > FRESH) this.settle();
  }

  /** Moves the fresh tail into pages. */
  private settle(): void {
    const { k, v } = this.fresh!;
    const open = tokensIn(this.pages.at(-1)) < PAGE ? this.pages.pop() : undefined;
    const added: Page[] = [];
    tf.tidy(() => {
      const vT = v.transpose<tf.Tensor3D>([0, 2, 1]);
      const whole = open ? { k: tf.concat([open.k, k], 1), vT: tf.concat([open.vT, vT], 2) } : { k, vT };
      const total = tokensIn(whole);
      const sizes = Array.from({ length: Math.ceil(total / PAGE) }, (_, i) => Math.min(PAGE, total - i * PAGE));
      const ks = sizes.length > 1 ? tf.split(whole.k, sizes, 1) : [whole.k];
      const vs = sizes.length > 1 ? tf.split(whole.vT, sizes, 2) : [whole.vT];
      ks.forEach((page, i) => {
        added.push({ k: tf.keep(page.clone()) as tf.Tensor3D, vT: tf.keep(vs[i]!.clone()) as tf.Tensor3D });
      });
    });
    tf.dispose([k, v, ...(open ? [open.k, open.vT] : [])]);
    this.pages.push(...added);
    this.fresh = undefined;
  }

  /**
   * Softmax attention of q [B,N,H,D], the last N positions held, over everything held → [B,N,H,Dv].
   * @throws RangeError if the cache is shorter than q, or heads do not divide.
   */
  attend(q: tf.Tensor4D, options: Omit<AttentionOptions, 'causal'> = {}): tf.Tensor4D {
    const [B, N, H] = q.shape;
    if (B !== this.batch) throw new RangeError(`GrowingCache.attend: q holds ${B} sequences, the cache ${this.batch}.`);
    checkRule('GrowingCache.attend', { N, M: this.length, H, Hkv: this.heads || 1 }, options);
    return tf.tidy(() => {
      const folded = foldQueries(q, this.heads);
      if (N === 1 && options.windowSize === undefined) return unfoldQueries(this.attendOnce(folded, options.scale), B);
      const { k, v } = this.whole();
      return unfoldQueries(foldedAttention(folded, k, v, options), B);
    });
  }

  /** One query per head, [B·Hkv, G, 1, D]: page by page, nothing glued. */
  private attendOnce(q: tf.Tensor4D, scale = q.shape[3] ** -0.5): tf.Tensor4D {
    const [BHkv, G, , D] = q.shape;
    const qT = q.mul(scale).reshape<tf.Tensor3D>([BHkv, G, D]).transpose<tf.Tensor3D>([0, 2, 1]);
    const parts = [...this.pages, ...(this.fresh ? [this.fresh] : [])];
    const scores = tf.concat<tf.Tensor3D>(
      parts.map(({ k }) => tf.matMul<tf.Tensor3D>(k, qT)), // [B·Hkv, n, G]
      1,
    );
    // Softmax runs over the last axis; with one query per key/value head the turn is only a new name for the same numbers.
    const p: tf.Tensor3D = G === 1 ? tf.softmax(scores.reshape([BHkv, -1])).reshape(scores.shape) : softmaxOverRows(scores as tf.Tensor3D);
    const shares = parts.length > 1 ? tf.split(p, parts.map(tokensIn), 1) : [p];
    const sums = parts.map((part, i) => {
      const share = shares[i]!;
      return 'vT' in part ? tf.matMul(part.vT, share) : tf.matMul(part.v, share, true); // [B·Hkv, Dv, G]
    });
    const outT = sums.reduce((a, b) => a.add(b));
    return outT.transpose<tf.Tensor3D>([0, 2, 1]).reshape([BHkv, G, 1, -1]);
  }

  /** All pages glued: k [B·Hkv, M, D], v [B·Hkv, M, Dv]. Worth its copy when many queries come at once. */
  private whole(): { k: tf.Tensor3D; v: tf.Tensor3D } {
    const settled = this.pages.length > 0;
    const freshK = this.fresh ? [this.fresh.k] : [];
    const freshV = this.fresh ? [this.fresh.v] : [];
    const pageV = settled ? [tf.concat(this.pages.map(({ vT }) => vT), 2).transpose<tf.Tensor3D>([0, 2, 1])] : [];
    return { k: tf.concat([...this.pages.map(({ k }) => k), ...freshK], 1), v: tf.concat([...pageV, ...freshV], 1) };
  }

  private sizes(): [number, number, number] {
    const D = this.pages[0]?.k.shape[2] ?? this.fresh?.k.shape[2] ?? 0;
    const Dv = this.pages[0]?.vT.shape[1] ?? this.fresh?.v.shape[2] ?? 0;
    return [this.heads, D, Dv];
  }

  /** Shares every page with its twin: what was written is never written again. */
  fork(): GrowingCache {
    const twin = new GrowingCache(this.batch);
    twin.heads = this.heads;
    twin.pages = this.pages.map(({ k, vT }) => ({ k: tf.keep(k.clone()), vT: tf.keep(vT.clone()) }));
    if (this.fresh) twin.fresh = { k: tf.keep(this.fresh.k.clone()), v: tf.keep(this.fresh.v.clone()) };
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
    for (const { k, vT } of this.pages) tf.dispose([k, vT]);
    if (this.fresh) tf.dispose([this.fresh.k, this.fresh.v]);
    this.pages = [];
    this.fresh = undefined;
  }
}


/** Softmax over axis 1 of [·, n, G]. */
const softmaxOverRows = (scores: tf.Tensor3D): tf.Tensor3D => tf.softmax(scores.transpose<tf.Tensor3D>([0, 2, 1])).transpose([0, 2, 1]);
