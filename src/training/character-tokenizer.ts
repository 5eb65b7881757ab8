/**
 * One token per character, for the characters that the training text uses.
 *
 * Moby Dick is written with some eighty different characters, so the output head stays small and the model spends its
 * weights on English. Token 0, "�", stands for every character that is not in the vocabulary: what a model never saw in
 * training it cannot learn, and the reader sees where that happened.
 */
import { checkIds, type Tokenizer, type TokenizerJSON, unknown } from './tokenizer-types';

export class CharacterTokenizer implements Tokenizer {
  private readonly characters: string[];
  private readonly idOf: Map<string, number>;

  /** @throws RangeError if a character comes twice. */
  constructor(characters: Iterable<string>) {
    this.characters = [unknown, ...characters];
    this.idOf = new Map(this.characters.map((character, id) => [character, id]));
    if (this.idOf.size !== this.characters.length) {
      const twice = this.characters.find((character, id) => this.idOf.get(character) !== id);
      throw new RangeError(
        `CharacterTokenizer: ${JSON.stringify(twice)} comes twice; each character needs one id (${JSON.stringify(unknown)} is token 0).`,
      );
    }
  }

  /** The characters that come at least `atLeast` times in `text`, in the order of their code points. */
  static fit(text: string, atLeast = 1): CharacterTokenizer {
    const counts = new Map<string, number>();
    for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
    counts.delete(unknown);
    const kept = [...counts]
      .filter(([, count]) => count >= atLeast)
      .map(([character]) => character);
    return new CharacterTokenizer(kept.sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!));
  }

  get vocabSize(): number {
    return this.characters.length;
  }
  /** Every character becomes one token; those outside the vocabulary become token 0. */
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
