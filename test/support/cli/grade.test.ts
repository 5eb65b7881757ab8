/** Grading a class: who is in it, what is asked, and the tables. */
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  exercisesOf,
  gradeNotebook,
  prepareGrading,
  studentsIn,
} from '../../../src/support/cli/grade';
import { canvasTable, moodleTable, table } from '../../../src/support/course/grading/tables';
import { Class, imports, right } from '../course/grading/hand-in';

const students = new Class();
const grading = prepareGrading(20_000, 1);
afterAll(() => {
  students.remove();
  grading.folder.remove();
});

describe('a notebook', { timeout: 120_000 }, () => {
  it('right, a known mistake, not begun, or missing because its cell has an error', async () => {
    const path = students.handIn(
      'ada/00-start-here.ipynb',
      imports,
      right.mean,
      "check('00-mean', mean);",
      `function fade(value: number, gamma: number, steps: number): number {
         return value * gamma ** (steps + 1);
       }`,
      "function savings(layers: number, tokens: number): number { throw new Error('not yet'); }",
    );
    expect([...(await gradeNotebook(path, grading)).marks]).toEqual([
      ['00-mean', 'passed'],
      ['00-fade', 'wrong: one step too many'],
      ['00-ratio', 'not begun'],
    ]);
    const other = students.handIn(
      'bob.ipynb',
      "check('00-mean', mean);",
      'function mean(values: number[]): number { return "three"; }',
      `function fade(value: number, gamma: number, steps: number): number {
         return [value * gamma ** steps].sort()[0];
       }`,
      'async function savings() { return 1; }',
    );
    const { marks, remarks } = await gradeNotebook(other, grading);
    expect([...marks.values()]).toEqual(['missing', 'passed', 'wrong']);
    expect(remarks).toEqual(["cell 2: Type 'string' is not assignable to type 'number'."]);
  });
  it('a function that changes its inputs, or relies on earlier calls, is found', async () => {
    const path = students.handIn(
      'cy/00.ipynb',
      `function mean(values: number[]): number {
         const result = values.reduce((a, b) => a + b, 0) / values.length;
         values.pop();
         return result;
       }`,
      'let calls = 0; function fade(value: number, gamma: number, steps: number): number { return calls++ === 0 ? value * gamma ** steps : 0; }',
    );
    const { marks } = await gradeNotebook(path, grading);
    expect([...marks.values()]).toEqual(['wrong', 'wrong', 'missing']);
  });
});

describe('the class', () => {
  it('students are sub-folders and notebooks; checkpoints, links and other files are not', () => {
    const other = new Class();
    const path = other.handIn('ada/00.ipynb', imports);
    other.handIn('bob.ipynb', imports);
    other.handIn('cy/part/01-attention.ipynb', imports);
    other.handIn('cy/.ipynb_checkpoints/01-attention.ipynb', imports);
    other.write('eve/notes.txt', 'none');
    other.write('list.txt', 'names');
    symlinkSync(path, join(other.folder, 'eve', 'copy.ipynb'));
    symlinkSync(join(other.folder, 'ada'), join(other.folder, 'zoe'));
    symlinkSync('..', join(other.folder, 'cy', 'up'));
    const found = studentsIn(other.folder).map(
      ({ name, notebooks }) => `${name} ${notebooks.length}`,
    );
    expect(found).toEqual(['ada 1', 'bob 1', 'cy 1', 'eve 0']);
    other.remove();
  });
  it("what Moodle and Canvas name is taken apart, and a student's files belong together", () => {
    const other = new Class();
    other.handIn('Ada Lovelace_1234_assignsubmission_file_/00.ipynb', imports);
    other.handIn('Ada Lovelace_1234_assignsubmission_file_/01.ipynb', imports);
    other.handIn('hopper_LATE_77_881_00-start-here.ipynb', imports);
    other.handIn('hopper_77_882_01-attention.ipynb', imports);
    const found = studentsIn(other.folder).map(
      ({ name, id, notebooks }) => `${name} ${id} ${notebooks.length}`,
    );
    expect(found).toEqual(['Ada Lovelace 1234 2', 'hopper 77 2']);
    other.remove();
  });
  it.each([
    ['my-work.ipynb', ["check('04-step', retain)"], ['04-decay', '04-step', '04-chunk']],
    ['week-01.ipynb', ['const x = 1;'], ['01-softmax', '01-attend', '01-step']],
    ['hopper_0304_1501_01-attention.ipynb', [], ['01-softmax', '01-attend', '01-step']],
    ['notes.ipynb', ['const x = 1;'], []],
  ])('%s with %j is graded on the lesson it names', (name, sources, ids) =>
    expect(exercisesOf(name, sources).map(({ id }) => id)).toEqual(ids),
  );
});

describe('tables', () => {
  const graded = [
    {
      name: '=cmd()',
      id: '12',
      marks: new Map([
        ['00-mean', 'passed'],
        ['00-fade', 'wrong: one step too many'],
      ]),
      remarks: ['a, "b"'],
    },
    { name: 'bob\u001b[2J\n', marks: new Map<string, string>(), remarks: [] },
  ];
  it('has a column for each exercise, counts, and is safe in a spreadsheet and a terminal', () => {
    expect(table(graded).split('\n')).toEqual([
      'student,00-mean,00-fade,passed of 2,remarks',
      '\'=cmd(),passed,wrong: one step too many,1,"a, ""b"""',
      'bob [2J ,missing,missing,0,',
      '',
    ]);
  });
  it("Moodle's grading worksheet has its columns, points, and no remarks", () => {
    const [head, first, second] = moodleTable(graded).split('\n');
    expect(head).toBe(
      'Identifier,Full name,Grade,Maximum Grade,Last modified (grade),Feedback comments,' +
        '00-mean (max 1),00-fade (max 1)',
    );
    expect(first).toBe(
      "Participant 12,'=cmd(),1,2,,00-mean: passed; 00-fade: wrong: one step too many,1,0",
    );
    expect(second).toMatch(/^bob \[2J ,.*,0,2,.*,0,0$/);
  });
  it('the file for Canvas has its five columns, the points possible, and a login without an ID', () => {
    expect(canvasTable(graded).split('\n').slice(0, 4)).toEqual([
      'Student,ID,SIS User ID,SIS Login ID,Section,00-mean,00-fade',
      ' Points Possible,,,,,1,1',
      "'=cmd(),12,,,,1,0",
      'bob [2J ,,,bob [2J ,,0,0',
    ]);
  });
});
