/** Grading a class: each function is asked itself, and nothing that a student hands in stops the rest. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  exercisesOf,
  gradeNotebook,
  gradeStudent,
  studentsIn,
  table,
} from '../../../src/support/cli/grade';

const folder = mkdtempSync(join(tmpdir(), 'cache-once-grade-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
function handIn(path: string, ...sources: string[]): string {
  mkdirSync(join(folder, path, '..'), { recursive: true });
  const cells = sources.map((source, i) => ({
    cell_type: 'code',
    id: `cell-${i}`,
    metadata: {},
    outputs: [],
    source,
  }));
  writeFileSync(
    join(folder, path),
    JSON.stringify({ cells, metadata: {}, nbformat: 4, nbformat_minor: 5 }),
  );
  return join(folder, path);
}
const begin = "import { check } from './src/support/course/exercises/check';";
const mean =
  'function mean(values: number[]): number { return values.reduce((a, b) => a + b, 0) / values.length; }';

describe('grading a notebook', { timeout: 120_000 }, () => {
  it('right, a known mistake, not begun, missing because its cell has an error, and one that does not end', async () => {
    const path = handIn(
      'ada/00-start-here.ipynb',
      begin,
      mean,
      "check('00-mean', mean);",
      'function fade(value: number, gamma: number, steps: number): number { return value * gamma ** (steps + 1); }',
      'function savings(layers: number, tokens: number, stateTokens: number): number { for (;;) layers++; }',
    );
    expect([...(await gradeNotebook(path, 6000))]).toEqual([
      ['00-mean', 'passed'],
      ['00-fade', 'wrong: one step too many'],
      ['00-ratio', 'does not end'],
    ]);
    const other = handIn(
      'bob.ipynb',
      begin,
      "check('00-mean', mean);",
      'function mean(values: number[]): number { return "three"; }',
      "function fade(value: number, gamma: number, steps: number): number {\n  throw new Error('not yet');\n}",
    );
    expect([...(await gradeNotebook(other, 20_000))]).toEqual([
      ['00-mean', 'missing'],
      ['00-fade', 'not begun'],
      ['00-ratio', 'missing'],
    ]);
  });
  it('a file that is no notebook is a remark', async () => {
    mkdirSync(join(folder, 'eve'));
    writeFileSync(join(folder, 'eve', '01.ipynb'), '{"cells": [');
    const { marks, remarks } = await gradeStudent(
      { name: 'eve', notebooks: [join(folder, 'eve', '01.ipynb')] },
      1000,
    );
    expect([marks.size, remarks]).toEqual([
      0,
      [expect.stringMatching(/^01\.ipynb: this is not JSON/)],
    ]);
  });
});

describe('the table', () => {
  it('students are sub-folders and notebooks; checkpoints and other files are not', () => {
    handIn('cy/part/01-attention.ipynb', begin);
    handIn('cy/.ipynb_checkpoints/01-attention.ipynb', begin);
    writeFileSync(join(folder, 'list.txt'), 'names');
    expect(studentsIn(folder).map(({ name, notebooks }) => `${name} ${notebooks.length}`)).toEqual([
      'ada 1',
      'bob 1',
      'cy 1',
      'eve 1',
    ]);
  });
  it.each([
    ['my-work.ipynb', ["check('04-step', retain)"], ['04-decay', '04-step', '04-chunk']],
    ['week-01.ipynb', ['const x = 1;'], ['01-softmax', '01-attend', '01-step']],
    ['notes.ipynb', ['const x = 1;'], []],
  ])('%s with %j is graded on the lesson it names', (name, sources, ids) =>
    expect(exercisesOf(name, sources).map(({ id }) => id)).toEqual(ids),
  );
  it('has a column for each exercise, counts, and is safe to open in a spreadsheet', () => {
    const marks = new Map([['00-mean', 'passed'], ['00-fade', 'wrong: one step too many']]); // biome-ignore format: two pairs
    expect(
      table([
        { name: '=cmd()', marks, remarks: ['a, "b"'] },
        { name: 'bob', marks: new Map(), remarks: [] },
      ]),
    ).toBe(
      [
        'student,00-mean,00-fade,passed of 2,remarks',
        '\'=cmd(),passed,wrong: one step too many,1,"a, ""b"""',
        'bob,missing,missing,0,',
        '',
      ].join('\n'),
    );
  });
});
