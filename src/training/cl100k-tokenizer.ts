/**
 * cl100k_base, the tokenizer that YOCO was trained with: 100,256 pieces of bytes and five marks such as <|endoftext|>.
 *
 * Ids end at 100,276. YOCO's head has 100,288 rows, the next multiple of 64, which suits a GPU; the rows in between, and
 * the gap before the last mark, stand for nothing and read as "�".
 *
 * Source: microsoft/unilm, YOCO (tiktoken's cl100k_base); the pieces as js-tiktoken ships them, 1 MB, loaded when asked for.
 */
import { Tiktoken, type TiktokenBPE } from 'js-tiktoken/lite';
import { PieceTokenizer } from './byte-pair-tokenizer';

const pieces = 100_256;
export const cl100kVocabSize = 100_288;

let made: PieceTokenizer | undefined;
export function cl100kTokenizer(): PieceTokenizer {
  if (made) return made;
  // require, not import: nobody who does not ask for it should wait for a megabyte.
  const ranks = require('js-tiktoken/ranks/cl100k_base') as TiktokenBPE;
  const marks = new Set(Object.values(ranks.special_tokens));
  made = new PieceTokenizer(
    new Tiktoken(ranks),
    cl100kVocabSize,
    { kind: 'cl100k_base' },
    (id) => id >= pieces && !marks.has(id),
  );
  return made;
}
