/** npm run grade -- DIR: asks the functions of a class and writes who passed what, as CSV. */
import { randomInt } from 'node:crypto';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Command, Option } from 'commander';
import { exercises } from '../course/exercises/catalogue';
import type { Exercise } from '../course/exercises/exercise';
import { fence } from '../course/grading/fenced-process';
import { judge } from '../course/grading/judge';
import { makeStudentFolder, type StudentFolder } from '../course/grading/student-folder';
import { Submission } from '../course/grading/submission';
import { canvasTable, type Marks, moodleTable, printable, table } from '../course/grading/tables';
import { codeOf, readNotebook } from '../notebook/notebook-file';

const LARGEST_NOTEBOOK = 20_000_000; // bytes
const TABLES = { table, moodle: moodleTable, canvas: canvasTable };

export interface Student {
  name: string;
  id?: string;
  notebooks: string[];
}

/** "Ada Lovelace_1234_assignsubmission_file" and "lovelaceada_LATE_1234_567_homework.ipynb". */
const DOWNLOADED = [/^(.+)_(\d+)_assignsubmission_(?:file_?)?/, /^([^_]+)_(?:LATE_)?(\d+)_\d+_/];

function studentOf(entry: string): { name: string; id?: string } {
  const match = DOWNLOADED.map((pattern) => entry.match(pattern)).find(Boolean);
  return match ? { name: match[1], id: match[2] } : { name: basename(entry, '.ipynb') };
}
const withoutStudent = (name: string): string =>
  DOWNLOADED.reduce((rest, pattern) => rest.replace(pattern, ''), name);

/**
 * A sub-folder is a student with all notebooks in it; so is a notebook that lies in `folder`
 * itself.
 * Links are left out: they may lead to the work of others.
 */
