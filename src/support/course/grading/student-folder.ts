/**
 * The working folder of submissions: the book's sources without exercises, judges and solutions.
 * Submissions read it and the packages, and write nowhere.
 */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';

const root = join(__dirname, '..', '..', '..', '..');
const LEFT_OUT = ['support/course', 'support/cli'];
/** What a notebook imports as `check`; the judge needs no answer from it. */
const SILENT_CHECK = 'export function check(id: string, yours: unknown): void {}\n';

export interface StudentFolder {
  path: string;
  /** The packages, which the folder holds as a link. */
  packages: string;
  program: string;
  remove(): void;
}

export function makeStudentFolder(): StudentFolder {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'cache-once-student-')));
  const packages = realpathSync(join(root, 'node_modules'));
  const source = join(root, 'src');
  cpSync(source, join(path, 'src'), {
    recursive: true,
    filter: (file) => !LEFT_OUT.includes(relative(source, file).replaceAll('\\', '/')),
  });
  const check = join(path, 'src', 'support', 'course', 'exercises', 'check.ts');
  mkdirSync(dirname(check), { recursive: true });
  writeFileSync(check, SILENT_CHECK);
  symlinkSync(packages, join(path, 'node_modules'));
  const program = join(path, 'student-process.cjs');
  cpSync(join(__dirname, 'student-process.cjs'), program);
  return { path, packages, program, remove: () => rmSync(path, { recursive: true, force: true }) };
}
