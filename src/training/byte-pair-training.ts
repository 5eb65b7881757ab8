/**
 * Byte-pair encoding, learned: join the two neighbours that occur most often, again and again.
 *
 *   t h e   t h e n   t h i s      "t h" occurs 3 times    →  th e   th e n   th i s
 *   th e    th e n    th i s       "th e" occurs 2 times   →  the    the n    th i s
 *
 * Tokens 0 to 255 are the bytes, 256 is the first pair that was joined, 257 the second, and so on.
 * A token never crosses the border of a word (`wordPattern`), so each of Moby Dick's 20,600
 * different words is kept once, with its count; a merge only concerns those that hold the pair.
 *
 * Source: Sennrich, Haddow & Birch, arXiv 1508.07909; on bytes, as in GPT-2. Why not a library: the
 * official one for Node is a download of 64 MB with a fixed vocabulary; the small ones only encode.
 */

/**
 * Words with the space before them, numbers of up to three digits, punctuation, white space; each
 * at most 33 characters long, which bounds the time to encode. Every character is part of a match.
 */
export const wordPattern =
  ' ?\\p{L}{1,32}| ?\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]{1,32}|\\s{1,32}(?!\\S)|\\s{1,32}';

/** Two tokens that are joined. Equal texts are one token, whatever they are joined of. */
export type Merge = [number, number];

/** The 256 bytes as strings of one character. */
export const byteStrings = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));

interface Word {
  tokens: number[];
  count: number;
}
interface Pair {
  merge: Merge;
  count: number;
  words: Set<Word>;
}

/** Which pairs of neighbours there are, how often, and in which words. */
class PairCounts {
  private readonly pairs = new Map<string, Pair>();

  /** Counts the pairs of a word, or with sign −1 takes them back. */
  add(word: Word, sign: 1 | -1): void {
    const { tokens, count } = word;
    for (let i = 1; i < tokens.length; i++) {
      const merge: Merge = [tokens[i - 1], tokens[i]];
      const key = merge.join();
      const pair = this.pairs.get(key) ?? { merge, count: 0, words: new Set() };
      pair.count += sign * count;
      pair.words.add(word); // also when the pair goes: joining a word without it changes nothing
      if (pair.count > 0) this.pairs.set(key, pair);
      else this.pairs.delete(key);
    }
  }

  /** The most frequent pair; of equals the one of the smallest tokens, so the result is unique. */
  best(): Pair | undefined {
    let best: Pair | undefined;
    for (const pair of this.pairs.values()) if (!best || isBefore(pair, best)) best = pair;
    return best;
  }
}

function isBefore({ count, merge: [a, b] }: Pair, other: Pair): boolean {
  if (count !== other.count) return count > other.count;
  return a === other.merge[0] ? b < other.merge[1] : a < other.merge[0];
}

/** `tokens` with `id` in the place of each [a, b], from left to right. */
function joinPairs(tokens: readonly number[], [a, b]: Merge, id: number): number[] {
  const joined: number[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const isPair = tokens[i] === a && tokens[i + 1] === b;
    joined.push(isPair ? id : tokens[i]);
    if (isPair) i++;
  }
  return joined;
}

/**
 * The merges of a vocabulary of `vocabSize`, in order; fewer if no pair occurs twice any more.
 * @throws RangeError if `vocabSize` is smaller than the number of bytes, or too large.
 */
export function trainBytePairs(text: string, vocabSize: number): Merge[] {
  if (!(Number.isInteger(vocabSize) && vocabSize >= 256 && vocabSize <= 65_536))
    throw new RangeError(`trainBytePairs: vocabSize is ${vocabSize}; give 256 (bytes) to 65536.`);
  const wordCounts = new Map<string, number>();
  for (const [word] of text.matchAll(new RegExp(wordPattern, 'gu'))) {
    wordCounts.set(word, (wordCounts.get(word) ?? 0) + 1);
  }
  const encoder = new TextEncoder();
  const pairs = new PairCounts();
  for (const [word, count] of wordCounts) {
    pairs.add({ tokens: Array.from(encoder.encode(word)), count }, 1);
  }

  const strings = [...byteStrings];
  const idOf = new Map(strings.map((bytes, id) => [bytes, id]));
  const merges: Merge[] = [];
  while (strings.length < vocabSize) {
    const best = pairs.best();
    if (!best || best.count < 2) break;
    const [a, b] = best.merge;
    const joined = strings[a] + strings[b];
    const isNew = !idOf.has(joined); // "a bc" makes the token that "ab c" made before
    const id = idOf.get(joined) ?? strings.length;
    for (const word of best.words) {
      pairs.add(word, -1);
      word.tokens = joinPairs(word.tokens, best.merge, id);
      pairs.add(word, 1);
    }
    if (!isNew) continue;
    strings.push(joined);
    idOf.set(joined, id);
    merges.push(best.merge);
  }
  return merges;
}
