/**
 * A needle in a haystack: one sentence with a number, somewhere in a long text, and at the end the question.
 *
 *   … of the whale and the sea  the magic number of Cairo: 47 .  and then the ship …   the magic number of Cairo:  →  47
 *
 * Depth is where the needle lies (0: first, 1: last), length how much text there is. A model that keeps every token should
 * find it anywhere; one with a window only near the end; one with a state of fixed size as long as the state holds it.
 * With several needles, the city says which number is meant.
 *
 * A model of a hundred thousand weights does not know letters, so a word is a token: the commonest words of the book, the
 * cities and the numbers. The haystack is the book, with the other words left out.
 *
 * Source: the task of YOCO, arXiv 2405.05254, section "Long-context evaluation"; cities and magic numbers as in Liu et al.,
 * "World model on million-length video and language", arXiv 2402.08268.
 */

import { seededStream } from '../inference/seeded-stream';
import { checkCount } from '../tensor/shapes';
import type { BatchSource, Windows } from '../training/batches';
import { NOT_ASKED } from '../training/loss';
import { RecallTask, shuffled } from './recall';

const cities =
  'Accra Bergen Cairo Delhi Essen Faro Genoa Hanoi Izmir Jaipur Kyoto Lima Minsk Nice Oslo Paris Quito Rome Seoul Turin'.split(
    ' ',
  );
const numberOf = (i: number): string => String(10 + i);
const numbers = 50;
const phrase = 'the magic number of'.split(' ');
/** Words of a needle: the phrase, the city, the number, a full stop. */
export const NEEDLE_LENGTH = phrase.length + 3;
/** Words of a question with its answer. */
const QUESTION_LENGTH = phrase.length + 2;

/** Words and the numbers that stand for them. */
export class NeedleVocabulary {
  readonly words: readonly string[];
  private readonly idOf: Map<string, number>;
  /** The haystack: the known words of the text, in order. */
  readonly hay: Int32Array;

  /** @param text whose `common` commonest words are kept. @throws RangeError if it has fewer. */
  constructor(text: string, common = 200) {
    checkCount('NeedleVocabulary', 'common', common, 'words');
    const all = text.toLowerCase().match(/[a-z]+/g) ?? [];
    const counts = new Map<string, number>();
    for (const word of all) counts.set(word, (counts.get(word) ?? 0) + 1);
    const ranked = [...counts]
      .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
      .map(([word]) => word);
    if (ranked.length < common)
      throw new RangeError(
        `NeedleVocabulary: the text has ${ranked.length} different words, fewer than ${common}.`,
      );
    const kept = ranked.slice(0, common);
    const needed = [...phrase, '.'].filter((word) => !kept.includes(word));
    this.words = [
      ...kept,
      ...needed,
      ...cities.map((city) => `${city}:`),
      ...Array.from({ length: numbers }, (_, i) => numberOf(i)),
    ];
    this.idOf = new Map(this.words.map((word, id) => [word, id]));
    const hay = new Set(kept);
    this.hay = Int32Array.from(
      all.filter((word) => hay.has(word)).map((word) => this.idOf.get(word)!),
    );
  }
  get size(): number {
    return this.words.length;
  }
  encode(words: readonly string[]): number[] {
    return words.map((word) => {
      const id = this.idOf.get(word);
      if (id === undefined)
        throw new RangeError(`NeedleVocabulary: ${JSON.stringify(word)} is no word here.`);
      return id;
    });
  }
  decode(ids: ArrayLike<number>): string {
    return Array.from(ids, (id) => this.words[id] ?? '?').join(' ');
  }
}

export interface NeedleOptions {
  /** Tokens of a row, questions included: a number, or several between which batches take turns. */
  length: number | readonly number[];
  needles: number | readonly number[];
  /** Of the first needle, 0 to 1; absent: each anywhere. */
  depth?: number;
  batch: number;
  seed: number;
}

/**
 * Batches without end; number n depends on the seed and n alone.
 *
 * A small model does not learn to look something up when it is asked once in two hundred words. `bareNeedles` is what it
 * learns on first: cities and numbers with nothing between them, asked about all of them.
 */
export class NeedleTask implements BatchSource {
  private readonly lengths: readonly number[];
  private readonly counts: readonly number[];