export function studentsIn(folder: string): Student[] {
  const students = new Map<string, Student>();
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    const isNotebook = entry.isFile() && entry.name.endsWith('.ipynb');
    if (entry.name.startsWith('.') || !(entry.isDirectory() || isNotebook)) continue;
    const { name, id } = studentOf(entry.name);
    const key = JSON.stringify([name, id]);
    const earlier = students.get(key)?.notebooks ?? [];
    const notebooks = isNotebook ? [path] : notebooksIn(path);
    students.set(key, { name, id, notebooks: [...earlier, ...notebooks] });
  }
  return [...students.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function notebooksIn(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ipynb'))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .filter((path) => !/[\\/]\./.test(path.slice(folder.length)))
    .sort();
}

/**
 * The exercises of every lesson of which the notebook names one in a check; a notebook without
 * checks goes by its file name.
 */
export function exercisesOf(path: string, sources: string[]): Exercise[] {
  const named = sources.flatMap((source) =>
    [...source.matchAll(/\bcheck\(\s*['"`](\d\d)-/g)].map((match) => match[1]),
  );
  const inName = withoutStudent(basename(path)).match(/\d\d/g) ?? [];
  const lessons = new Set(named.length > 0 ? named : inName);
  return exercises.filter(({ id }) => lessons.has(id.slice(0, 2)));
}

/** What a submission imports beside the check: an honest one needs nothing. */
function importsOf(sources: string[]): string[] {
  const imports = /\b(?:from|import|require)[\s(]*['"`]([^'"`\n]{1,200})/g;
  const names = sources.flatMap((source) => [...source.matchAll(imports)].map((match) => match[1]));
  return [...new Set(names)].filter((name) => name !== './src/support/course/exercises/check');
}

/** What holds for all submissions of a grading. */
export interface Grading {
  fence: string[];
  folder: StudentFolder;
  timeoutMs: number;
  seed: number;
}
export const prepareGrading = (timeoutMs: number, seed: number): Grading => ({
  fence: fence(),
  folder: makeStudentFolder(),
  timeoutMs,
  seed,
});

/**
 * Runs the cells of a notebook and judges each function.
 * @throws RangeError if the file is no notebook.
 */
export async function gradeNotebook(
  path: string,
  { fence, folder, timeoutMs, seed }: Grading,
): Promise<{ marks: Marks; remarks: string[] }> {
  if (statSync(path).size > LARGEST_NOTEBOOK) throw new RangeError('this is larger than 20 MB.');
  const sources = codeOf(readNotebook(path));
  const submission = new Submission(fence, folder, timeoutMs);
  const marks: Marks = new Map();
  for (const name of importsOf(sources)) submission.remark(`imports ${name}`);
  try {
    for (const [i, source] of sources.entries()) {
      const onlyChecks = /^\s*(check\([^)]*\);?\s*)*$/.test(source);
      if (!onlyChecks) await submission.runCell(source, `cell ${i + 1}`);
    }
    for (const one of exercisesOf(path, sources)) {
      marks.set(one.id, await judge(one, submission, seed));
    }
  } finally {
    submission.stop();
  }
  return { marks, remarks: [...submission.remarks].map(printable) };
}

/** Of two notebooks of one lesson the better mark counts. */
const better = (a: string | undefined, b: string): string =>
  a === 'passed' || (a !== undefined && b !== 'passed' && a.startsWith('wrong')) ? a : b;

/** @throws nothing: a notebook that cannot be read is a remark in the table. */
export async function gradeStudent(
  { notebooks }: Student,
  grading: Grading,
): Promise<{ marks: Marks; remarks: string[] }> {
  const marks: Marks = new Map();
  const remarks: string[] = notebooks.length === 0 ? ['no notebook'] : [];
  for (const path of notebooks) {
    const remark = (text: string) => remarks.push(printable(`${basename(path)}: ${text}`));
    try {
      const graded = await gradeNotebook(path, grading);
      for (const [id, mark] of graded.marks) marks.set(id, better(marks.get(id), mark));
      for (const text of graded.remarks) remark(text);
    } catch (error) {
      remark((error as Error).message.replace(`${path}: `, ''));
    }
  }
  return { marks, remarks };
}

function readArguments(): {
  students: Student[];
  timeoutMs: number;
  seed: number;
  format: keyof typeof TABLES;
  out?: string;
} {
  const formats = new Option('--format <name>', 'for people, or for the import of a course system');
  const program = new Command('grade')
    .description(
      'Asks the functions in the notebooks of a class and writes who passed what, as CSV.',
    )
    .argument('<dir>', 'a folder with a sub-folder, or a notebook, for each student')
    .addOption(formats.choices(Object.keys(TABLES)).default('table'))
    .option('--out <file>', 'write the table there instead of printing it')
    .option('--timeout <seconds>', 'longest time for a cell or a call; 10 times that for all', '30')
    .option('--seed <number>', 'the same fresh cases as in an earlier grading')
    .addHelpText(
      'after',
      '\nWhat the fence around submissions withstands is in docs/teaching.md, "Grading".',
    )
    .parse();
  const [folder] = program.args as [string];
  const options = program.opts();
  const timeoutMs = Number(options.timeout) * 1000;
  if (!(timeoutMs > 0))
    throw new RangeError(`--timeout is ${options.timeout}; give a number of seconds above 0.`);
  const seed = options.seed === undefined ? randomInt(2 ** 31) : Number(options.seed);
  if (!Number.isSafeInteger(seed))
    throw new RangeError(`--seed is ${options.seed}; give the whole number of that grading.`);
  if (!existsSync(folder) || !statSync(folder).isDirectory())
    throw new RangeError(
      `There is no folder ${folder}; give one with a sub-folder, or a notebook, for each student.`,
    );
  const students = studentsIn(folder);
  if (students.length === 0)
    throw new RangeError(
      `${folder} holds no notebooks and no sub-folders; each student needs one or the other.`,
    );
  return { students, timeoutMs, seed, format: options.format, out: options.out };
}

async function main(): Promise<void> {
  const { students, timeoutMs, seed, format, out } = readArguments();
  const grading = prepareGrading(timeoutMs, seed);
  process.once('exit', () => grading.folder.remove());
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));

  const graded = [];
  for (const [i, student] of students.entries()) {
    const result = await gradeStudent(student, grading);
    const passed = [...result.marks.values()].filter((mark) => mark === 'passed').length;
    const name = printable(student.name);
    console.error(
      `${i + 1} of ${students.length}  ${name}: ${passed} of ${result.marks.size} passed`,
    );
    for (const remark of result.remarks) console.error(`  ${remark}`);
    graded.push({ ...student, ...result });
  }
  console.error(`Fresh cases were drawn with --seed ${seed}.`);
  const text = TABLES[format](graded);
  if (out === undefined) process.stdout.write(text);
  else writeFileSync(out, text);
}

if (require.main === module)
  main().catch((error: Error) => {
    console.error(error.message);
    process.exit(1);
  });
