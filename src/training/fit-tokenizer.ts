/** The tokenizers by name: fitted to a text, or as a file describes them. */
import { BytePairTokenizer, cl100kTokenizer } from './byte-pair-tokenizer';
import {
  ByteTokenizer,
  CharacterTokenizer,
  type Tokenizer,
  type TokenizerJSON,
  type TokenizerKind,
  tokenizerKinds,
} from './tokenizer';

/** Rarer characters get no token of their own. */
const minCharacterCount = 10;

/** `vocabSize` is for byte-pair. @throws RangeError for a kind or a size that is not allowed. */
export function fitTokenizer(kind: TokenizerKind, text: string, vocabSize: number): Tokenizer {
  if (kind === 'characters') return CharacterTokenizer.fit(text, minCharacterCount);
  if (kind === 'byte-pair') return BytePairTokenizer.fit(text, vocabSize);
  if (kind === 'bytes' || kind === 'cl100k_base') return tokenizerFrom({ kind });
  throw new RangeError(
    `fitTokenizer: there is no ${JSON.stringify(kind)}; there are ${tokenizerKinds.join(', ')}.`,
  );
}

/** The tokenizer that wrote this JSON. @throws RangeError if it is none of ours. */
export function tokenizerFrom(json: TokenizerJSON): Tokenizer {
  if (json?.kind === 'bytes') return new ByteTokenizer();
  if (json?.kind === 'cl100k_base') return cl100kTokenizer();
  if (json?.kind === 'characters' && typeof json.characters === 'string') {
    return new CharacterTokenizer(json.characters);
  }
  if (json?.kind === 'byte-pair' && Array.isArray(json.merges)) {
    return new BytePairTokenizer(json.merges);
  }
  throw new RangeError(
    `tokenizerFrom: got ${JSON.stringify(json)?.slice(0, 80)}; allowed: ` +
      '{ "kind": "characters", "characters": "…" }, { "kind": "bytes" }, ' +
      '{ "kind": "byte-pair", "merges": [[116, 104], …] }, { "kind": "cl100k_base" }.',
  );
}
