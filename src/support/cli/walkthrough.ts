/** npm run walkthrough: every notebook, top to bottom, in the kernel that a reader uses, without a browser. */
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

interface Options {
  only?: string;
  write?: boolean;
  timeout: string;
  dir: string;
}

/** What is wrong with a notebook, cell by cell; empty if all is well. */
export async function walk(
  path: string,
  timeoutMs: number,
  onCell: (done: number) => void,
): Promise<{
  problems: string[];
  fresh: Map<Cell, Output[]>;
  notebook: Notebook;
  slowest: number;
}> {
  const notebook = readNotebook(path);
  const kernel = await KernelClient.start((kernelSpec() as { argv: string[] }).argv);
  const fresh = new Map<Cell, Output[]>();
  const problems: string[] = [];
  let slowest = 0;
  try {
    const cells = notebook.cells.filter(
      (cell) => cell.cell_type === 'code' && sourceOf(cell).trim() !== '',
    );
    for (const [i, cell] of cells.entries()) {
      const result = await kernel.execute(sourceOf(cell), timeoutMs).catch((error: Error) => error);
      if (result instanceof Error) {
        problems.push(`cell ${i + 1}: ${result.message}`);
        break;
      }
      slowest = Math.max(slowest, result.elapsedMs);
      fresh.set(cell, result.outputs);
      onCell(i + 1);
      const failure = failureOf(result);
      if (failure) {
        problems.push(`cell ${i + 1} failed:\n    ${failure}`);
        break; // what follows rests on it
      }
      const stale = staleness(cell.outputs, result.outputs);
      if (stale) problems.push(`cell ${i + 1} is stale: ${stale}`);
    }
  } finally {
    kernel.stop();
  }
  return { problems, fresh, notebook, slowest };
}

/** A failed cell of this kernel leaves only a stream of errors; its reply tells the truth. */
function failureOf({ status, outputs }: CellResult): string | undefined {
  const complaint = outputs
    .filter(({ output_type, name }) => output_type === 'error' || name === 'stderr')
    .map(textOf)
    .join('')
    .trim();
  if (status === 'ok' && complaint === '') return undefined;
  return complaint.slice(0, 1500) || 'the kernel says so, without a reason';
}

async function main(): Promise<void> {
  const program = new Command('walkthrough')
    .description('Runs the notebooks headless; fails on an error or on outputs that are stale.')
    .option('--only <prefix>', 'only notebooks whose name begins with this, for example 04')
    .option('--write', 'save the fresh outputs into the notebooks')
    .option('--timeout <seconds>', 'longest time for one cell', '180')
    .option('--dir <folder>', 'where the notebooks are', join(root, 'notebooks'))
    .parse();
  const options = program.opts<Options>();
  const timeoutMs = Number(options.timeout) * 1000;
  if (!(timeoutMs > 0))
    throw new RangeError(`--timeout is ${options.timeout}; give a number of seconds above 0.`);
  if (!existsSync(options.dir)) throw new RangeError(`--dir: there is no folder ${options.dir}.`);
  const all = readdirSync(options.dir)
    .filter((name) => name.endsWith('.ipynb'))
    .sort();
  const names = all.filter((name) => name.startsWith(options.only ?? ''));
  if (names.length === 0)
    throw new RangeError(
      `No notebook begins with ${options.only ?? 'anything'}; there are ${all.join(', ') || 'none'}.`,
    );

  let failed = 0;
  for (const name of names) {
    const path = join(options.dir, name);
    const cells = readNotebook(path).cells.filter((cell) => cell.cell_type === 'code').length;
    const bar = process.stdout.isTTY
      ? new SingleBar({ format: `${name} {bar} {value}/{total} cells, {duration} s` })
      : undefined;
    bar?.start(cells, 0);
    const started = performance.now();
    const { problems, fresh, notebook, slowest } = await walk(path, timeoutMs, (done) =>
      bar?.update(done),
    );
    bar?.stop();
    const blocking = options.write
      ? problems.filter((problem) => !problem.includes(' is stale'))
      : problems;
    if (options.write && blocking.length === 0) {
      const said = await addPictures([...fresh.values()].flat());
      saveNotebook(path, written(notebook, fresh));
      if (said) console.log(`  ${said}`);
    }
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    console.log(
      `${blocking.length === 0 ? '✓' : '✗'} ${relative(root, path)}: ${cells} cells in ${seconds} s, the slowest ${(slowest / 1000).toFixed(1)} s${options.write && blocking.length === 0 ? ', written' : ''}`,
    );
    for (const problem of blocking) console.log(`  ${problem}`);
    if (blocking.length > 0) failed++;
  }
  console.log(`\nnotebooks: ${names.length - failed} passed, ${failed} failed`);
  process.exit(failed > 0 ? 1 : 0);
}

if (require.main === module)
  main().catch((error: Error) => {
    console.error(error.message);
    process.exit(1);
  });
