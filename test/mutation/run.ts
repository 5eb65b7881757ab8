/**
 * A mutation run: changes the book's source in one place at a time, and counts the changes that
 * the tests notice.
 *
 *   npx tsx test/mutation/run.ts --sample 100 --seed 1
 *
 * A mutant that does not compile is not counted. Of the tests that import the changed file, the
 * closest run first, until one fails; those of `support/` and of the notebooks are left out. All
 * happens in copies of the working tree. The survivors are listed in .cache/mutation.json, and
 * `--again` runs only them.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { Command } from 'commander';
import { SeededRandom } from '../../src/tensor/random';
import { filesBelow, testFinder } from './imports';
import { type Mutant, mutantsOf } from './mutants';
import { TypeCheck } from './type-check';

const root = resolve(__dirname, '..', '..');
const results = join(root, '.cache', 'mutation.json');

interface Options {
  sample: number;
  seed: number;
  only: string[];
  jobs: number;
  again?: boolean;
}
const options = new Command('npx tsx test/mutation/run.ts')
  .option('--sample <n>', 'mutants to run', Number, 100)
  .option('--seed <n>', 'which mutants are drawn', Number, 1)
  .option('--only <paths...>', 'files or folders, such as src/costs', ['src'])
  .option('--jobs <n>', 'mutants at a time', Number, availableParallelism())
  .option('--again', 'only the survivors of the last run')
  .parse()
  .opts<Options>();

const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const isSupport = (file: string): boolean => /^(src|test).support|index\.ts$/.test(file);
const sources = filesBelow(root, 'src').filter((file) => !isSupport(file));
const tests = filesBelow(root, 'test').filter(
  (file) => file.endsWith('.test.ts') && !/^test.(support|notebooks|house|bench)/.test(file),
);
const testsOf = testFinder(root, tests);

function changed({ file, start, end, original, replacement }: Mutant): string {
  const text = read(file);
  if (text.slice(start, end) !== original)
    throw new Error(`${file} has changed since the last run; draw a new sample.`);
  return text.slice(0, start) + replacement + text.slice(end);
}

/** Mutants that compile, in an order that depends on the seed. */
function drawSample(): Mutant[] {
  if (options.again) return JSON.parse(readFileSync(results, 'utf8')).survivors;
  const chosen = sources.filter((file) => options.only.some((path) => file.startsWith(path)));
  const all = chosen.flatMap((file) => mutantsOf(file, read(file)));
  const order = new SeededRandom(options.seed).shuffle(Array.from(all.keys()));
  const typeCheck = new TypeCheck(root, sources);
  const sample: Mutant[] = [];
  for (const i of order) {
    if (sample.length === options.sample) break;
    if (typeCheck.accepts(all[i].file, changed(all[i]))) sample.push(all[i]);
  }
  console.log(`${sample.length} of ${all.length} mutants of ${chosen.length} files`);
  return sample;
}

/** A copy of the working tree, in which files may be changed. */
function copyTree(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cache-once-mutation-'));
  const left = ['node_modules', '.git', '.cache', '.venv'];
  cpSync(root, folder, { recursive: true, filter: (path) => !left.includes(basename(path)) });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
  return folder;
}

/** The first test file that fails, or `undefined` if all pass. */
async function firstFailure(folder: string, files: string[]): Promise<string | undefined> {
  const report = join(folder, 'report.json');
  rmSync(report, { force: true });
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const args = [vitest, 'run', '--config', 'test/vitest.config.ts', '--bail', '1'];
  // A test that is only slow, because other programs run, must not count as one that fails.
  const output = [
    '--testTimeout',
    '600000',
    '--maxWorkers',
    '1',
    '--reporter',
    'json',
    '--outputFile',
    report,
  ];
  // In a process group of its own, so that a test that never returns is ended, too.
  const options = { cwd: folder, stdio: 'ignore', detached: true } as const;
  const child: ChildProcess = spawn(process.execPath, [...args, ...output, ...files], options);
  const seconds = 180 + 60 * files.length;
  const timer = setTimeout(() => process.kill(-(child.pid as number), 'SIGKILL'), 1000 * seconds);
  const [code, signal] = await once(child, 'exit');
  clearTimeout(timer);
  if (code === 0) return undefined;
  if (signal) return 'the time limit';
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as {
    testResults: { name: string; status: string }[];
  };
  const failed = testResults.find(({ status }) => status === 'failed');
  return failed ? failed.name.slice(folder.length + 1) : 'vitest';
}

/** The tests closest to the file in a first run, the others in a second. */
async function caughtBy(folder: string, { file }: Mutant): Promise<string | undefined> {
  const all = testsOf(file);
  for (const files of [all.slice(0, 3), all.slice(3)]) {
    const failed = files.length > 0 && (await firstFailure(folder, files));
    if (failed) return failed;
  }
  return undefined;
}

async function main(): Promise<void> {
  const sample = drawSample();
  const queue = Array.from(sample.entries());
  const survivors: Mutant[] = [];
  let late = 0;

  async function work(): Promise<void> {
    const folder = copyTree();
    for (let next = queue.shift(); next; next = queue.shift()) {
      const [i, mutant] = next;
      const { file, line, column, original, replacement } = mutant;
      const started = Date.now();
      writeFileSync(join(folder, file), changed(mutant));
      const by = await caughtBy(folder, mutant);
      writeFileSync(join(folder, file), read(file));
      if (!by) survivors.push(mutant);
      if (by === 'the time limit') late++;
      const seconds = ((Date.now() - started) / 1000).toFixed(0);
      const change = `${file}:${line}:${column}  ${original} → ${replacement}`.replace(/\s+/g, ' ');
      console.log(`${i + 1}  ${by ? 'caught' : 'SURVIVED'}  ${change}  (${by ?? ''} ${seconds} s)`);
    }
    rmSync(folder, { recursive: true, force: true });
  }

  const failed = await unchangedFailure(sample);
  if (failed) throw new Error(`${failed} fails without any change; repair it first.`);
  await Promise.all(Array.from({ length: options.jobs }, work));

  const score = 1 - survivors.length / sample.length;
  mkdirSync(dirname(results), { recursive: true });
  writeFileSync(results, `${JSON.stringify({ ...options, score, survivors }, null, 2)}\n`);
  const caught = sample.length - survivors.length;
  console.log(`caught ${caught} of ${sample.length} (${late} by the time limit); see ${results}`);
}

/** Without a change, all tests that the sample needs must pass. */
async function unchangedFailure(sample: Mutant[]): Promise<string | undefined> {
  const folder = copyTree();
  const needed = new Set(sample.flatMap(({ file }) => testsOf(file)));
  const failed = await firstFailure(folder, [...needed]);
  rmSync(folder, { recursive: true, force: true });
  return failed;
}

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
