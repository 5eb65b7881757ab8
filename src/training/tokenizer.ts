/**
 * What a tokenizer promises: text as numbers from 0 to vocabSize − 1, and back. Then the two
 * simplest tokenizers; the others are in byte-pair-tokenizer.ts.
 *
 *   kind          tokens                                 a text is        the output head
 *   characters    one per character of the text          long             small: 78 rows, Moby Dick
 *   bytes         256, one per byte of UTF-8             a little longer  small, any text
 *   byte-pair     bytes, and frequent runs of bytes      half as long     as large as you allow
 *   cl100k_base   YOCO's: 100,000 such runs, ready-made  a quarter        100,288 rows
 *
 * Fewer tokens per text mean fewer steps to read it and a cache that reaches further; a larger
 * vocabulary means a larger head, and fewer examples of each token. Losses per token of two
 * tokenizers cannot be compared; bits per byte can (evaluation/perplexity.ts).
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
export const tokenizerKinds = ['characters', 'bytes', 'byte-pair', 'cl100k_base'] as const;
export type TokenizerKind = TokenizerJSON['kind'];

/** What stands for unreadable text: Unicode's replacement character. */
export const unknown = '\uFFFD';

/** @throws RangeError naming the first id that is not a token. */
export function checkIds(where: string, tokens: ArrayLike<number>, vocabSize: number): void {
  for (let i = 0; i < tokens.length; i++) {
    const id = tokens[i];
    if (!(Number.isInteger(id) && id >= 0 && id < vocabSize))
      throw new RangeError(`${where}: there is no token ${id}; ids go from 0 to ${vocabSize - 1}.`);
  }
}

/**
 * One token per byte of UTF-8, which writes any text: "é" → 195 169, "🐋" → 240 159 144 139.
 * Letters beyond English take two to four tokens, and a model may stop or err inside of one. Bytes
 * that are not UTF-8 decode to "�".
 */
export class ByteTokenizer implements Tokenizer {
  readonly vocabSize = 256;

  encode(text: string): Int32Array {
    return Int32Array.from(new TextEncoder().encode(text));
  }
  decode(tokens: ArrayLike<number>): string {
    checkIds('ByteTokenizer', tokens, this.vocabSize);
    // ignoreBOM keeps a byte order mark at the start of the text.
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(tokens));
  }
  toJSON(): TokenizerJSON {
    return { kind: 'bytes' };
  }
}

/**
 * One token per character, for the characters of the training text: some eighty in Moby Dick, so
 * the output head stays small. Token 0, "�", stands for every other character: the model never saw
 * it in training, and the reader sees where that happened.
 */
export class CharacterTokenizer implements Tokenizer {
  private readonly characters: string[];
  private readonly idOf: Map<string, number>;

  /** @throws RangeError if a character comes twice. */
  constructor(characters: Iterable<string>) {
    this.characters = [unknown, ...characters];
    this.idOf = new Map();
    for (const [id, character] of this.characters.entries()) {
      if (this.idOf.has(character)) {
        throw new RangeError(
          `CharacterTokenizer: ${JSON.stringify(character)} comes twice; give each once ` +
            `(${JSON.stringify(unknown)} is token 0).`,
        );
      }
      this.idOf.set(character, id);
    }
  }

  /** The characters that come at least `minCount` times in `text`, ordered by code point. */
  static fit(text: string, minCount = 1): CharacterTokenizer {
    const counts = new Map<string, number>();
    for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
    counts.delete(unknown);
    const kept = [...counts.keys()].filter((character) => counts.get(character)! >= minCount);
    return new CharacterTokenizer(kept.sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!));
  }

  get vocabSize(): number {
    return this.characters.length;
  }
  encode(text: string): Int32Array {
    return Int32Array.from(Array.from(text, (character) => this.idOf.get(character) ?? 0));
  }
  decode(tokens: ArrayLike<number>): string {
    checkIds('CharacterTokenizer', tokens, this.vocabSize);
    return Array.from(tokens, (id) => this.characters[id]).join('');
  }
  toJSON(): TokenizerJSON {
    return { kind: 'characters', characters: this.characters.slice(1).join('') };
  }
}
