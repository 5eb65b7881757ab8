/**
 * The KV cache in pages: the fast twin of the plain cache, with the same methods and results.
 *
 * A tensor cannot grow in place, and copying all keys for every token would cost as much as
 * reading them. So they lie in pages:
 *
 *   [ sealed page | sealed page | … | open page | tail ]
 *
 * A new token is merged into the tail, which copies at most 64 tokens. A tail that is longer is
 * merged into the open page, which copies at most 2048, every 64 steps. A full page is sealed: it
 * is never copied again. So what one token costs does not depend on how many came before.
 *
 * A page holds V transposed: in the two products of a decode step, K qᵀ and Vᵀ p, the page is
 * then the left factor, which no engine copies. In the tail V is as it came: it grows along its
 * middle axis, which is cheaper than along the last.
 */
import * as tf from '@tensorflow/tfjs';
import type { LayerCache } from '../layers/mixer';
import { lengthsAfter, type PadLengths } from '../layers/padding';
import { checkCount } from '../tensor/shapes';
import { SharedTensors } from '../tensor/shared-tensors';
import { attentionMask, readAttentionShapes } from './attention';
import { foldedAttention } from './blocked-attention';
import type { AttentionRule } from './definition';
import { foldHeads, unfoldHeads } from './head-layout';
import {
  checkKeysValues,
  checkUsable,
  concatLeftPadded,
  emptyCache,
  hasGap,
  type KeysValues,
  paddedColumns,
} from './keys-values';

const PAGE_SIZE = 2048;
const TAIL_SIZE = 64;
/** 0: a tail, 1: an open page, 2: full. */
const level = (tokens: number): number => (tokens <= TAIL_SIZE ? 0 : tokens < PAGE_SIZE ? 1 : 2);

/** k [B·Hkv, n, Dk], and v [B·Hkv, n, Dv] or vT [B·Hkv, Dv, n]. */
type Columns = { k: tf.Tensor3D; v: tf.Tensor3D } | { k: tf.Tensor3D; vT: tf.Tensor3D };
type Page = SharedTensors<Columns>;
const tokensIn = ({ k }: Columns): number => k.shape[1];

export class PagedKvCache implements LayerCache {
  lengths: readonly number[]; // tokens so far in each row
  private pages: readonly Page[] = []; // no two open pages, no two tails
  private disposed = false;

  constructor(readonly batch: number) {
    checkCount('KvCache', 'batch', batch, 'sequences');
    this.lengths = new Array<number>(batch).fill(0);
  }
  get length(): number {
    return Math.max(...this.lengths);
  }
  /** B · M · Hkv · (Dk + Dv) · 4. */
  get bytes(): number {
    return this.pages.reduce((sum, page) => sum + page.bytes, 0);
  }

  append(added: KeysValues, padLengths?: PadLengths): void {
    const where = 'KvCache.append';
    checkUsable(where, this.disposed);
    checkKeysValues(where, added, this.batch, padLengths, this.heldShapes());
    const before = this.pages;
    const pages = [...before];
    tf.tidy(() => {
      let last = toColumns(added);
      if (padLengths && hasGap(this.lengths, padLengths)) {
        last = this.rebuild(added, padLengths);
        pages.length = 0;
      }
      while (pages.length > 0) {
        const previous = pages[pages.length - 1].tensors;
        const size = level(tokensIn(previous));
        if (size === 2 || size > level(tokensIn(last))) break;
        last = join([previous, last]);
        pages.pop();
      }
      pages.push(...intoPages(last));
    });
    this.pages = pages;
    this.lengths = lengthsAfter(this.lengths, added.k.shape[1], padLengths);
    for (const page of before) if (!pages.includes(page)) page.release();
  }
  /** All columns laid out again, because of padding between a row's tokens and the new ones. */
  private rebuild(added: KeysValues, padLengths: PadLengths): Columns {
    const { k, v } = this.keysValues(); // [B, M, Hkv, D]
    return toColumns({
      k: concatLeftPadded(k, this.lengths, added.k, padLengths),
      v: concatLeftPadded(v, this.lengths, added.v, padLengths),
    });
  }

  attend(q: tf.Tensor4D, options: Omit<AttentionRule, 'causal'> = {}): tf.Tensor4D {
    const where = 'KvCache.attend';
    checkUsable(where, this.disposed);
    const held = this.heldShapes();
    if (!held) throw emptyCache(where);
    const { B, N, M, Hkv, Dk } = readAttentionShapes(where, { q, ...held }, options);
    const { scale = Dk ** -0.5, windowSize } = options;
    const padLengths = paddedColumns(M, this.lengths);
    return tf.tidy(() => {
      const Q = foldHeads(q.mul(scale), Hkv); // [B·Hkv, N·G, Dk]
      if (N === 1 && windowSize === undefined)
        return unfoldHeads(this.attendOne(Q, padLengths), B, N); // [B, 1, H, Dv]
      const all = join(this.columns());
      const V = valuesOf(all);
      return unfoldHeads(foldedAttention(Q, all.k, V, N, { windowSize, padLengths }), B, N);
    });
  }

