/**
 * What a tokenizer promises: text as numbers from 0 to vocabSize − 1, and back.
 *
 *   kind          tokens                                 a text is        and the output head
 *   characters    one per character of the text          long             small: 78 rows for Moby Dick
 *   bytes         256, one per byte of UTF-8             a little longer  small, and no text is foreign to it
 *   byte-pair     bytes, and pieces made of pieces       half as long     as large as you allow
 *   cl100k_base   YOCO's: 100,000 such pieces, ready     a quarter        100,288 rows: most of a small model
 *
 * Fewer tokens per text mean fewer steps to read it and a cache that reaches further; more kinds of token mean a larger
 * head, and fewer sightings of each. Losses per token of two tokenizers cannot be compared; bits per byte can (perplexity.ts).
 */
export interface Tokenizer {
  readonly vocabSize: number;
  encode(text: string): Int32Array;
  /** @throws RangeError for an id outside the vocabulary. */
  decode(tokens: ArrayLike<number>): string;
  /** All that `tokenizerFrom` needs to make an equal one. */
  toJSON(): TokenizerJSON;
}

export type TokenizerJSON =
  /** Tokens 1, 2, … in order. */
  | { kind: 'characters'; characters: string }
  | { kind: 'bytes' }
  /** Tokens 256, 257, … in order, each as the two tokens that it joins. */
  | { kind: 'byte-pair'; merges: [number, number][] }
  | { kind: 'cl100k_base' };
export type TokenizerKind = TokenizerJSON['kind'];
export const tokenizerKinds = [
  'characters',
  'bytes',
  'byte-pair',
  'cl100k_base',
] as const satisfies readonly TokenizerKind[];

/** What stands for the unreadable: Unicode's replacement character. */
export const unknown = '\uFFFD';

/** @throws RangeError naming the first id that is none. */
export function checkIds(where: string, tokens: ArrayLike<number>, vocabSize: number): void {
  for (let i = 0; i < tokens.length; i++) {
    const id = tokens[i];
    if (!(Number.isInteger(id) && id >= 0 && id < vocabSize))
      throw new RangeError(`${where}: there is no token ${id}; ids go from 0 to ${vocabSize - 1}.`);
  }
}
