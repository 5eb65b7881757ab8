/** The tokenizers by name: fitted to a text, or as a file describes them. */
import { BytePairTokenizer } from './byte-pair-tokenizer';
import { ByteTokenizer } from './byte-tokenizer';
import { CharacterTokenizer } from './character-tokenizer';
import { cl100kTokenizer } from './cl100k-tokenizer';
import {
  type Tokenizer,
  type TokenizerJSON,
  type TokenizerKind,
  tokenizerKinds,
} from './tokenizer-types';

export { CharacterTokenizer } from './character-tokenizer';
export {
  type Tokenizer,
  type TokenizerJSON,
  type TokenizerKind,
  tokenizerKinds,
  unknown,
} from './tokenizer-types';

/** Characters rarer than this are not worth a token. */
const rarest = 10;

/** @param vocabSize of byte-pair; the others have no choice. @throws RangeError for a kind or a size that is not allowed. */
export function fitTokenizer(kind: TokenizerKind, text: string, vocabSize: number): Tokenizer {
  switch (kind) {
    case 'characters':
      return CharacterTokenizer.fit(text, rarest);
    case 'bytes':
      return new ByteTokenizer();
    case 'byte-pair':
      return BytePairTokenizer.fit(text, vocabSize);
    case 'cl100k_base':
      return cl100kTokenizer();
    default:
      throw new RangeError(
        `fitTokenizer: there is no ${JSON.stringify(kind)}; there are ${tokenizerKinds.join(', ')}.`,
      );
  }
}

/** The tokenizer that wrote this. @throws RangeError if it is none of ours. */
export function tokenizerFrom(json: TokenizerJSON): Tokenizer {
  switch (json?.kind) {
    case 'characters':
      if (typeof json.characters === 'string') return new CharacterTokenizer(json.characters);
      break;
    case 'bytes':
      return new ByteTokenizer();
    case 'byte-pair':
      if (Array.isArray(json.merges)) return new BytePairTokenizer(json.merges);
      break;
    case 'cl100k_base':
      return cl100kTokenizer();
  }
  throw new RangeError(
    `tokenizerFrom: got ${JSON.stringify(json)?.slice(0, 80)}; allowed: { "kind": "characters", "characters": "…" }, ` +
      '{ "kind": "byte-pair", "merges": [[116, 104], …] }, { "kind": "bytes" }, { "kind": "cl100k_base" }.',
  );
}
