/**
 * Assignment 3: a KV cache in 8 bits, with its loss and its bytes measured.
 *
 * A submission is a class that keeps rows of numbers (one key or one value of one head) as bytes.
 * The judge asks it about rows, counts what it really holds, and puts two of them, one for keys and
 * one for values, under the global cache of the YOCO that read Moby Dick.
 */
import * as tf from '@tensorflow/tfjs';
import { type KeysValues, PlainKvCache } from '../../../attention/kv-cache';
import type { PadLengths } from '../../../layers/padding';
import { tokenLosses } from '../../../layers/token-loss';
import type { Yoco } from '../../../models/yoco';
import { YocoCache } from '../../../models/yoco-cache';
import { judgeParts, type Part, type Report } from './judge';

export interface EightBitCache {
  /** Adds one row. The caller may change the row afterwards. */
  append(row: Float32Array): void;
  /** All rows, in the order in which they were added. */
  read(): Float32Array[];
  /** What the rows take. */
  readonly bytes: number;
}
export type NewEightBitCache = new () => EightBitCache;

/** What the report must say, measured by the submission itself. */
export interface EightBitReport {
  /** Held-out loss in nats with the global cache in float32, and in 8 bits. */
  lossFloat: number;
  loss8: number;
  /** Bytes of the global cache after the text, in float32, and in 8 bits. */
  bytesFloat: number;
  bytes8: number;
}
export interface EightBitWork {
  newCache: NewEightBitCache;
  report: EightBitReport | undefined;
}

/** Bytes of all typed arrays, and 8 for each number in a list, that an object holds. */
export function heldBytes(holder: unknown, seen = new Set<unknown>()): number {
  if (typeof holder !== 'object' || holder === null || seen.has(holder)) return 0;
  seen.add(holder);
  if (ArrayBuffer.isView(holder)) {
    if (seen.has(holder.buffer)) return 0; // two views of one buffer count once
    seen.add(holder.buffer);
    return holder.buffer.byteLength;
  }
  const inside = holder instanceof Map ? [...holder.values()] : Object.values(holder);
  let bytes = 0;
  for (const x of inside)
    bytes += typeof x === 'number' && Array.isArray(holder) ? 8 : heldBytes(x, seen);
  return bytes;
}

/** A global cache of a model whose keys and values are those that two 8-bit caches give back. */
class RoundedKvCache extends PlainKvCache {
  constructor(
    batch: number,
    readonly keys: EightBitCache,
    readonly values: EightBitCache,
  ) {
    super(batch);
  }
  override append(added: KeysValues, padLengths?: PadLengths): void {
    super.append(
      { k: throughCache(added.k, this.keys), v: throughCache(added.v, this.values) },
      padLengths,
    );
  }
  override fork(): RoundedKvCache {
    return this.shareWith(new RoundedKvCache(this.batch, this.keys, this.values));
  }
}
/** [B, N, H, D], each row of D numbers as the cache gives it back. */
function throughCache(x: tf.Tensor4D, cache: EightBitCache): tf.Tensor4D {
  const D = x.shape[3];
  const numbers = x.dataSync() as Float32Array;
  const before = cache.read().length;
  for (let i = 0; i < numbers.length; i += D) cache.append(numbers.slice(i, i + D));
  const rows = cache.read().slice(before);
  return tf.tensor4d(Float32Array.from(rows.flatMap((row) => Array.from(row))), x.shape);
}

/**
 * Reads a text of tokens and gives its mean loss and the bytes of the global cache at its end, in
 * float32, or through 8-bit caches if their class is given.
 */
export function measureGlobalCache(
  model: Yoco,
  text: readonly number[],
  EightBit?: NewEightBitCache,
): { loss: number; bytes: number } {
  return tf.tidy(() => {
    const cache = model.newCache();
    if (!EightBit) return measured(cache, () => cache.global.bytes);
    const [keys, values] = [new EightBit(), new EightBit()];
    const rounded = new YocoCache(model, 1, cache.layers, new RoundedKvCache(1, keys, values));
    return measured(rounded, () => keys.bytes + values.bytes);
  });

  function measured(cache: YocoCache, bytesOf: () => number) {
    const logits = model.forward([text.slice(0, -1)], cache); // [1, N, vocab]
    const loss = tokenLosses(logits, text.slice(1)).mean().dataSync()[0];
    const bytes = bytesOf();
    cache.dispose();
    return { loss, bytes };
  }
}

const rowOf = (...numbers: number[]): Float32Array => Float32Array.from(numbers);
const ordinary = [rowOf(1, -2, 0.5, 127), rowOf(0.01, -0.02, 0.003, 0.0127), rowOf(-3, -1, -2, -5)];

function roundTrip(newCache: NewEightBitCache, rows: readonly Float32Array[]): Float32Array[] {
  const cache = new newCache();
  for (const row of rows) cache.append(row);
  return cache.read();
}
const listed = (row: ArrayLike<number>): string =>
  Array.from(row, (x) => Number(x.toPrecision(3))).join(', ');

