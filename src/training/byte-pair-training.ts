/**
 * Byte-pair encoding, the learning: join the two neighbours that meet most often, again and again.
 *
 *   t h e   t h e n   t h i s      "t h" meets 3 times   →  th e   th e n   th i s
 *   th e    th e n    th i s       "th e" meets 2 times  →  the    the n    th i s
 *
 * Token 256 is the first pair that was joined, 257 the second, and so on; 0 to 255 are the bytes. A piece never crosses the
 * border of a word (`wordPattern`), so each different word is looked at once and weighs as often as it comes: Moby Dick has
 * 266,000 words and marks, 20,600 of them different. After a merge only the words that held the pair are counted anew.
 *
 * Source: Sennrich, Haddow & Birch, arXiv 1508.07909; on bytes, as in GPT-2. Why not from a library: the official one for
 * Node is a download of 64 MB and fixes the size of the vocabulary; the small ones only encode, as ours does through one
 * of them (byte-pair-tokenizer.ts).
 */

/**
 * Words with the space before them, numbers of up to three digits, marks, white space; each at most 33 characters long, so
 * that no text, however odd, makes a piece that takes long to encode. Every character is part of a match.
 */
export const wordPattern =
  ' ?\\p{L}{1,32}| ?\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]{1,32}|\\s{1,32}(?!\\S)|\\s{1,32}';

/** Two tokens that meet → the text that they make, as bytes in a string; equal texts are one piece, however they came about. */
export type Merge = [number, number];
export const byteNames: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  String.fromCharCode(byte),
);

interface Word {
  tokens: number[];
  count: number;
}
const pairsOf = function* ({ tokens }: Word): Generator<Merge> {
  for (let i = 1; i < tokens.length; i++) yield [tokens[i - 1], tokens[i]];
};
const beforeOf = ([a, b]: Merge, [c, d]: Merge): boolean => a < c || (a === c && b < d);

/** `tokens` with `id` in the place of each [a, b], from left to right. */
function joined(tokens: readonly number[], [a, b]: Merge, id: number): number[] {
  const out: number[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const meets = tokens[i] === a && tokens[i + 1] === b;
    out.push(meets ? id : tokens[i]);
    if (meets) i++;
  }
  return out;
}

/** Which pairs there are, how often, and in which words. */
class PairCounts {
  private readonly counts = new Map<string, { pair: Merge; count: number; words: Set<Word> }>();

  add(word: Word, sign: 1 | -1): void {
    for (const pair of pairsOf(word)) {
      const key = pair.join();
      const entry = this.counts.get(key) ?? { pair, count: 0, words: new Set<Word>() };
      entry.count += sign * word.count;
      entry.words.add(word); // one too many does no harm: a word without the pair stays as it is
      if (entry.count > 0) this.counts.set(key, entry);
      else this.counts.delete(key);
    }
  }
  /** The most frequent pair; of equals the one of the smallest tokens, so that a text has one answer. */
  best(): { pair: Merge; count: number; words: Set<Word> } | undefined {
    let best: { pair: Merge; count: number; words: Set<Word> } | undefined;
    for (const entry of this.counts.values())
      if (
        !best ||
        entry.count > best.count ||
        (entry.count === best.count && beforeOf(entry.pair, best.pair))
      )
        best = entry;
    return best;
  }
}

/**
 * The merges of a vocabulary of `vocabSize`, in order. Fewer if no pair comes twice any more: a small text has no more to give.
 * @throws RangeError if `vocabSize` is smaller than the bytes.
 */
export function trainBytePairs(text: string, vocabSize: number): Merge[] {
  if (!Number.isInteger(vocabSize) || vocabSize < 256 || vocabSize > 65_536)
    throw new RangeError(
      `trainBytePairs: vocabSize is ${vocabSize}; give 256 (the bytes alone) to 65536.`,
    );
  const timesOf = new Map<string, number>();
  for (const [word] of text.matchAll(new RegExp(wordPattern, 'gu')))
    timesOf.set(word, (timesOf.get(word) ?? 0) + 1);
  const encoder = new TextEncoder();
  const words = [...timesOf].map(
    ([word, count]): Word => ({ tokens: Array.from(encoder.encode(word)), count }),
  );
  const pairs = new PairCounts();
  for (const word of words) pairs.add(word, 1);

  const names = [...byteNames];
  const idOf = new Map(names.map((name, id) => [name, id]));
  const merges: Merge[] = [];
  while (names.length < vocabSize) {
    const best = pairs.best();
    if (!best || best.count < 2) break;
    const name = best.pair.map((id) => names[id]).join('');
    const id = idOf.get(name) ?? names.length; // "a bc" makes the piece that "ab c" made before: no new token
    for (const word of best.words) {
      pairs.add(word, -1);
      word.tokens = joined(word.tokens, best.pair, id);
      pairs.add(word, 1);
    }
    if (id < names.length) continue;
    names.push(name);
    idOf.set(name, id);
    merges.push(best.pair);
  }
  return merges;
}
