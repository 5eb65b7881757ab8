/** npm run grade -- DIR: runs the exercise notebooks of a class, headless, and writes who passed what as CSV. */
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Command } from 'commander';
import { exercises } from '../course/exercises/catalogue';
import type { Verdict } from '../course/exercises/check';
import { type Exercise, functionName } from '../course/exercises/exercise';
import { readNotebook, sourceOf } from '../notebook/notebook-file';
import { ReplayedKernel } from '../notebook/replayed-kernel';

/** Exercise → what the table says of it. */
export type Marks = Map<string, string>;
export interface Student {
  name: string;
  notebooks: string[];
}

/** A sub-folder is a student with all notebooks in it; a notebook that lies in `folder` itself is a student, too. */
export function studentsIn(folder: string): Student[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => !name.startsWith('.'))
    .flatMap((entry): Student[] => {
      const path = join(folder, entry.name);
      if (!entry.isDirectory())
        return entry.name.endsWith('.ipynb')
          ? [{ name: basename(entry.name, '.ipynb'), notebooks: [path] }]
          : [];
      const notebooks = readdirSync(path, { recursive: true, encoding: 'utf8' }).filter(
        (name) => name.endsWith('.ipynb') && !/(^|[\\/])\./.test(name),
      );
      return [{ name: entry.name, notebooks: notebooks.sort().map((name) => join(path, name)) }];
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The exercises of every lesson of which the notebook names one in a check; a notebook without checks goes by its file name. */
export function exercisesOf(path: string, sources: string[]): Exercise[] {
  const named = sources.flatMap((source) =>
    [...source.matchAll(/\bcheck\(\s*['"`](\d\d)-/g)].map((match) => match[1]),
  );
  const lessons = new Set(named.length > 0 ? named : (basename(path).match(/\d\d/g) ?? []));
  return exercises.filter(({ id }) => lessons.has(id.slice(0, 2)));
}

/**
 * Runs a notebook and asks each function itself. A cell that fails does not stop the others; one that does not end costs
 * `timeoutMs` and is left out.
 */
export async function gradeNotebook(path: string, timeoutMs: number): Promise<Marks> {
  const sources = readNotebook(path)
    .cells.filter(({ cell_type }) => cell_type === 'code')
    .map(sourceOf);
  const kernel = new ReplayedKernel(timeoutMs);
  const marks: Marks = new Map();
  try {
    // Cells that only check are left out: the checks are made below, whether the cell is still there or not.
    for (const source of sources)
      if (!/^\s*(check\([^)]*\);?\s*)*$/.test(source)) await kernel.run(source);
    await kernel.run(
      "import { examine as examineForMarks } from './src/support/course/exercises/check';",
    );
    for (const one of exercisesOf(path, sources)) {
      const result = await kernel.run(
        `console.log("\\nmark " + JSON.stringify(examineForMarks('${one.id}', ${functionName(one)})))`,
      );
      marks.set(
        one.id,
        result === 'does not end'
          ? result
          : markOf(result.outputs.map(({ text }) => text ?? '').join('')),
      );
    }
  } finally {
    kernel.stop();
  }
  return marks;
}
function markOf(printed: string): string {
  const line = printed.match(/^mark (\{.*\})$/m)?.[1];
  if (!line) return 'missing'; // there is no such function, or its cell has an error
  const { state, mistake } = JSON.parse(line) as Verdict;
  return mistake ? `${state}: ${mistake}` : state;
}

/** Of two notebooks of one lesson the better mark counts. */
const better = (a: string | undefined, b: string): string =>
  a === 'passed' || (a !== undefined && b !== 'passed' && a.startsWith('wrong')) ? a : b;

/** @throws nothing: a notebook that cannot be read is a remark in the table. */
export async function gradeStudent(
  { notebooks }: Student,
  timeoutMs: number,
): Promise<{ marks: Marks; remarks: string[] }> {
  const marks: Marks = new Map();
  const remarks: string[] = notebooks.length === 0 ? ['no notebook'] : [];
  for (const path of notebooks) {
    try {
      for (const [id, mark] of await gradeNotebook(path, timeoutMs))
        marks.set(id, better(marks.get(id), mark));
    } catch (error) {
      remarks.push(`${basename(path)}: ${(error as Error).message.replace(`${path}: `, '')}`);
    }
  }
  return { marks, remarks };
}

/** Quoted where needed; a name that a spreadsheet would take for a formula is made text. */
const entry = (text: string): string => {
  const safe = /^[=+\-@\t]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
};
/** One row for each student, one column for each exercise that anybody was graded on; `passed` counts them. */
export function table(graded: { name: string; marks: Marks; remarks: string[] }[]): string {
  const ids = exercises
    .map(({ id }) => id)
    .filter((id) => graded.some(({ marks }) => marks.has(id)));
  const rows = graded.map(({ name, marks, remarks }) => [
    name,
    ...ids.map((id) => marks.get(id) ?? 'missing'),
    String(ids.filter((id) => marks.get(id) === 'passed').length),
    remarks.join('; '),
  ]);
  return [['student', ...ids, `passed of ${ids.length}`, 'remarks'], ...rows]
    .map((row) => `${row.map(entry).join(',')}\n`)
    .join('');
}

async function main(): Promise<void> {
  const program = new Command('grade')
    .description(
      'Runs the exercise notebooks of a class and writes a table, as CSV, of who passed what.',
    )
    .argument('<dir>', 'a folder with a sub-folder, or a notebook, for each student')
    .option('--out <file>', 'write the table there instead of printing it')
    .option('--timeout <seconds>', 'longest time for one cell', '20')
    .addHelpText(
      'after',
      '\nThe notebooks are run as they are, with your rights: grade the work of strangers in a container.',
    )
    .parse();
  const [folder] = program.args as [string];
  const options = program.opts<{ out?: string; timeout: string }>();
  const timeoutMs = Number(options.timeout) * 1000;
  if (!(timeoutMs > 0))
    throw new RangeError(`--timeout is ${options.timeout}; give a number of seconds above 0.`);
  if (!existsSync(folder) || !statSync(folder).isDirectory())
    throw new RangeError(
      `There is no folder ${folder}; give one with a sub-folder, or a notebook, for each student.`,
    );
  const students = studentsIn(folder);
  if (students.length === 0)
    throw new RangeError(
      `${folder} holds no notebooks and no sub-folders; each student needs one or the other.`,
    );

  const graded = [];
  for (const [i, student] of students.entries()) {
    const result = await gradeStudent(student, timeoutMs);
    const passed = [...result.marks.values()].filter((mark) => mark === 'passed').length;
    console.error(
      `${i + 1} of ${students.length}  ${student.name}: ${passed} of ${result.marks.size} passed`,
    );
    for (const remark of result.remarks) console.error(`  ${remark}`);
    graded.push({ name: student.name, ...result });
  }
  if (options.out === undefined) process.stdout.write(table(graded));
  else writeFileSync(options.out, table(graded));
}

if (require.main === module)
  main().catch((error: Error) => {
    console.error(error.message);
    process.exit(1);
  });