/** Why rows that were read are not those that were kept, up to half a step of each row. */
function errorOf(got: Float32Array[], rows: readonly Float32Array[]): string | undefined {
  if (!Array.isArray(got)) return 'read() does not give a list of rows.';
  if (got.length !== rows.length) return `${rows.length} rows went in, ${got.length} came out.`;
  const largestOfAll = Math.max(...rows.flatMap((row) => Array.from(row, Math.abs)));
  for (const [n, row] of rows.entries()) {
    if (got[n].length !== row.length)
      return `row ${n} had ${row.length} numbers and has ${got[n].length} now.`;
    const largest = Math.max(...Array.from(row, Math.abs));
    const halfStep = (largest / 127 / 2) * 1.01;
    for (const [i, x] of row.entries()) {
      const off = Math.abs(got[n][i] - x);
      if (off <= halfStep) continue;
      const said = `the row [${listed(row)}] is read as [${listed(got[n])}]: `;
      if (!Number.isFinite(got[n][i])) return `${said}${got[n][i]} is no number.`;
      if (Math.sign(got[n][i]) === -Math.sign(x) && Math.abs(x) > 2 * halfStep)
        return `${said}a sign is lost: an Int8Array holds −128 to 127, and 128 becomes −128.`;
      if (off <= 2 * halfStep)
        return `${said}more than half a step off: round to the nearest; a step is largest / 127.`;
      if (off <= (largestOfAll / 127 / 2) * 1.01)
        return `${said}its step fits the largest row. Give each row a scale of its own.`;
      return `${said}off by ${off.toPrecision(2)}, half a step is ${halfStep.toPrecision(2)}.`;
    }
  }
  return undefined;
}

/** 60 rows of 24 numbers. */
function manyRows(): Float32Array[] {
  const rows: Float32Array[] = [];
  for (let n = 0; n < 60; n++)
    rows.push(Float32Array.from({ length: 24 }, (_, i) => Math.sin(n + 1.7 * i) * (1 + n)));
  return rows;
}

function parts(model: Yoco, text: readonly number[]): Part<EightBitWork>[] {
  return [
    {
      asks: 'what was kept is read again, each number off by at most half a step of its row',
      points: 4,
      wrongBecause: ({ newCache }) =>
        errorOf(roundTrip(newCache, ordinary), ordinary) ??
        errorOf(roundTrip(newCache, manyRows()), manyRows()),
    },
    {
      asks: 'a row that the caller changes later stays as it was kept',
      points: 1,
      wrongBecause: ({ newCache }) => {
        const cache = new newCache();
        const row = rowOf(1, 2, 4);
        cache.append(row);
        row.fill(9);
        const reason = errorOf(cache.read(), [rowOf(1, 2, 4)]);
        return reason && `the cache holds the caller’s own array; keep a copy. (${reason})`;
      },
    },
    {
      asks: 'a number takes a byte, a row at most one scale of 4 bytes more; counted in the cache',
      points: 2,
      wrongBecause: ({ newCache }) => {
        const cache = new newCache();
        for (const row of manyRows()) cache.append(row);
        const allowed = 60 * (24 + 4);
        const held = heldBytes(cache);
        if (held > 60 * 24 * 4)
          return `${held} bytes are held, in float32 ${60 * 24 * 4}: are the rows kept beside?`;
        if (held > allowed)
          return `${held} bytes are held for 60 rows of 24 numbers; ${allowed} are enough.`;
        if (held < 60 * 24) return `only ${held} bytes are found for ${60 * 24} numbers.`;
        if (cache.bytes === held) return undefined;
        return `bytes says ${cache.bytes}, but ${held} are held.`;
      },
    },
    {
      asks: 'the loss of the report is the one measured here',
      points: 2,
      wrongBecause: ({ newCache, report }) => {
        if (!report) return 'Not begun: there is no report.';
        const float = measureGlobalCache(model, text).loss;
        const eight = measureGlobalCache(model, text, newCache).loss;
        for (const [name, said, measured] of [
          ['lossFloat', report.lossFloat, float],
          ['loss8', report.loss8, eight],
        ] as const) {
          if (Math.abs(said - measured) < 1e-3) continue;
          const isBits = Math.abs(said * Math.LN2 - measured) < 1e-3;
          return (
            `${name} is ${said}, measured here: ${measured.toFixed(4)} nats.` +
            (isBits ? ' You gave bits: a nat is 1 / ln 2 bits.' : '')
          );
        }
        return undefined;
      },
    },
    {
      asks: 'the bytes of the report are those of the caches after the text',
      points: 1,
      wrongBecause: ({ newCache, report }) => {
        if (!report) return 'Not begun: there is no report.';
        const float = measureGlobalCache(model, text).bytes;
        const eight = measureGlobalCache(model, text, newCache).bytes;
        if (report.bytesFloat !== float)
          return `bytesFloat is ${report.bytesFloat}, held here: ${float}.`;
        if (report.bytes8 === eight) return undefined;
        const scaleless = report.bytes8 * 4 === float ? ' The scales take space too.' : '';
        return `bytes8 is ${report.bytes8}, held here: ${eight}.${scaleless}`;
      },
    },
  ];
}

/** Judges an 8-bit cache and its report on `text`, the tokens that it was made with: 10 points. */
export const examineEightBitCache = (
  model: Yoco,
  text: readonly number[],
  work: EightBitWork,
): Promise<Report> => judgeParts('Assignment 3, a cache in 8 bits', parts(model, text), work);

/** The same, printed. */
export async function judgeEightBitCache(
  ...given: Parameters<typeof examineEightBitCache>
): Promise<void> {
  console.log((await examineEightBitCache(...given)).text);
}
