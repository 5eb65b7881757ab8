/** What a notebook prints: checks that refuse, guesses that may be wrong, figures and tables in a form each reader has. */
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  checkEqual,
  checkThat,
  compareGuess,
  showClaims,
} from '../../../src/support/notebook/check-equal';
import { rounded, show, showTable } from '../../../src/support/notebook/show';
import { useTestEngine } from '../../helpers';

beforeAll(useTestEngine);
let lines: string[] = [];
beforeEach(() => {
  lines = [];
  vi.spyOn(console, 'log').mockImplementation((line: string) => void lines.push(line));
});
afterEach(() => void vi.restoreAllMocks());

describe('checkEqual', () => {
  it('says how equal, and what was allowed', () => {
    tf.tidy(() => checkEqual('a = b', tf.tensor1d([1, 2, 100.0001]), [1, 2, 100]));
    expect(lines).toEqual([
      expect.stringMatching(/^✓ a = b: worst difference 1e-4 of 100, allowed 4e-4$/),
    ]);
  });
  it.each<[string, number[], RegExp]>([
    [
      'a wrong number',
      [1, 2.1, 3],
      /✗ law: number 1 is 2\.1, expected 2; allowed is a difference of 1e-5/,
    ],
    ['NaN', [1, Number.NaN, 3], /number 1 is NaN, expected 2/],
    ['∞', [1, 2, Infinity], /number 2 is Infinity, expected 3/],
    ['too few numbers', [1, 2], /2 numbers against 3/],
  ])('%s is an error that names it', (_, got, word) => {
    expect(() => checkEqual('law', got, [1, 2, 3])).toThrow(word);
    expect(lines).toEqual([]);
  });
  it('all zeros are equal to zeros and to nothing else', () => {
    checkEqual('zeros', [0, 0], [0, 0]);
    expect(() => checkEqual('zeros', [0, 1e-30], [0, 0])).toThrow(/number 1 is 1e-30/);
  });
});

describe('the claims of a lesson', () => {
  it('are those that held, each once, in order', () => {
    checkThat('four is more than three', 4 > 3, 4 / 3);
    expect(() => checkThat('pigs fly', false, 'they walk')).toThrow('✗ pigs fly: they walk');
    checkEqual('one is one', [1], [1]);
    checkThat('four is more than three', true, 'still');
    lines = [];
    showClaims();
    const table = lines[0].split('\n');
    expect(table[0]).toMatch(/^claim +here$/);
    expect(
      table
        .filter((line) => /four|pigs|one is/.test(line))
        .map((line) => line.replace(/ {2,}/, ': ')),
    ).toEqual(['four is more than three: still', 'one is one: equal']);
  });
});

describe('compareGuess', () => {
  it.each<[number[], string]>([
    [[0, 0], 'no guess yet · computed 3, 4.5'],
    [[3, 4.5], '2 of 2 right · you 3, 4.5 · computed 3, 4.5'],
    [[3, 5], '1 of 2 right · you 3, 5 · computed 3, 4.5'],
    [[3], '1 of 2 right · you 3 · computed 3, 4.5'],
  ])('%j', (guess, line) => {
    compareGuess(guess, [3, 4.5]);
    expect(lines).toEqual([line]);
  });
});

describe('rounding for the eye', () => {
  it.each<[number, string]>([
    [0, '0'],
    [1234567, '1,234,567'],
    [2 / 3, '0.6667'],
    [0.00012345, '1.2e-4'],
    [-2.5e7 + 0.5, '-2.5e+7'],
  ])('%f reads %s', (x, text) => expect(rounded(x)).toBe(text));
});

describe('show', () => {
  const figure = {
    data: [{ type: 'scatter', y: [1] }],
    layout: { title: { text: 'T' } },
    caption: 'In words.',
  };
  it('outside a notebook prints the caption', () => {
    show(figure);
    expect(lines).toEqual(['In words.']);
  });
  it('a table is aligned, its numbers rounded', () => {
    showTable(
      ['model', 'loss'],
      [
        ['yoco', 1.74171381],
        ['a <b>', 1024],
      ],
    );
    expect(lines).toEqual(['model  loss\nyoco   1.742\na <b>  1,024']);
  });
  it('inside one sends one bundle: the live figure and its words; a table as HTML, safely', async () => {
    const { createRequire } = await import('node:module');
    const require = createRequire(`${process.cwd()}/package.json`);
    const sent: { data: Record<string, unknown> }[] = [];
    // The kernel's module, as it is while a cell runs; loading the real one would start a kernel.
    const path = require.resolve('tslab/dist/jupyter.js');
    require.cache[path] = {
      exports: { lastWriteDisplayData: (message: never) => sent.push(message) },
    } as never;
    try {
      show(figure);
      showTable(['<script>'], [['a & b']]);
    } finally {
      delete require.cache[path];
    }
    expect(lines).toEqual([]);
    expect(sent[0].data).toMatchObject({
      'application/vnd.plotly.v1+json': { data: figure.data },
      'text/plain': 'In words.',
    });
    expect(sent[1].data['text/html']).toContain('&lt;script&gt;');
    expect(sent[1].data['text/html']).toContain('a &amp; b');
  });
});
