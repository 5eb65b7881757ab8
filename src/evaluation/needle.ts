/**
 * A needle in a haystack: a sentence with a number, somewhere in a long text, and at the end the
 * question for that number.
 *
 *   … of the whale and the sea  the magic number of Cairo: 47 .  and then the ship …
 *   the magic number of Cairo:  →  47
 *
 * Depth is where the needle lies (0: first, 1: last), length is the length of the text. A model
 * that keeps every token can find the needle anywhere, one with a window only near the end, one
 * with a state of fixed size as long as the state keeps it. With several needles, the city says
 * which number is asked: all of them, one question each, or one, and then the other needles only
 * distract.
 *
 * A model of a hundred thousand weights does not learn to spell, so a word is a token: the most
 * common words of the book, the cities and the numbers. The haystack is the book without its other
 * words.
 *
 * Source: the task of YOCO, arXiv 2405.05254, section "Long-context evaluation", whose code
 * (multi_needle.py) asks for one city; cities and magic numbers as in Liu et al., "World model on
 * million-length video and language", arXiv 2402.08268.
 */
import { seededStream } from '../tensor/random';
import { checkCount } from '../tensor/shapes';
import type { Batch, DataLoader } from '../training/batches';
import { type QuestionRow, questionBatch, RecallTask, range } from './recall';

const cities = (
  'Accra: Bergen: Cairo: Delhi: Essen: Faro: Genoa: Hanoi: Izmir: Jaipur: ' +
  'Kyoto: Lima: Minsk: Nice: Oslo: Paris: Quito: Rome: Seoul: Turin:'
).split(' ');
const numberWords = range(50).map((i) => String(10 + i));
const phrase = ['the', 'magic', 'number', 'of'];

/** Tokens of a question with its answer: the phrase, the city, the number. */
const QUESTION_LENGTH = phrase.length + 2;
/** A needle ends in a full stop. */
export const NEEDLE_LENGTH = QUESTION_LENGTH + 1;

/** Words and their token ids. */
export class NeedleVocabulary {
  readonly words: readonly string[];
  /** The known words of the text, in order. */
  readonly haystack: Int32Array;
  private readonly idOf: Map<string, number>;

  /** Keeps the `common` most common words of a text. @throws RangeError if it has fewer. */
  constructor(text: string, common = 200) {
    checkCount('NeedleVocabulary', 'common', common, 'words');
    const textWords = text.toLowerCase().match(/[a-z]+/g) ?? [];
    const counts = new Map<string, number>();
    for (const word of textWords) counts.set(word, (counts.get(word) ?? 0) + 1);
    if (counts.size < common)
      throw new RangeError(`NeedleVocabulary: common is ${common}; give at most ${counts.size}.`);
    const ranked = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
    const kept = ranked.slice(0, common).map(([word]) => word);
    const ofNeedles = [...phrase, '.'].filter((word) => !kept.includes(word));
    this.words = [...kept, ...ofNeedles, ...cities, ...numberWords];
    this.idOf = new Map(this.words.map((word, id) => [word, id]));
    const textIds = textWords.map((word) => this.idOf.get(word) ?? Infinity);
    this.haystack = Int32Array.from(textIds.filter((id) => id < common));
  }
  get size(): number {
    return this.words.length;
  }
  encode(words: readonly string[]): number[] {
    const unknown = words.find((word) => !this.idOf.has(word));
    if (unknown !== undefined) throw new RangeError(`NeedleVocabulary: there is no "${unknown}".`);
    return words.map((word) => this.idOf.get(word)!);
  }
  decode(ids: ArrayLike<number>): string {
    return Array.from(ids, (id) => this.words[id] ?? '?').join(' ');
  }
}

export interface NeedleOptions {
  /** Tokens of a row, questions included: a number, or several that batches take in turn. */
  length: number | readonly number[];
  needles: number | readonly number[];
  /** Of the first needle, 0 to 1; default: a random place. The other needles lie anywhere. */
  depth?: number;
  /** For which cities the text asks at its end; default: all. The one is the first needle's. */
  asked?: 'all' | 'one';
  batch: number;
  seed: number;
}

