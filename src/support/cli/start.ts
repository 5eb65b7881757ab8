/** npm start: sets up what is missing, checks that the forms agree on this machine, opens the course in JupyterLab. */
import { delimiter } from 'node:path';
import { describeEngine, useEngine } from '../backends/use-engine';
import { prepareJupyter, root } from '../notebook/python-environment';
import { runInForeground } from '../notebook/run-command';
import { selfCheck } from './self-check';

async function main(): Promise<void> {
  const jupyter = await prepareJupyter((line) => console.log(line));
  console.log(describeEngine(await useEngine()));
  console.log(selfCheck());
  const passedOn = process.argv.slice(2);
  const args = ['lab', ...defaults(passedOn), ...passedOn];
  const JUPYTER_PATH = [jupyter.kernelRoot, process.env.JUPYTER_PATH]
    .filter(Boolean)
    .join(delimiter);
  console.log(`Opening the course with the JupyterLab of ${jupyter.whose}. Stop it with Ctrl-C.\n`);
  process.exitCode = await runInForeground(jupyter.program, args, { ...process.env, JUPYTER_PATH });
}

/** Ours unless the reader says otherwise: this machine only, with a token, in the repository, at the first notebook. */
function defaults(passedOn: string[]): string[] {
  const given = (name: string): boolean =>
    passedOn.some((arg) => arg === name || arg.startsWith(`${name}=`));
  const ours: [string, string][] = [
    ['--ServerApp.root_dir', root],
    ['--ip', '127.0.0.1'],
    ['--LabApp.default_url', '/lab/tree/notebooks/00-start-here.ipynb'],
  ];
  // Containers run as root, which Jupyter refuses unless told.
  const asRoot = process.getuid?.() === 0 ? ['--allow-root'] : [];
  return [
    ...ours.filter(([name]) => !given(name)).map(([name, value]) => `${name}=${value}`),
    ...asRoot,
  ];
}

main().catch((error: Error) => {
  console.error(`\n${error.message}`);
  process.exitCode = 1;
});