  /** @throws RangeError if the needles do not fit, or an option is out of range. */
  constructor(
    readonly vocabulary: NeedleVocabulary,
    readonly options: NeedleOptions,
  ) {
    const { length, needles, depth, batch } = options;
    this.lengths = typeof length === 'number' ? [length] : length;
    this.counts = typeof needles === 'number' ? [needles] : needles;
    checkCount('NeedleTask', 'batch', batch, 'rows');
    if (depth !== undefined && !(depth >= 0 && depth <= 1))
      throw new RangeError(`NeedleTask: depth is ${depth}; give 0 (first) to 1 (last).`);
    for (const n of this.counts) {
      checkCount('NeedleTask', 'needles', n, 'needles');
      if (n > cities.length)
        throw new RangeError(
          `NeedleTask: needles is ${n}, but there are ${cities.length} cities; give as many or fewer.`,
        );
      const least = n * (NEEDLE_LENGTH + QUESTION_LENGTH);
      const short = this.lengths.find((tokens) => !Number.isInteger(tokens) || tokens < least);
      if (short !== undefined)
        throw new RangeError(
          `NeedleTask: length is ${short}; ${n} needles and their questions alone are ${least} tokens; give more.`,
        );
    }
  }

  at(number: number): Windows {
    const { batch } = this.options;
    const length = this.lengths[number % this.lengths.length];
    const count = this.counts[Math.floor(number / this.lengths.length) % this.counts.length];
    const rows = Array.from({ length: batch }, (_, row) =>
      this.row(length, count, number * batch + row),
    );
    return { inputs: rows.map(({ input }) => input), targets: rows.map(({ target }) => target) };
  }

  private row(length: number, count: number, index: number): { input: number[]; target: number[] } {
    const { depth, seed } = this.options;
    const random = seededStream(seed, index);
    const { hay } = this.vocabulary;
    const told = shuffled(cities.length, random)
      .slice(0, count)
      .map((city) => ({ city: `${cities[city]}:`, number: numberOf(random.integer(numbers)) }));
    const straw = length - count * (NEEDLE_LENGTH + QUESTION_LENGTH) + 1; // the last answer is asked, not read
    const start = random.integer(hay.length - straw);
    const text = Array.from(hay.subarray(start, start + straw));
    // Needles lie between words of the straw, in the order of their places.
    const places = told.map((_, i) =>
      i === 0 && depth !== undefined ? Math.round(depth * straw) : random.integer(straw + 1),
    );
    const order = places
      .map((place, i) => ({ place, ...told[i] }))
      .sort((a, b) => b.place - a.place);
    for (const { place, city, number } of order)
      text.splice(place, 0, ...this.vocabulary.encode([...phrase, city, number, '.']));
    const input = [...text];
    const target: number[] = text.map(() => NOT_ASKED);
    for (const i of shuffled(count, random)) {
      const { city, number } = told[i];
      const [question, answer] = [
        this.vocabulary.encode([...phrase, city]),
        this.vocabulary.encode([number])[0],
      ];
      input.push(...question, answer);
      target.push(...question.slice(1).map(() => NOT_ASKED), answer, NOT_ASKED);
    }
    return { input: input.slice(0, length), target: target.slice(0, length) };
  }
}

/** Recall of cities and numbers, `pairs` of them, without phrase or straw: the same words, asked as often as they can be. */
export function bareNeedles(
  vocabulary: NeedleVocabulary,
  { pairs, batch, seed }: { pairs: readonly number[]; batch: number; seed: number },
): BatchSource {
  const task = new RecallTask({ keys: cities.length, values: numbers, batch, pairs, seed });
  const [firstCity] = vocabulary.encode([`${cities[0]}:`]);
  const [firstNumber] = vocabulary.encode([numberOf(0)]);
  const word = (token: number): number =>
    token === NOT_ASKED
      ? token
      : token < cities.length
        ? firstCity + token
        : firstNumber + token - cities.length;
  return {
    at: (number) => {
      const { inputs, targets } = task.at(number);
      return {
        inputs: inputs.map((row) => row.map(word)),
        targets: targets.map((row) => row.map(word)),
      };
    },
  };
}
