import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readCorpus, splitText } from '../../src/training/corpus';

const folder = mkdtempSync(join(tmpdir(), 'corpus-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('the corpus', () => {
  it('is Moby Dick, with its chapters in order', () => {
    const { text } = readCorpus();
    const passages = [
      'CHAPTER 1. Loomings.',
      'Call me Ishmael.',
      'CHAPTER 2. ',
      'CHAPTER 10. ',
      'CHAPTER 135. ',
      'ESCAPED ALONE TO TELL THEE',
    ];
    const places = passages.map((passage) => text.indexOf(passage));
    expect(places.every((place) => place > 0)).toBe(true);
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(text.length).toBeGreaterThan(1_200_000);
    expect(text.trimEnd().endsWith('found another orphan.')).toBe(true);
  });
  it('is a file, or all text files of a folder in the order of their names', () => {
    writeFileSync(join(folder, 'b.txt'), 'second');
    writeFileSync(join(folder, 'a.md'), 'first');
    writeFileSync(join(folder, 'picture.png'), Uint8Array.of(0xff, 0xfe));
    mkdirSync(join(folder, 'c'), { recursive: true });
    writeFileSync(join(folder, 'c', 'd.txt'), 'third');
    expect(readCorpus(folder).text).toBe('first\nsecond\nthird');
    expect(readCorpus(join(folder, 'b.txt'))).toEqual({ name: 'b.txt', text: 'second' });
  });
  it('is refused if there is no text', () => {
    expect(() => readCorpus(join(folder, 'none'))).toThrow(
      /there is nothing at .*none; name a text file/,
    );
    expect(() => readCorpus(join(folder, 'picture.png'))).toThrow(/picture.png is not UTF-8 text/);
    writeFileSync(join(folder, 'blank'), ' \n');
    expect(() => readCorpus(join(folder, 'blank'))).toThrow(/holds no text/);
  });
  it('is split by position at the start of a line, and nothing is lost', () => {
    const lines = Array.from({ length: 20 }, (_, i) => `line ${i}\n`).join('');
    const { train, validation } = splitText(lines, 0.25);
    expect(train + validation).toBe(lines);
    expect(validation.startsWith('line 1')).toBe(true);
    expect(validation.length / lines.length).toBeCloseTo(0.25, 1);
    expect(splitText('abcdefghij', 0.2)).toEqual({ train: 'abcdefgh', validation: 'ij' });
    expect(() => splitText('a', 0.1)).toThrow(/1 characters are too few/);
    expect(() => splitText('abc', 1)).toThrow(/heldOut is 1; give a number between 0 and 1/);
  });
});
