/** The marks of a class as CSV: for people, for Moodle, for Canvas. */
import { exercises } from '../exercises/catalogue';

/** Exercise → "passed", or what is wrong. */
export type Marks = Map<string, string>;

export interface Graded {
  name: string;
  /** The course system's number of the student, if its download names it. */
  id?: string;
  marks: Marks;
  remarks: string[];
}

/** One line, without the control characters that a name or a message may hold. */
export const printable = (text: string): string => text.replace(/[\p{Cc}\s]+/gu, ' ');

/** Quoted where needed; a name that a spreadsheet would take for a formula is made text. */
function entry(text: string | number): string {
  const line = printable(String(text));
  const safe = /^[=+\-@]/.test(line) ? `'${line}` : line;
  return /[",]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
}
const csv = (rows: (string | number)[][]): string =>
  rows.map((row) => `${row.map(entry).join(',')}\n`).join('');

/** Those that anybody was graded on. */
const gradedExercises = (graded: Graded[]): string[] =>
  exercises.map(({ id }) => id).filter((id) => graded.some(({ marks }) => marks.has(id)));

/** A point for each exercise that is passed. */
const points = (marks: Marks, ids: string[]): number[] =>
  ids.map((id) => (marks.get(id) === 'passed' ? 1 : 0));
const sum = (numbers: number[]): number => numbers.reduce((a, b) => a + b, 0);

/** A row for each student, with what is wrong and the remarks. */
export function table(graded: Graded[]): string {
  const ids = gradedExercises(graded);
  const rows = graded.map(({ name, marks, remarks }) => {
    const words = ids.map((id) => marks.get(id) ?? 'missing');
    return [name, ...words, sum(points(marks, ids)), remarks.join('; ')];
  });
  return csv([['student', ...ids, `passed of ${ids.length}`, 'remarks'], ...rows]);
}

/**
 * Moodle's offline grading worksheet, with a column for each exercise behind it, which the import
 * of the gradebook can use. Remarks are for the teacher and are left out.
 */
export function moodleTable(graded: Graded[]): string {
  const ids = gradedExercises(graded);
  const head = ['Identifier', 'Full name', 'Grade', 'Maximum Grade', 'Last modified (grade)'];
  const rows = graded.map(({ name, id, marks }) => {
    const each = points(marks, ids);
    const feedback = ids.map((one) => `${one}: ${marks.get(one) ?? 'missing'}`).join('; ');
    const identifier = id === undefined ? name : `Participant ${id}`;
    return [identifier, name, sum(each), ids.length, '', feedback, ...each];
  });
  return csv([[...head, 'Feedback comments', ...ids.map((id) => `${id} (max 1)`)], ...rows]);
}

/** The file that Canvas's gradebook imports. It knows a student by ID, login, or name. */
export function canvasTable(graded: Graded[]): string {
  const ids = gradedExercises(graded);
  const head = ['Student', 'ID', 'SIS User ID', 'SIS Login ID', 'Section', ...ids];
  const possible = ['    Points Possible', '', '', '', '', ...ids.map(() => 1)];
  const rows = graded.map(({ name, id, marks }) => {
    const login = id === undefined ? name : '';
    return [name, id ?? '', '', login, '', ...points(marks, ids)];
  });
  return csv([head, possible, ...rows]);
}
