/** The four tokenizers; byte pairs against their definition in loops without counts or ranks. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BytePairTokenizer, cl100kTokenizer } from '../../src/training/byte-pair-tokenizer';
import { trainBytePairs, wordPattern } from '../../src/training/byte-pair-training';
import { readCorpus } from '../../src/training/corpus';
import { fitTokenizer, tokenizerFrom } from '../../src/training/fit-tokenizer';
import { ByteTokenizer, CharacterTokenizer, unknown } from '../../src/training/tokenizer';

const bytesOf = (text: string): string[] => [...Buffer.from(text, 'utf8').toString('latin1')];
const wordsOf = (text: string): string[] => text.match(new RegExp(wordPattern, 'gu')) ?? [];
const allBytes = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));

/** The definition: count all pairs of neighbours in all words, join the most frequent, repeat. */
function learnByLoops(
  text: string,
  vocabSize: number,
  mistake: { lastOfEquals?: boolean } = {},
): string[] {
  const vocabulary = [...allBytes];
  let words = wordsOf(text).map(bytesOf);
  while (vocabulary.length < vocabSize) {
    let best = { times: 1, a: '', b: '' };
    for (const a of vocabulary)
      for (const b of vocabulary) {
        let times = 0;
        for (const word of words)
          for (let i = 1; i < word.length; i++) if (word[i - 1] === a && word[i] === b) times++;
        if (times > best.times || (mistake.lastOfEquals && times === best.times && times > 1))
          best = { times, a, b };
      }
    if (best.times < 2) break;
    words = words.map((word) => {
      const out: string[] = [];
      for (const piece of word) out.push(piece);
      for (let i = 0; i + 1 < out.length; i++)
        if (out[i] === best.a && out[i + 1] === best.b) out.splice(i, 2, best.a + best.b);
      return out;
    });
    if (!vocabulary.includes(best.a + best.b)) vocabulary.push(best.a + best.b);
  }
  return vocabulary;
}
/** The definition: while two neighbours make a token, join those whose token was learned first. */
function encodeByLoops(text: string, vocabulary: string[]): number[] {
  return wordsOf(text).flatMap((word) => {
    const pieces = bytesOf(word);
    for (;;) {
      let best = { rank: vocabulary.length, at: -1 };
      for (let i = 1; i < pieces.length; i++) {
        const rank = vocabulary.indexOf(pieces[i - 1] + pieces[i]);
        if (rank >= 0 && rank < best.rank) best = { rank, at: i - 1 };
      }
      if (best.at < 0) return pieces.map((piece) => vocabulary.indexOf(piece));
      pieces.splice(best.at, 2, pieces[best.at] + pieces[best.at + 1]);
    }
  });
}
/** The tokens that merges make, as strings of bytes. */
const tokensOf = (merges: readonly [number, number][]): string[] => {
  const pieces = [...allBytes];
  for (const [a, b] of merges) pieces.push(pieces[a] + pieces[b]);
  return pieces;
};

describe('the character tokenizer', () => {
  it('gives back any text of its characters', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        fc.pre(!text.includes(unknown));
        const tokenizer = CharacterTokenizer.fit(text);
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
        expect(tokenizer.vocabSize).toBe(new Set(text).size + 1);
      }),
    );
  });
  it('gives unknown characters token 0, and never drops them', () => {
    const tokenizer = CharacterTokenizer.fit('abca', 2);
    expect([...tokenizer.encode('abda')]).toEqual([1, 0, 0, 1]);
    expect(tokenizer.decode([1, 0, 0, 1])).toBe(`a${unknown}${unknown}a`);
  });
  it('is the same after JSON and back', () => {
    const tokenizer = CharacterTokenizer.fit('“Whale 🐋!”\n');
    const again = tokenizerFrom(JSON.parse(JSON.stringify(tokenizer)));
    expect([...again.encode('🐋 el')]).toEqual([...tokenizer.encode('🐋 el')]);
    expect(again.vocabSize).toBe(tokenizer.vocabSize);
  });
  it('refuses ids outside the vocabulary, and characters that come twice', () => {
    const tokenizer = new CharacterTokenizer('ab');
    expect(() => tokenizer.decode([3])).toThrow(/there is no token 3; ids go from 0 to 2/);
    expect(() => tokenizer.decode([-1])).toThrow(/there is no token -1/);
    expect(() => new CharacterTokenizer('aba')).toThrow(/"a" comes twice/);
  });
});

