/**
 * `npm start`: sets up what is missing, checks that the forms agree on this machine, opens the
 * reader's copy of the course in JupyterLab.
 */
import { describeEngine, useEngine } from '../backends/use-engine';
import { KernelClient } from '../notebook/kernel-client';
import { copyNotebooks, inWords, OWN_FOLDER } from '../notebook/own-notebooks';
import { kernelSpec, prepareJupyter, root } from '../notebook/python-environment';
import { runInForeground } from '../notebook/run-command';
import { selfCheck } from './self-check';

/** Only a kernel that hangs takes this long. */
const COMPILE_MS = 600_000;

async function main(): Promise<void> {
  const { whose, tools, env } = await prepareJupyter((line) => console.log(line));
  console.log(describeEngine(await useEngine()));
  console.log(selfCheck());
  console.log(inWords(copyNotebooks()));
  console.log('Compiling what the lessons import (about 10 s the first time) …');
  await compileModules();
  console.log(`Opening the course with the JupyterLab of ${whose}. Stop it with Ctrl-C.\n`);

  const [program, ...args] = tools.lab;
  const given = process.argv.slice(2);
  process.exitCode = await runInForeground(program, [...args, ...defaults(given), ...given], env);
}

/** So that the first cell of a lesson need not: the next kernel takes it from .cache/. */
async function compileModules(): Promise<void> {
  const kernel = await KernelClient.start(kernelSpec().argv);
  try {
    await kernel.execute("import { useEngine } from './src/index';", COMPILE_MS);
    await kernel.execute('0;', COMPILE_MS); // the kernel saves between two cells
  } finally {
    kernel.stop();
  }
}

/**
 * What the reader has not given: this machine only, with a token, in the repository, at the
 * reader's copy of the first notebook.
 */
function defaults(given: string[]): string[] {
  const options: string[] = [];
  for (const [name, value] of [
    ['--ServerApp.root_dir', root],
    ['--ip', '127.0.0.1'],
    ['--LabApp.default_url', `/lab/tree/${OWN_FOLDER}/00-start-here.ipynb`],
  ]) {
    const isGiven = given.some((arg) => arg === name || arg.startsWith(`${name}=`));
    if (!isGiven) options.push(`${name}=${value}`);
  }
  // Containers run as root, which Jupyter refuses unless told.
  if (process.getuid?.() === 0) options.push('--allow-root');
  return options;
}

main().catch((error: Error) => {
  console.error(`\n${error.message}`);
  process.exitCode = 1;
});