/** Batches without end; batch n depends on the seed and n alone. */
export class NeedleTask implements DataLoader {
  /** @throws RangeError if the needles do not fit, or an option is out of range. */
  constructor(
    readonly vocabulary: NeedleVocabulary,
    readonly options: NeedleOptions,
  ) {
    const { length, needles, depth, batch } = options;
    checkCount('NeedleTask', 'batch', batch, 'rows');
    if (depth !== undefined && !(depth >= 0 && depth <= 1))
      throw new RangeError(`NeedleTask: depth is ${depth}; give 0 (first) to 1 (last).`);
    for (const count of [needles].flat()) {
      checkCount('NeedleTask', 'needles', count, 'needles');
      if (count > cities.length)
        throw new RangeError(`NeedleTask: needles is ${count}; give ${cities.length} or fewer.`);
      const shortest = this.tokensWithoutFiller(count);
      for (const tokens of [length].flat()) {
        if (!Number.isInteger(tokens) || tokens < shortest)
          throw new RangeError(
            `NeedleTask: length is ${tokens}; give ${shortest} or more for ${count} needles.`,
          );
      }
    }
  }

  private tokensWithoutFiller(needles: number): number {
    const questions = this.options.asked === 'one' ? 1 : needles;
    return needles * NEEDLE_LENGTH + questions * QUESTION_LENGTH;
  }

  at(number: number): Batch {
    const { batch } = this.options;
    const lengths = [this.options.length].flat();
    const counts = [this.options.needles].flat();
    const length = lengths[number % lengths.length];
    const count = counts[Math.floor(number / lengths.length) % counts.length];
    const rows = range(batch).map((b) => this.row(length, count, number * batch + b));
    return questionBatch(rows, length);
  }

  private row(length: number, count: number, index: number): QuestionRow {
    const { depth, seed, asked } = this.options;
    const { vocabulary } = this;
    const random = seededStream(seed, index);
    const chosenCities = random.shuffle(range(cities.length)).slice(0, count);
    const facts = chosenCities.map((i) => {
      const number = numberWords[random.integer(numberWords.length)];
      return vocabulary.encode([...phrase, cities[i], number]);
    });

    // The last answer is predicted and not read, so one more token of filler fits.
    const filler = length - this.tokensWithoutFiller(count) + 1;
    const start = random.integer(vocabulary.haystack.length - filler);
    const text = Array.from(vocabulary.haystack.subarray(start, start + filler));

    const needles = facts.map((fact, i) => {
      const isFixed = i === 0 && depth !== undefined;
      return { fact, place: isFixed ? Math.round(depth * filler) : random.integer(filler + 1) };
    });
    needles.sort((a, b) => b.place - a.place); // from the end, so that earlier places stay valid
    const [fullStop] = vocabulary.encode(['.']);
    for (const { fact, place } of needles) text.splice(place, 0, ...fact, fullStop);
    const order = asked === 'one' ? [0] : random.shuffle(range(count));
    return { text, questions: order.map((i) => facts[i]) };
  }
}

/**
 * How often the official list of cities names a city: 42 of them once, 24 twice, 2 three times, one
 * four times, 100 places in all. Counted in multi_needle.py of the official code.
 */
export const officialCityCounts: readonly number[] = [
  ...range(42).map(() => 1),
  ...range(24).map(() => 2),
  ...range(2).map(() => 3),
  4,
];

/**
 * The share of questions that nobody can answer for certain, because the city that is asked names
 * two needles. The needles' places in the list are drawn without repetition, and every needle is
 * asked equally often. `counts`: how often each city stands in the list.
 * @throws RangeError for more needles than places.
 */
export function ambiguousShare(counts: readonly number[], needles: number): number {
  const places = counts.reduce((sum, count) => sum + count, 0);
  checkCount('ambiguousShare', 'needles', needles, 'needles');
  if (needles > places)
    throw new RangeError(`ambiguousShare: needles is ${needles}; the list has ${places} places.`);
  let share = 0;
  for (const count of counts) {
    // No other needle is on one of this city's other places.
    let unique = 1;
    for (let i = 1; i < needles; i++) unique *= (places - count - i + 1) / (places - i);
    share += (count / places) * (1 - Math.max(0, unique));
  }
  return share;
}

/**
 * The first lesson of a small model, which does not learn to look up from one question in two
 * hundred words: cities and numbers with nothing between them, and a question for every city.
 */
export function keyValueWarmup(
  vocabulary: NeedleVocabulary,
  options: { pairs: readonly number[]; batch: number; seed: number },
): DataLoader {
  const tokens = vocabulary.encode([...cities, ...numberWords]);
  const values = numberWords.length;
  return new RecallTask({ keys: cities.length, values, tokens, ...options });
}
