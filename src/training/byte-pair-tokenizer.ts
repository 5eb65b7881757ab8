/**
 * Byte-pair encoding, the use: a word is cut into bytes, then neighbours are joined, the earliest learned piece first.
 *
 *   merges: th, the, en        "then" → t h e n → th e n → the n        (not th en: the was learned before en)
 *
 * Encoding and decoding are js-tiktoken's, which is what YOCO's own tokenizer runs on; it takes our pieces as its ranks.
 */
import { Tiktoken } from 'js-tiktoken/lite';
import { byteNames, type Merge, trainBytePairs, wordPattern } from './byte-pair-training';
import { checkIds, type Tokenizer, type TokenizerJSON, unknown } from './tokenizer-types';

/** What a piece may weigh: our longest word in UTF-8. A file could ask for pieces that double in length sixty times. */
const longestPiece = 33 * 4;

/** The text of each token, as bytes in a string. @throws RangeError naming the merge that cannot be. */
export function namesOf(merges: readonly Merge[]): string[] {
  const names = [...byteNames];
  const seen = new Set(names);
  merges.forEach((merge, i) => {
    const id = 256 + i;
    const isPair =
      Array.isArray(merge) &&
      merge.length === 2 &&
      merge.every((part) => Number.isInteger(part) && part >= 0 && part < id);
    if (!isPair)
      throw new RangeError(
        `byte-pair: merge ${i} is ${JSON.stringify(merge)?.slice(0, 40)}; it joins two tokens from 0 to ${id - 1}.`,
      );
    const name = merge.map((part) => names[part]).join('');
    if (name.length > longestPiece)
      throw new RangeError(
        `byte-pair: merge ${i} makes a piece of ${name.length} bytes; no word has more than ${longestPiece}.`,
      );
    if (seen.has(name))
      throw new RangeError(
        `byte-pair: merge ${i} makes a piece that is there already; each piece needs one id.`,
      );
    seen.add(name);
    names.push(name);
  });
  return names;
}

/** Tokens of js-tiktoken's kind, with what it leaves to its caller: ids are checked, and no text is a command. */
export class PieceTokenizer implements Tokenizer {
  constructor(
    private readonly tiktoken: Tiktoken,
    readonly vocabSize: number,
    private readonly json: TokenizerJSON,
    /** Ids without a text, as a vocabulary has that was rounded up. */
    private readonly isEmpty: (id: number) => boolean = () => false,
  ) {}

  /** "<|endoftext|>" in a text is thirteen characters, not an order. */
  encode(text: string): Int32Array {
    return Int32Array.from(this.tiktoken.encode(text, [], []));
  }
  decode(tokens: ArrayLike<number>): string {
    checkIds(this.json.kind, tokens, this.vocabSize);
    const readable = Array.from(tokens).flatMap((id) =>
      this.isEmpty(id) ? this.tiktoken.encode(unknown) : [id],
    );
    // The decoder drops a byte order mark at the very start; behind a newline it is safe.
    return this.tiktoken.decode([...this.tiktoken.encode('\n'), ...readable]).slice(1);
  }
  toJSON(): TokenizerJSON {
    return this.json;
  }
}

export class BytePairTokenizer extends PieceTokenizer {
  /** @throws RangeError naming the merge that cannot be. */
  constructor(readonly merges: readonly Merge[]) {
    const names = namesOf(merges);
    const ranks = names.map((name) => Buffer.from(name, 'latin1').toString('base64'));
    super(
      new Tiktoken({
        pat_str: wordPattern,
        special_tokens: {},
        bpe_ranks: `! 0 ${ranks.join(' ')}`,
      }),
      names.length,
      {
        kind: 'byte-pair',
        merges: [...merges],
      },
    );
  }
  /** Learned from `text`; of at most `vocabSize` tokens. */
  static fit(text: string, vocabSize: number): BytePairTokenizer {
    return new BytePairTokenizer(trainBytePairs(text, vocabSize));
  }
}