  /** One query per head, Q [B·Hkv, G, Dk] → [B·Hkv, G, Dv], page by page: no key is copied. */
  private attendOne(Q: tf.Tensor3D, padLengths?: number[]): tf.Tensor3D {
    const [BHkv, G] = Q.shape;
    const pages = this.columns();
    const QT: tf.Tensor3D = Q.transpose([0, 2, 1]); // [B·Hkv, Dk, G]
    const pageScores: tf.Tensor3D[] = pages.map(({ k }) => tf.matMul(k, QT)); // [B·Hkv, n, G]
    let scores: tf.Tensor = tf.concat(pageScores, 1).transpose([0, 2, 1]); // [B·Hkv, G, M]
    const M = scores.shape[2] as number;
    if (padLengths) {
      const mask = attentionMask(1, M, { padLengths }); // [B, 1, 1, M]
      scores = scores.reshape([this.batch, -1, 1, M]).add(mask); // [B, H, 1, M]
    }
    const byHead = tf.softmax(scores).reshape<tf.Tensor3D>([BHkv, G, M]);
    const weights: tf.Tensor3D = byHead.transpose([0, 2, 1]); // [B·Hkv, M, G]
    // tf.split into a single piece has a broken gradient.
    const pageWeights: tf.Tensor3D[] =
      pages.length > 1 ? tf.split(weights, pages.map(tokensIn), 1) : [weights];
    const mixed = pages.map((page, i) =>
      'vT' in page ? tf.matMul(page.vT, pageWeights[i]) : tf.matMul(page.v, pageWeights[i], true),
    ); // [B·Hkv, Dv, G] each
    return tf.addN(mixed).transpose([0, 2, 1]); // [B·Hkv, G, Dv]
  }

  private columns(): Columns[] {
    return this.pages.map(({ tensors }) => tensors);
  }
  /** The shapes of k [B, M, Hkv, Dk] and v [B, M, Hkv, Dv], for checks. */
  private heldShapes(): KeysValues | undefined {
    if (this.pages.length === 0) return undefined;
    const page = this.pages[0].tensors;
    const [BHkv, , Dk] = page.k.shape;
    const Dv = 'vT' in page ? page.vT.shape[1] : page.v.shape[2];
    const M = this.pages.reduce((sum, { tensors }) => sum + tokensIn(tensors), 0);
    const shapes = [Dk, Dv].map((D) => ({ shape: [this.batch, M, BHkv / this.batch, D] }));
    return { k: shapes[0], v: shapes[1] } as KeysValues;
  }
  /** k [B, M, Hkv, Dk], v [B, M, Hkv, Dv]. */
  private keysValues(): KeysValues {
    const all = join(this.columns());
    const M = tokensIn(all);
    const k = unfoldHeads(all.k, this.batch, M);
    return { k, v: unfoldHeads(valuesOf(all), this.batch, M) };
  }

  /** Shares all pages: what a page holds never changes. */
  fork(): PagedKvCache {
    checkUsable('KvCache.fork', this.disposed);
    const copy = new PagedKvCache(this.batch);
    copy.lengths = this.lengths;
    copy.pages = this.pages.map((page) => page.share());
    return copy;
  }
  snapshot(): Record<string, tf.Tensor> {
    checkUsable('KvCache.snapshot', this.disposed);
    return this.pages.length > 0 ? tf.tidy(() => this.keysValues()) : {};
  }
  dispose(): void {
    for (const page of this.pages) page.release();
    this.pages = [];
    this.disposed = true;
  }
}

/** k [B, N, Hkv, Dk], v [B, N, Hkv, Dv] → k [B·Hkv, N, Dk], v [B·Hkv, N, Dv]. */
function toColumns({ k, v }: KeysValues): Columns {
  const Hkv = k.shape[2];
  return { k: foldHeads(k, Hkv), v: foldHeads(v, Hkv) };
}
/** [B·Hkv, n, Dv]. */
const valuesOf = (columns: Columns): tf.Tensor3D =>
  'v' in columns ? columns.v : columns.vT.transpose([0, 2, 1]);
/** [B·Hkv, Dv, n]. */
const transposedValuesOf = (columns: Columns): tf.Tensor3D =>
  'vT' in columns ? columns.vT : columns.v.transpose([0, 2, 1]);

/** All columns in one piece; a single piece as it is. */
function join(pieces: Columns[]): Columns {
  if (pieces.length === 1) return pieces[0];
  const k = tf.concat(
    pieces.map(({ k }) => k),
    1,
  );
  if (pieces.every((piece) => 'v' in piece)) return { k, v: tf.concat(pieces.map(valuesOf), 1) };
  return { k, vT: tf.concat(pieces.map(transposedValuesOf), 2) };
}

/** A tail, or full pages and the rest, the open page. */
function intoPages(columns: Columns): Page[] {
  if (level(tokensIn(columns)) === 0) return [new SharedTensors(columns)];
  const { k } = columns;
  const vT = transposedValuesOf(columns);
  const sizes: number[] = [];
  for (let left = k.shape[1]; left > 0; left -= PAGE_SIZE) sizes.push(Math.min(PAGE_SIZE, left));
  if (sizes.length === 1) return [new SharedTensors<Columns>({ k, vT })];
  const ks: tf.Tensor3D[] = tf.split(k, sizes, 1);
  const vTs: tf.Tensor3D[] = tf.split(vT, sizes, 2);
  return ks.map((k, i) => new SharedTensors<Columns>({ k, vT: vTs[i] }));
}
