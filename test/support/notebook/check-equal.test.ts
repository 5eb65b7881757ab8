/** What a notebook prints: checks that can fail, guesses, figures and tables in two forms. */
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
  it('prints the worst difference and what was allowed', () => {
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
  it('NaN is equal to nothing', () => {
    expect(() => checkEqual('NaN', [1, 2], [1, Number.NaN])).toThrow(/number 1 is 2, expected NaN/);
  });
  it('all zeros are equal to zeros and to nothing else', () => {
    checkEqual('zeros', [0, 0], [0, 0]);
    expect(() => checkEqual('zeros', [0, 1e-30], [0, 0])).toThrow(/number 1 is 1e-30/);
  });
});

describe('the table of claims', () => {
  const table = (): string[] => {
    lines = [];
    showClaims();
    const rows = lines.flatMap((line) => line.split('\n'));
    return rows.map((row) => row.replace(/ {2,}/, ': '));
  };
  it('lists all that was checked, also what failed, each once, in order', () => {
    checkThat('four is more than three', 4 > 3, 4 / 3);
    expect(() => checkThat('pigs fly', false, 'they walk')).toThrow('✗ pigs fly: they walk');
    checkEqual('one is one', [1], [1]);
    expect(() => checkEqual('one is two', [1], [2])).toThrow(/number 0 is 1, expected 2/);
    expect(() => checkEqual('as many', [1], [2, 3])).toThrow('1 numbers against 2');
    checkThat('four is more than three', true, 'still');
    const own = /claim|four|pigs|one is|as many|do not/; // other tests above have checked, too
    expect(table().filter((row) => own.test(row))).toEqual([
      'claim: here',
      'four is more than three: still',
      'pigs fly: ✗ does not hold: they walk',
      'one is one: equal',
      'one is two: ✗ does not hold: number 0 is 1, expected 2; allowed is a difference of 8e-6.',
      'as many: ✗ does not hold: 1 numbers against 2.',
      expect.stringMatching(/^\d of \d claims do not hold\.$/),
    ]);
  });
  it('a claim that failed and then held stands there as holding', () => {
    expect(() => checkThat('second try', false)).toThrow();
    checkThat('second try', true, 'it holds');
    expect(table().join('\n')).toMatch(/^second try: it holds$/m);
  });
});

describe('compareGuess', () => {
  it('without a guess prints nothing of the result', () => {
    compareGuess(undefined, [3, 4.5]);
    expect(lines).toEqual(['No guess yet: replace undefined by your numbers and run again.']);
  });
  it.each<[number[], string]>([
    [[0, 0], '0 of 2 right. You: 0, 0. Computed: 3, 4.5.'], // 0 is a guess like any other
    [[3, 4.5], '2 of 2 right. You: 3, 4.5. Computed: 3, 4.5.'],
    [[3, 4.52], '2 of 2 right. You: 3, 4.52. Computed: 3, 4.5.'], // within 1 %
    [[3, 5], '1 of 2 right. You: 3, 5. Computed: 3, 4.5.'],
    [[3], '1 of 2 right. You: 3. Computed: 3, 4.5.'],
  ])('%j', (guess, line) => {
    compareGuess(guess, [3, 4.5]);
    expect(lines).toEqual([line]);
  });
  it('whole numbers must be hit exactly: 2000 is not 2002', () => {
    compareGuess([2000], [2002]);
    compareGuess(2002, 2002);
    expect(lines).toEqual([
      '0 of 1 right. You: 2,000. Computed: 2,002.',
      '1 of 1 right. You: 2,002. Computed: 2,002.',
    ]);
  });
  it('0 may be guessed', () => {
    compareGuess([0, 0], [0, -0]);
    expect(lines).toEqual(['2 of 2 right. You: 0, 0. Computed: 0, 0.']);
  });
});

describe('rounding', () => {
  it.each<[number, string]>([
    [0, '0'],
    [-0, '0'],
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
  it('inside a notebook sends one message with both forms; a table as HTML, escaped', async () => {
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
