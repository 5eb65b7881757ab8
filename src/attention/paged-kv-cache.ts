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
 * A page holds K as [B·Hkv, n, Dk] and V transposed, [B·Hkv, Dv, n]: in the two products of a
 * decode step, K qᵀ and Vᵀ p, the page is then the left factor, which no engine copies.
 */
import * as tf from '@tensorflow/tfjs';
import type { LayerCache } from '../layers/mixer';
import { lengthsAfter, type PadLengths } from '../layers/padding';
import { checkCount, readShapes } from '../tensor/shapes';
import { SharedTensors } from '../tensor/shared-tensors';
import { attentionMask, checkAttention, limit } from './attention';
import { foldedAttention } from './blocked-attention';
import type { AttentionRule } from './definition';
import { foldHeads, unfoldHeads } from './head-layout';
import {
  checkKeysValues,
  checkUsable,
  concatLeftPadded,
  emptyCache,
  type HeadSizes,
  hasGap,
  type KeysValues,
  paddedColumns,
} from './keys-values';

const PAGE_SIZE = 2048;
const TAIL_SIZE = 64;
/** 0: a tail, 1: an open page, 2: full. */
const level = (tokens: number): number => (tokens <= TAIL_SIZE ? 0 : tokens < PAGE_SIZE ? 1 : 2);

/** k [B·Hkv, n, Dk], vT [B·Hkv, Dv, n]. */
type Columns = { k: tf.Tensor3D; vT: tf.Tensor3D };
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
    checkKeysValues(where, added, this.batch, padLengths, this.headSizes());
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
    const { B, N, H, Dk } = readShapes(where, { q: 'B N H Dk' }, { q });
    const held = this.headSizes();
    if (!held) throw emptyCache(where);
    if (B !== this.batch || Dk !== held.Dk)
      throw new RangeError(
        `${where}: q is [${q.shape}], but the keys are of ${this.batch} sequences with ` +
          `${held.Dk} features; give q as many.`,
      );
    const M = this.pages.reduce((sum, page) => sum + tokensIn(page.tensors), 0);
    checkAttention(where, { B, N, M, H, Hkv: held.Hkv }, options);
    const { scale = Dk ** -0.5, windowSize } = options;
    const padLengths = paddedColumns(M, this.lengths);
    return tf.tidy(() => {
      const Q = foldHeads(limit(q.mul(scale)), held.Hkv); // [B·Hkv, N·G, Dk]
      if (N === 1 && windowSize === undefined)
        return unfoldHeads(this.attendOne(Q, padLengths), B, N); // [B, 1, H, Dv]
      const { k, vT } = join(this.columns());
      const V: tf.Tensor3D = vT.transpose([0, 2, 1]); // [B·Hkv, M, Dv]
      return unfoldHeads(foldedAttention(Q, k, V, N, { windowSize, padLengths }), B, N);
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
    const weights = tf.softmax(scores).reshape([BHkv, G, M]).transpose([0, 2, 1]); // [B·Hkv, M, G]
    const pageWeights: tf.Tensor3D[] = tf.split(weights, pages.map(tokensIn), 1);
    const mixed = pages.map(({ vT }, i) => tf.matMul(vT, pageWeights[i])); // [B·Hkv, Dv, G] each
    return tf.addN(mixed).transpose([0, 2, 1]); // [B·Hkv, G, Dv]
  }

  private columns(): Columns[] {
    return this.pages.map(({ tensors }) => tensors);
  }
  private headSizes(): HeadSizes | undefined {
    if (this.pages.length === 0) return undefined;
    const { k, vT } = this.pages[0].tensors;
    return { Hkv: k.shape[0] / this.batch, Dk: k.shape[2], Dv: vT.shape[1] };
  }
  /** k [B, M, Hkv, Dk], v [B, M, Hkv, Dv]. */
  private keysValues(): KeysValues {
    const { k, vT } = join(this.columns());
    const [, M] = k.shape;
    const v: tf.Tensor3D = vT.transpose([0, 2, 1]); // [B·Hkv, M, Dv]
    return { k: unfoldHeads(k, this.batch, M), v: unfoldHeads(v, this.batch, M) };
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

/** k [B, N, Hkv, Dk], v [B, N, Hkv, Dv] → k [B·Hkv, N, Dk], vT [B·Hkv, Dv, N]. */
function toColumns({ k, v }: KeysValues): Columns {
  const [B, N, Hkv, Dv] = v.shape;
  const vT: tf.Tensor3D = v.transpose([0, 2, 3, 1]).reshape([B * Hkv, Dv, N]);
  return { k: limit(foldHeads(k, Hkv)), vT };
}

/** All columns in one piece; a single piece as it is. */
function join(pieces: Columns[]): Columns {
  if (pieces.length === 1) return pieces[0];
  const ks = pieces.map(({ k }) => k);
  const vTs = pieces.map(({ vT }) => vT);
  return { k: tf.concat(ks, 1), vT: tf.concat(vTs, 2) };
}

/** Cut into full pages and a rest. */
function intoPages({ k, vT }: Columns): Page[] {
  const sizes: number[] = [];
  for (let left = k.shape[1]; left > 0; left -= PAGE_SIZE) sizes.push(Math.min(PAGE_SIZE, left));
  if (sizes.length === 1) return [new SharedTensors({ k, vT })];
  const ks: tf.Tensor3D[] = tf.split(k, sizes, 1);
  const vTs: tf.Tensor3D[] = tf.split(vT, sizes, 2);
  return ks.map((k, i) => new SharedTensors({ k, vT: vTs[i] }));
}
