/**
 * The walkthrough on notebooks made for it: what is right passes, what fails or is stale is named.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { walk } from '../../src/support/cli/walkthrough';
import type { Output } from '../../src/support/notebook/kernel-client';
import {
  type Cell,
  readNotebook,
  saveNotebook,
  sourceOf,
  staleness,
  written,
} from '../../src/support/notebook/notebook-file';
import { root } from '../../src/support/notebook/python-environment';

const folder = mkdtempSync(join(tmpdir(), 'cache-once-notebooks-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const code = (source: string, outputs: Output[] = []): Cell => ({
  cell_type: 'code',
  id: `cell-${source.length}`,
  metadata: {},
  source,
  outputs,
});
const printed = (text: string): Output[] => [{ output_type: 'stream', name: 'stdout', text }];
function notebook(...cells: Cell[]): string {
  const path = join(folder, `${cells.length}-${cells[0].id}.ipynb`);
  writeFileSync(path, JSON.stringify({ cells, metadata: {}, nbformat: 4, nbformat_minor: 5 }));
  return path;
}
const seconds = 60_000;

describe('walking through a notebook', { timeout: seconds }, () => {
  it('cells see each other and src, with types and await; stale outputs are named', async () => {
    const path = notebook(
      code("import { readableBytes } from './src/support/figures/figure';"),
      code('const size: number = await Promise.resolve(1536);'),
      code('console.log(readableBytes(size))', printed('1.5 KiB\n')),
      code('console.log("2 of 3")', printed('3 of 3\n')),
      code('console.log("never printed before")'),
    );
    const done: number[] = [];
    const { problems, fresh, notebook: read } = await walk(path, seconds, (n) => done.push(n));
    expect(problems).toEqual([
      expect.stringMatching(/^cell 4 is stale: the file says\s+3 of 3\s+this run says\s+2 of 3$/),
      expect.stringMatching(/^cell 5 is stale: the file holds 0 outputs, this run printed 1$/),
    ]);
    expect(done).toEqual([1, 2, 3, 4, 5]);
    saveNotebook(path, written(read, fresh));
    expect(readNotebook(path).cells[3].outputs).toEqual([
      { output_type: 'stream', name: 'stdout', text: ['2 of 3\n'] },
    ]);
  });
  it.each([
    ['throws', 'throw new Error("out of cheese")', /cell 2 failed:[\s\S]*out of cheese/],
    [
      'is not TypeScript',
      'const n: number = "one";',
      /cell 2 failed:[\s\S]*not assignable to type 'number'/,
    ],
    [
      'does not end',
      'await new Promise((resolve) => setTimeout(resolve, 60_000));',
      /^cell 2: it took longer than 8 s$/,
    ],
  ])('a cell that %s is named, and the cells after it are not run', async (_, source, word) => {
    const done: number[] = [];
    const { problems } = await walk(
      notebook(code('const one = 1;'), code(source), code('console.log("on")')),
      8000,
      (n) => done.push(n),
    );
    expect(problems).toEqual([expect.stringMatching(word)]);
    expect(done).not.toContain(3);
  });
  it.each([
    ['{"cells": [', /this is not JSON .* cut short, or does it hold a merge conflict/],
    ['{"cells": [], "nbformat": 3}', /no notebook of format 4 \(nbformat is 3\)/],
    ['[]', /no notebook of format 4/],
  ])('a file that is no notebook is refused: %s', (text, word) => {
    const path = join(folder, 'broken.ipynb');
    writeFileSync(path, text);
    expect(() => readNotebook(path)).toThrow(word);
  });
});

describe('stale or not', () => {
  const changed = (a: string, b: string): boolean =>
    staleness(printed(a), printed(b)) !== undefined;
  it.each([
    ['a time', 'step 12.5 ms', 'step 99 ms'],
    ['a rate', '3,400 tokens/s', '900 tokens/s'],
    ['the engine', 'computing on the engine wasm', 'computing on the engine cpu'],
    [
      'a difference that is rounding',
      'worst difference 3e-7 of 4.2, allowed 2e-5',
      'worst difference 1e-6 of 4.2, allowed 2e-5',
    ],
    ['the column that a time widens', 'a      b\n9.1 ms  4\n', 'a       b\n12.4 ms  4\n'],
    ['the last digit', 'loss 1.7400', 'loss 1.7402'],
    ['what was learned just now', 'ends at ≈ 2.31 nats', 'ends at ≈ 2.39 nats'],
    ['what was learned just now, at the end', 'ends at ≈ 2', 'ends at ≈ 3'],
    ['what such a model writes', 'so:\n✎ the whale, 12\n', 'so:\n✎ and the sea\n'],
  ])('%s may differ', (_, a, b) => expect(changed(a, b)).toBe(false));
  it.each([
    ['a number', 'off by 15.9', 'off by 14.2'],
    ['a count', '2,050 layer-tokens', '4,096 layer-tokens'],
    ['a word', '✓ equal', '✗ equal'],
    ['a unit', '4 KiB', '4 MiB'],
    ['a number beside a learned one', 'stored 2.31, now ≈ 2.39', 'stored 2.41, now ≈ 2.39'],
    ['a line more', 'one\n', 'one\ntwo\n'],
  ])('%s may not', (_, a, b) => expect(changed(a, b)).toBe(true));
});

describe('the committed notebooks', () => {
  const names = readdirSync(join(root, 'notebooks')).filter((name) => name.endsWith('.ipynb'));
  it('are there', () => expect(names).toContain('00-start-here.ipynb'));
  it.each(names)(
    '%s: run from top to bottom, below 1.5 MB, a picture for each figure, no local paths',
    (name) => {
      const path = join(root, 'notebooks', name);
      expect(statSync(path).size).toBeLessThan(1.5e6);
      const cells = readNotebook(path).cells.filter(({ cell_type }) => cell_type === 'code');
      expect(cells.map(({ execution_count }) => execution_count)).toEqual(
        cells.map((_, i) => i + 1),
      );
      const text = readFileSync(path, 'utf8');
      expect(text).not.toMatch(
        /<script|"output_type": "error"|"name": "stderr"|\/home\/|\/root\/|\/tmp\//,
      );
      for (const cell of cells) {
        if (/\b(show|showTable|console\.log|checkEqual|compareGuess)\(/.test(sourceOf(cell)))
          expect(cell.outputs, sourceOf(cell)).not.toEqual([]);
        for (const { data } of cell.outputs ?? [])
          if (data?.['application/vnd.plotly.v1+json'])
            expect(Object.keys(data)).toEqual(expect.arrayContaining(['image/jpeg', 'text/plain']));
      }
    },
  );
});