describe('byte pairs', () => {
  const song = 'the whale, the whale! then the sea; aaa aaaa aaaaa. 🐋🐋 then\n\n  the end';
  /** Few letters, so that tokens overlap and can be joined in more than one way. */
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c', ' ', 'é'), maxLength: 60 });

  it('are learned as by the definition', () => {
    expect(tokensOf(trainBytePairs(song, 290))).toEqual(learnByLoops(song, 290));
  });
  it('are learned and encoded as by the definition, for random texts', () => {
    fc.assert(
      fc.property(
        letters,
        letters,
        fc.integer({ min: 256, max: 266 }),
        (text, other, vocabSize) => {
          const tokenizer = BytePairTokenizer.fit(text, vocabSize);
          const pieces = learnByLoops(text, vocabSize);
          expect(tokensOf([...tokenizer.merges])).toEqual(pieces);
          for (const x of [text, other])
            expect([...tokenizer.encode(x)]).toEqual(encodeByLoops(x, pieces));
        },
      ),
      { numRuns: 15 },
    );
  });
  it('the comparison notices: of equal pairs the last is taken', () => {
    expect(tokensOf(trainBytePairs(song, 290))).not.toEqual(
      learnByLoops(song, 290, { lastOfEquals: true }),
    );
  });
  it('of Moby Dick begin with frequent parts of words, and need half as many tokens', () => {
    const text = readCorpus().text.slice(0, 200_000);
    const tokenizer = BytePairTokenizer.fit(text, 512);
    expect(tokenizer.vocabSize).toBe(512);
    const first = [256, 257, 258].map((id) => tokenizer.decode([id]));
    expect(first).toEqual([' t', 'he', ' a']);
    expect(tokenizer.encode(text).length / Buffer.byteLength(text)).toBeLessThan(0.56);
  });
  it('are fewer than asked for if no pair comes twice', () => {
    expect(trainBytePairs('ab ab', 1000)).toEqual([[97, 98]]);
    expect(BytePairTokenizer.fit('', 300).vocabSize).toBe(256);
  });
  it.each([255, 65_537, 300.5, Number.NaN])('a vocabulary of %d is refused', (size) => {
    expect(() => trainBytePairs('ab', size)).toThrow(
      /vocabSize is .*; give 256 \(bytes\) to 65536/,
    );
  });
  it.each<[string, unknown, RegExp]>([
    [
      'a merge of a token that does not exist yet',
      [[256, 97]],
      /merge 0 is \[256,97\]; it joins two tokens from 0 to 255/,
    ],
    ['half a pair', [[97, 98], [97]], /merge 1 is \[97\]/],
    ['a string', [['97', 98]], /merge 0 is \["97",98\]/],
    ['a fraction', [[97.5, 98]], /merge 0/],
    ['null', [null], /merge 0 is null/],
    [
      'a token made twice',
      [
        [97, 98],
        [98, 99],
        [256, 99],
        [97, 257],
      ],
      /merge 3 makes a token that exists already/,
    ],
    [
      'tokens that double in length',
      Array.from({ length: 60 }, (_, i) => (i === 0 ? [97, 97] : [255 + i, 255 + i])),
      /a token of 256 bytes/,
    ],
  ])('a file with %s is refused', (_, merges, word) => {
    expect(() => tokenizerFrom({ kind: 'byte-pair', merges } as never)).toThrow(word);
  });
});

describe.each([
  ['bytes', () => new ByteTokenizer()],
  ['byte-pair', () => BytePairTokenizer.fit(readCorpus().text.slice(0, 20_000), 400)],
  ['cl100k_base', cl100kTokenizer],
] as const)('%s', (_, make) => {
  const tokenizer = make();
  it('gives back any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (text) => {
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
      }),
    );
  });
  it.each([
    '',
    '\uFEFFa byte order mark',
    '<|endoftext|> is text',
    'it’s 1851\r\n\t 🐋',
    '\u0000',
    ' '.repeat(200),
    'a'.repeat(400),
  ])('gives back %j', (text) => expect(tokenizer.decode(tokenizer.encode(text))).toBe(text));
  it('gives only ids of its vocabulary, and refuses others', () => {
    const { vocabSize } = tokenizer;
    for (const id of tokenizer.encode('Call me Ishmael. 🐋'))
      expect(id < vocabSize && id >= 0).toBe(true);
    for (const id of [vocabSize, -1, 0.5, Number.NaN])
      expect(() => tokenizer.decode([id])).toThrow(/there is no token .*; ids go from 0 to/);
    expect(typeof tokenizer.decode([vocabSize - 1])).toBe('string');
  });
  it('is the same after JSON and back', () => {
    const again = tokenizerFrom(JSON.parse(JSON.stringify(tokenizer)));
    expect([...again.encode('the whale 🐋')]).toEqual([...tokenizer.encode('the whale 🐋')]);
    expect(again.vocabSize).toBe(tokenizer.vocabSize);
  });
});

describe('cl100k_base', () => {
  it('encodes as the official one', () => {
    // tiktoken.get_encoding('cl100k_base').encode('hello world'), from its documentation.
    expect([...cl100kTokenizer().encode('hello world')]).toEqual([15339, 1917]);
  });
  it('decodes special tokens by name, and rows without a token as unknown', () => {
    expect(cl100kTokenizer().decode([100_257])).toBe('<|endoftext|>');
    expect(cl100kTokenizer().decode([100_256, 100_287])).toBe(unknown + unknown);
  });
});

describe('a tokenizer by name', () => {
  it('is fitted to the text if its kind needs that', () => {
    expect(fitTokenizer('characters', 'ab'.repeat(10), 300).vocabSize).toBe(3);
    expect(fitTokenizer('bytes', '', 300).vocabSize).toBe(256);
    expect(fitTokenizer('byte-pair', 'abab '.repeat(10), 257).vocabSize).toBe(257);
    expect(() => fitTokenizer('words' as never, '', 1)).toThrow(
      /there is no "words"; there are characters, bytes, byte-pair, cl100k_base/,
    );
  });
  it.each([
    null,
    undefined,
    7,
    {},
    { kind: 'words' },
    { kind: 'characters' },
    { kind: 'byte-pair', merges: 'ab' },
  ])('%j is refused', (json) => {
    expect(() => tokenizerFrom(json as never)).toThrow(/got .*; allowed: \{ "kind": "characters"/);
  });
});
