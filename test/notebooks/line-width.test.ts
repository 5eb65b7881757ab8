/** Lines fit where they are read: cells on a projector or a web page, files in an editor. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { codeOf, readNotebook } from '../../src/support/notebook/notebook-file';
import { root } from '../../src/support/notebook/python-environment';

const CELL_COLUMNS = 88;
const FILE_COLUMNS = 100;

/** The lines of `text` that are wider than `columns`, with number and width. */
function wideLines(where: string, text: string, columns: number): string[] {
  const wide: string[] = [];
  for (const [i, line] of text.split('\n').entries()) {
    const width = [...line].length; // characters, not UTF-16 units
    if (width > columns) wide.push(`${where}, line ${i + 1}: ${width} of ${columns} columns`);
  }
  return wide;
}

function wideCells(notebook: string): string[] {
  return codeOf(readNotebook(join(root, notebook))).flatMap((source, i) =>
    wideLines(`${notebook}, cell ${i + 1}`, source, CELL_COLUMNS),
  );
}

const pathsIn = (folder: string, ending: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending) && !name.includes('.ipynb_checkpoints'))
    .map((name) => join(folder, name))
    .sort();
const notebooks = pathsIn('notebooks', '.ipynb');
const sources = pathsIn('src', '.ts');
const tests = pathsIn('test', '.ts');
/** A text of more than 40 characters in a test: its name, or a message that is expected whole. */
const LONG_TEXT = /'[^']{40,}'|`[^`]{40,}|\/[^/]{40,}\//;

it('all notebooks and files are read', () => {
  expect(notebooks.length).toBeGreaterThanOrEqual(48);
  expect(sources.length).toBeGreaterThan(150);
  expect(tests.length).toBeGreaterThan(100);
});
it('a line that is one column too wide is named', () => {
  const text = `${'–'.repeat(88)}\n${'–'.repeat(89)}\n${'𝛾'.repeat(88)}`;
  expect(wideLines('made.ipynb, cell 3', text, CELL_COLUMNS)).toEqual([
    'made.ipynb, cell 3, line 2: 89 of 88 columns',
  ]);
});
it.each(notebooks)(`%s: no line of a cell has more than ${CELL_COLUMNS} columns`, (notebook) => {
  expect(wideCells(notebook)).toEqual([]);
});
const wideIn = (files: string[], columns: number): string[] =>
  files.flatMap((file) => wideLines(file, readFileSync(join(root, file), 'utf8'), columns));

it(`no line of src has more than ${FILE_COLUMNS} columns`, () => {
  expect(wideIn(sources, FILE_COLUMNS)).toEqual([]);
});
it(`no line of a test has more than ${FILE_COLUMNS} columns, but for long texts`, () => {
  const wide: string[] = [];
  for (const file of tests) {
    const lines = readFileSync(join(root, file), 'utf8').split('\n');
    const shown = lines.map((line) => (LONG_TEXT.test(line) ? '' : line));
    wide.push(...wideLines(file, shown.join('\n'), FILE_COLUMNS));
  }
  expect(wide).toEqual([]);
});
