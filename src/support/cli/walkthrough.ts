/**
 * `npm run walkthrough`: every notebook, top to bottom, in the kernel that a reader uses, without a
 * browser.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { SingleBar } from 'cli-progress';
import { Command } from 'commander';
import { type CellResult, KernelClient, type Output } from '../notebook/kernel-client';
import {
  type Cell,
  type Notebook,
  readNotebook,
  saveNotebook,
  sourceOf,
  staleness,
  textOf,
  written,
} from '../notebook/notebook-file';
import { kernelSpec, root } from '../notebook/python-environment';
import { addPictures } from '../notebook/static-pictures';

/** Only a cell that hangs takes this long: a slow machine is no error. */
const CELL_SECONDS = 1800;

export interface Walk {
  notebook: Notebook;
  fresh: Map<Cell, Output[]>;
  /** Errors and cells that took too long. */
  failures: string[];
  /** The failures, and each cell that prints something else than the file says. */
  problems: string[];
  slowestMs: number;
}

/** Runs a notebook up to the first cell that fails. */
export async function walk(
  path: string,
  timeoutMs: number,
  onCell: (done: number) => void = () => undefined,
): Promise<Walk> {
  const notebook = readNotebook(path);
  const fresh: Walk['fresh'] = new Map();
  const failures: string[] = [];
  const stale: string[] = [];
  let slowestMs = 0;
  const kernel = await KernelClient.start(kernelSpec().argv);
  try {
    for (const [i, cell] of codeCells(notebook).entries()) {
      const run = await kernel.execute(sourceOf(cell), timeoutMs).catch((error: Error) => error);
      if (run instanceof Error) {
        failures.push(`cell ${i + 1}: ${run.message}`);
        break; // the kernel is of no use any more
      }
      fresh.set(cell, run.outputs);
      slowestMs = Math.max(slowestMs, run.elapsedMs);
      onCell(i + 1);
      const failure = failureOf(run);
      if (failure !== undefined) {
        failures.push(`cell ${i + 1} failed:\n    ${failure}`);
        break; // what follows needs it
      }
    }
  } finally {
    kernel.stop();
  }

  // Only now, since a cell may print while later ones run.
  for (const [i, [cell, outputs]] of [...fresh].entries()) {
    const complaint = complaintsIn(outputs);
    if (complaint !== '' && failures.length === 0) {
      failures.push(`cell ${i + 1} failed after it had ended:\n    ${complaint}`);
    }
    const difference = complaint === '' ? staleness(cell.outputs, outputs) : undefined;
    if (difference) stale.push(`cell ${i + 1} is stale: ${difference}`);
  }
  return { notebook, fresh, failures, problems: [...failures, ...stale], slowestMs };
}

const codeCells = ({ cells }: Notebook): Cell[] =>
  cells.filter((cell) => cell.cell_type === 'code' && sourceOf(cell).trim() !== '');

/** A failed cell of this kernel prints to stderr; its reply says that it has failed. */
function failureOf({ status, outputs }: CellResult): string | undefined {
  const complaint = complaintsIn(outputs);
  if (status === 'ok' && complaint === '') return undefined;
  return complaint || 'the kernel gives no reason';
}

/** The end of what was printed to stderr, where the message stands. */
function complaintsIn(outputs: Output[]): string {
  let text = '';
  for (const output of outputs) {
    if (output.output_type === 'error' || output.name === 'stderr') text += textOf(output);
  }
  return text.trim().slice(-1500);
}

interface Options {
  only?: string;
  write?: boolean;
  timeout: string;
  dir: string;
}

function readOptions(): Options & { timeoutMs: number } {
  const program = new Command('walkthrough')
    .description('Runs the notebooks headless; fails on an error or on outputs that are stale.')
    .option('--only <prefix>', 'only notebooks whose name begins with this, for example 04')
    .option('--write', 'save the fresh outputs into the notebooks')
    .option('--timeout <seconds>', 'longest time for one cell', String(CELL_SECONDS))
    .option('--dir <folder>', 'where the notebooks are', join(root, 'notebooks'));
  const options = program.parse().opts<Options>();
  const timeoutMs = Number(options.timeout) * 1000;
  if (!(timeoutMs > 0)) {
    throw new RangeError(`--timeout is ${options.timeout}; give a number of seconds above 0.`);
  }
  if (!existsSync(options.dir)) throw new RangeError(`--dir: there is no folder ${options.dir}.`);
  return { ...options, timeoutMs };
}

function notebooksIn({ dir, only = '' }: Options): string[] {
  const all = readdirSync(dir).filter((name) => name.endsWith('.ipynb'));
  const names = all.filter((name) => name.startsWith(only)).sort();
  if (names.length > 0) return names;
  const there = all.sort().join(', ') || 'none';
  throw new RangeError(`No notebook begins with ${only || 'anything'}; there are ${there}.`);
}

/** Runs one notebook, prints how it went, and saves it if asked to. Returns whether all is well. */
async function report(path: string, write: boolean, timeoutMs: number): Promise<boolean> {
  const cells = codeCells(readNotebook(path)).length;
  const name = relative(root, path);
  const bar = process.stdout.isTTY
    ? new SingleBar({ format: `${name} {bar} {value}/{total} cells, {duration} s` })
    : undefined;
  bar?.start(cells, 0);
  const started = performance.now();
  const run = await walk(path, timeoutMs, (done) => bar?.update(done));
  bar?.stop();

  const problems = write ? run.failures : run.problems;
  const isWell = problems.length === 0;
  const saves = write && isWell;
  if (saves) {
    const remark = await addPictures([...run.fresh.values()].flat());
    saveNotebook(path, written(run.notebook, run.fresh));
    if (remark) console.log(`  ${remark}`);
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  const slowest = (run.slowestMs / 1000).toFixed(1);
  const times = `${cells} cells in ${seconds} s, the slowest ${slowest} s`;
  console.log(`${isWell ? '✓' : '✗'} ${name}: ${times}${saves ? ', written' : ''}`);
  for (const problem of problems) console.log(`  ${problem}`);
  return isWell;
}

async function main(): Promise<void> {
  const options = readOptions();
  const names = notebooksIn(options);
  let failed = 0;
  for (const name of names) {
    const isWell = await report(join(options.dir, name), options.write ?? false, options.timeoutMs);
    if (!isWell) failed++;
  }
  console.log(`\nnotebooks: ${names.length - failed} passed, ${failed} failed`);
  process.exit(failed > 0 ? 1 : 0);
}

if (require.main === module) {
  main().catch((error: Error) => {
    console.error(error.message);
    process.exit(1);
  });
}
