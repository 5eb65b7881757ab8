/**
 * The Python side of a notebook: JupyterLab in .venv/, made the first time and again when its requirements change.
 *
 * Nothing outside the repository is touched, and deleting .venv/ undoes it all. Where the environment cannot be made, a
 * JupyterLab that is already installed is used.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { outputOf, runQuietly } from './run-command';

export const root = join(__dirname, '..', '..', '..');
/** Where things are, for a repository at `at`; tests set up another one. */
const placesIn = (at: string) => {
  const venv = join(at, '.venv');
  return {
    venv,
    requirements: join(at, 'notebooks', 'requirements.txt'),
    stamp: join(venv, '.cache-once'),
    program: (name: string) =>
      process.platform === 'win32' ? join(venv, 'Scripts', `${name}.exe`) : join(venv, 'bin', name),
  };
};
type Places = ReturnType<typeof placesIn>;
const OLDEST = [3, 9] as const;

export interface Jupyter {
  /** The program and what comes before `lab`. */
  program: string;
  /** Where our kernel spec is, for Jupyters that are not ours. */
  kernelRoot: string;
  whose: 'this project' | 'this machine';
}

/** The first Python that is new enough, and what was found instead if none is. */
export function findPython(candidates: string[][] = [['python3'], ['python'], ['py', '-3']]): {
  command?: string[];
  found: string[];
} {
  const found: string[] = [];
  for (const command of candidates) {
    const [program, ...args] = command as [string, ...string[]];
    const version = outputOf(program, [...args, '--version'])?.match(/Python (\d+)\.(\d+)[.\d]*/);
    if (!version) continue;
    found.push(`${command.join(' ')} is ${version[0]}`);
    const [major, minor] = [Number(version[1]), Number(version[2])];
    if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return { command, found };
  }
  return { found };
}

/** What .venv/ was made from, and where: its programs carry their own path and do not survive a move. */
const stampWanted = ({ venv, requirements }: Places): string =>
  createHash('sha256').update(venv).update(readFileSync(requirements)).digest('hex');
const isReady = (places: Places): boolean =>
  existsSync(places.stamp) &&
  readFileSync(places.stamp, 'utf8') === stampWanted(places) &&
  existsSync(places.program('jupyter'));

/**
 * JupyterLab, set up if need be, with our kernel spec in place.
 * @throws Error with what is missing and how to get it, if there is none and none can be made.
 */
export async function prepareJupyter(say: (line: string) => void, at = root): Promise<Jupyter> {
  const places = placesIn(at);
  try {
    if (!isReady(places)) await makeEnvironment(say, places);
    const kernelRoot = join(places.venv, 'share', 'jupyter');
    writeKernelSpec(kernelRoot);
    return { program: places.program('jupyter'), kernelRoot, whose: 'this project' };
  } catch (error) {
    const installed = outputOf('jupyter', ['lab', '--version'])?.match(/^4\.\S+/m);
    if (!installed) throw error;
    say(
      `${(error as Error).message}\nUsing the JupyterLab ${installed[0]} that is installed on this machine.`,
    );
    const kernelRoot = join(at, '.cache', 'jupyter');
    writeKernelSpec(kernelRoot);
    return { program: 'jupyter', kernelRoot, whose: 'this machine' };
  }
}

async function makeEnvironment(say: (line: string) => void, places: Places): Promise<void> {
  const { command, found } = findPython();
  if (!command)
    throw new Error(
      `JupyterLab needs Python ${OLDEST.join('.')} or newer; ${found.length > 0 ? found.join(', ') : 'there is no python3 or python on the PATH'}. ` +
        'Install one (python.org, or your system’s package python3) and run npm start again.',
    );
  const [program, ...before] = command as [string, ...string[]];
  rmSync(places.venv, { recursive: true, force: true }); // a half-made one would fail later and less clearly
  say('First time here: putting JupyterLab into .venv/ (one or two minutes).');
  const made = await runQuietly(program, [...before, '-m', 'venv', places.venv], () => undefined);
  if (made.code !== 0)
    throw new Error(
      `Python has no working venv module: ${made.lines.at(-1) ?? 'it said nothing'}. On Debian or Ubuntu: sudo apt install python3-venv. Then run npm start again.`,
    );
  const pip = ['-m', 'pip', 'install', '--disable-pip-version-check', '-r', places.requirements];
  let packages = 0;
  const installed = await runQuietly(places.program('python'), pip, (line) => {
    if (!line.startsWith('Collecting')) return;
    packages++;
    if (process.stdout.isTTY)
      process.stdout.write(
        `\r  ${packages} packages: ${line
          .replace(/^Collecting /, '')
          .slice(0, 50)
          .padEnd(50)}`,
      );
    else if (packages % 25 === 0) say(`  ${packages} packages`);
  });
  if (process.stdout.isTTY) process.stdout.write(`${'\r'.padEnd(75)}\r`);
  if (installed.code !== 0)
    throw new Error(
      `JupyterLab could not be installed: ${installed.lines.filter((line) => /error/i.test(line)).at(-1) ?? installed.lines.at(-1)}. ` +
        'Is the network, or your mirror of the Python package index, reachable? Run npm start again: it begins afresh.',
    );
  const names =
    installed.lines.find((line) => line.startsWith('Successfully installed'))?.split(' ').length ??
    packages + 2;
  say(`  ${names - 2} packages installed.`);
  writeFileSync(places.stamp, stampWanted(places));
}

/** The tslab kernel, started in the repository's root wherever the notebook lies. */
export function kernelSpec(): { argv: string[]; display_name: string; language: string } {
  return {
    argv: [
      process.execPath,
      join(root, 'src', 'support', 'notebook', 'kernel.cjs'),
      '{connection_file}',
    ],
    display_name: 'TypeScript (cache-once)',
    language: 'typescript',
  };
}
function writeKernelSpec(jupyterRoot: string): void {
  const folder = join(jupyterRoot, 'kernels', 'tslab');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'kernel.json'), `${JSON.stringify(kernelSpec(), null, 2)}\n`);
}
