/**
 * Byte-pair encoding, in use: a word is cut into bytes, then neighbours are joined, in the order in
 * which the merges were learned (byte-pair-training.ts). js-tiktoken does it, with our merges.
 *
 *   merges: th, the, en      "then" → t h e n → th e n → the n     not th en: the comes before en
 */
import { Tiktoken, type TiktokenBPE } from 'js-tiktoken/lite';
import { byteStrings, type Merge, trainBytePairs, wordPattern } from './byte-pair-training';
import { checkIds, type Tokenizer, type TokenizerJSON, unknown } from './tokenizer';

/** Bytes of the longest word of `wordPattern`; a hostile file could ask for 2⁶⁰. */
const maxTokenBytes = 33 * 4;

/** The bytes of each token as a string. @throws RangeError naming the merge that is not allowed. */
function tokenStrings(merges: readonly Merge[]): string[] {
  const strings = [...byteStrings];
  const seen = new Set(strings);
  for (const [i, merge] of merges.entries()) {
    const count = strings.length;
    const isToken = (id: number) => Number.isInteger(id) && id >= 0 && id < count;
    if (!(Array.isArray(merge) && merge.length === 2 && merge.every(isToken)))
      throw new RangeError(
        `byte-pair: merge ${i} is ${JSON.stringify(merge)?.slice(0, 40)}; it joins two tokens ` +
          `from 0 to ${count - 1}.`,
      );
    const joined = strings[merge[0]] + strings[merge[1]];
    const refuse = (what: string): never => {
      throw new RangeError(`byte-pair: merge ${i} makes ${what}.`);
    };
    if (joined.length > maxTokenBytes)
      refuse(`a token of ${joined.length} bytes; at most ${maxTokenBytes} are allowed`);
    if (seen.has(joined)) refuse('a token that exists already; each needs one id');
    seen.add(joined);
    strings.push(joined);
  }
  return strings;
}

/** js-tiktoken's encoder, with ids checked, and without special tokens in the text. */
export class SubwordTokenizer implements Tokenizer {
  constructor(
    private readonly tiktoken: Tiktoken,
    readonly vocabSize: number,
    private readonly json: TokenizerJSON,
    /** Ids without a text, as in a vocabulary that was rounded up. */
    private readonly isUnused: (id: number) => boolean = () => false,
  ) {}

  /** "<|endoftext|>" in a text is thirteen characters, not a special token. */
  encode(text: string): Int32Array {
    return Int32Array.from(this.tiktoken.encode(text, [], []));
  }
  decode(tokens: ArrayLike<number>): string {
    checkIds(this.json.kind, tokens, this.vocabSize);
    // The decoder drops a byte order mark at the very start, so a newline goes before the text.
    const ids = this.tiktoken.encode('\n');
    for (const id of Array.from(tokens))
      ids.push(...(this.isUnused(id) ? this.tiktoken.encode(unknown) : [id]));
    return this.tiktoken.decode(ids).slice(1);
  }
  toJSON(): TokenizerJSON {
    return this.json;
  }
}

export class BytePairTokenizer extends SubwordTokenizer {
  /** @throws RangeError naming the merge that is not allowed. */
  constructor(readonly merges: readonly Merge[]) {
    const strings = tokenStrings(merges);
    const ranks = strings.map((bytes) => Buffer.from(bytes, 'latin1').toString('base64'));
    const bpe_ranks = `! 0 ${ranks.join(' ')}`;
    const tiktoken = new Tiktoken({ pat_str: wordPattern, special_tokens: {}, bpe_ranks });
    super(tiktoken, strings.length, { kind: 'byte-pair', merges: [...merges] });
  }
  /** Learned from `text`; of at most `vocabSize` tokens. */
  static fit(text: string, vocabSize: number): BytePairTokenizer {
    return new BytePairTokenizer(trainBytePairs(text, vocabSize));
  }
}

let cl100k: SubwordTokenizer | undefined;
/**
 * cl100k_base, the tokenizer that YOCO was trained with: 100,256 runs of bytes and five special
 * tokens such as <|endoftext|>. YOCO's head has 100,288 rows, a multiple of 64, which suits a GPU;
 * rows without a token decode to "�".
 *
 * Source: microsoft/unilm, YOCO (tiktoken's cl100k_base), as js-tiktoken ships it (1 MB).
 */
export function cl100kTokenizer(): SubwordTokenizer {
  if (cl100k) return cl100k;
  // require, not import: the megabyte is loaded only when it is asked for.
  const ranks = require('js-tiktoken/ranks/cl100k_base') as TiktokenBPE;
  const special = new Set(Object.values(ranks.special_tokens));
  const isUnused = (id: number) => id >= 100_256 && !special.has(id);
  cl100k = new SubwordTokenizer(new Tiktoken(ranks), 100_288, { kind: 'cl100k_base' }, isUnused);
  return cl100k;
}
