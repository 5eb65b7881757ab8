/**
 * The Python side of a notebook: JupyterLab in .venv/, made the first time and again when its
 * requirements change.
 *
 * The environment is made in .cache/ and then renamed, so that .venv/ is always a complete one.
 * Nothing outside the repository is touched, and deleting .venv/ undoes it all. Where no
 * environment can be made, a JupyterLab that is already installed is used.
 */
import { createHash } from 'node:crypto';
import {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { atomicWrite } from '../../weights/atomic-write';
import { withFolderLock } from './folder-lock';
import { outputOf, runQuietly } from './run-command';

export const root = join(__dirname, '..', '..', '..');
const OLDEST = { major: 3, minor: 9 } as const;
/** Something is printed at least this often, so that nobody thinks that it hangs. */
const REPORT_MS = 3000;

type Say = (line: string) => void;

export interface Jupyter {
  whose: 'this project' | 'this machine';
  /** Program and first arguments of each tool. */
  tools: { lab: string[]; nbconvert: string[] };
  /** The environment to start it in: ours, and where it finds our kernel and our settings. */
  env: NodeJS.ProcessEnv;
}

/** The first Python that is new enough, and all that were found up to it. */
export function findPython(candidates: string[][] = [['python3'], ['python'], ['py', '-3']]): {
  command?: string[];
  found: string[];
} {
  const found: string[] = [];
  for (const command of candidates) {
    const [program, ...args] = command;
    const version = outputOf(program, [...args, '--version'])?.match(/Python (\d+)\.(\d+)[.\d]*/);
    if (!version) continue;
    found.push(`${command.join(' ')} is ${version[0]}`);
    const major = Number(version[1]);
    const minor = Number(version[2]);
    const isNewEnough = major > OLDEST.major || (major === OLDEST.major && minor >= OLDEST.minor);
    if (isNewEnough) return { command, found };
  }
  return { found };
}

/** The Python of .venv/, whether it is there or not. */
export const projectPython = (at = root): string => pythonIn(join(at, '.venv'));

const scriptsOf = (venv: string): string =>
  join(venv, process.platform === 'win32' ? 'Scripts' : 'bin');
const pythonIn = (venv: string): string =>
  join(scriptsOf(venv), process.platform === 'win32' ? 'python.exe' : 'python');

/**
 * JupyterLab, set up if need be, with our kernel spec in place.
 * @throws Error with what is missing and how to get it, if there is none and none can be made.
 */
export async function prepareJupyter(say: Say, at = root): Promise<Jupyter> {
  let whose: Jupyter['whose'] = 'this project';
  try {
    if (!isReady(at)) await makeEnvironment(say, at);
  } catch (error) {
    const installed = findJupyterLab(at);
    if (!installed) throw error;
    whose = installed.whose;
    say(`${(error as Error).message}\nUsing the JupyterLab ${installed.version} of ${whose}.`);
  }
  const settings = join(at, '.cache', 'jupyter');
  const kernelRoot = whose === 'this project' ? join(at, '.venv', 'share', 'jupyter') : settings;
  writeJson(join(kernelRoot, 'kernels', 'tslab', 'kernel.json'), kernelSpec());
  // This extension asks every new reader whether to fetch JupyterLab's news.
  const news = '@jupyterlab/apputils-extension:announcements';
  const pageConfig = join(settings, 'labconfig', 'page_config.json');
  writeJson(pageConfig, { disabledExtensions: { [news]: true } });

  const { JUPYTER_PATH, JUPYTER_CONFIG_PATH } = process.env;
  const env = {
    ...process.env,
    JUPYTER_PATH: [kernelRoot, JUPYTER_PATH].filter(Boolean).join(delimiter),
    JUPYTER_CONFIG_PATH: [settings, JUPYTER_CONFIG_PATH].filter(Boolean).join(delimiter),
  };
  return { whose, tools: toolsOf(whose, at), env };
}

function toolsOf(whose: Jupyter['whose'], at: string): Jupyter['tools'] {
  if (whose === 'this machine') {
    return { lab: ['jupyter', 'lab'], nbconvert: ['jupyter', 'nbconvert'] };
  }
  // The scripts in .venv/ fail where its path holds a $: start Python itself.
  const python = projectPython(at);
  return { lab: [python, '-m', 'jupyterlab'], nbconvert: [python, '-m', 'nbconvert'] };
}

/** A JupyterLab 4 that works: of an older .venv/, or of this machine. */
export function findJupyterLab(
  at = root,
): { whose: Jupyter['whose']; version: string } | undefined {
  for (const whose of ['this project', 'this machine'] as const) {
    const [program, ...args] = toolsOf(whose, at).lab;
    const version = outputOf(program, [...args, '--version'])?.match(/^4\.\S+/m)?.[0];
    if (version !== undefined) return { whose, version };
  }
  return undefined;
}

const writeJson = (path: string, content: object): void =>
  atomicWrite(path, `${JSON.stringify(content, null, 2)}\n`);

/** The tslab kernel, started in the repository's root wherever the notebook lies. */
export function kernelSpec(): { argv: string[]; display_name: string; language: string } {
  const kernel = join(root, 'src', 'support', 'notebook', 'kernel.cjs');
  return {
    argv: [process.execPath, kernel, '{connection_file}'],
    display_name: 'TypeScript (cache-once)',
    language: 'typescript',
  };
}

/** From what an environment was made, and where: its programs hold their own path. */
function wantedStamp(at: string): string {
  const requirements = readFileSync(join(at, 'notebooks', 'requirements.txt'));
  return createHash('sha256').update(join(at, '.venv')).update(requirements).digest('hex');
}

function isReady(at: string): boolean {
  const stamp = join(at, '.venv', '.cache-once');
  return (
    existsSync(stamp) &&
    readFileSync(stamp, 'utf8') === wantedStamp(at) &&
    existsSync(projectPython(at))
  );
}

async function makeEnvironment(say: Say, at: string): Promise<void> {
  const { command, found } = findPython();
  if (!command) {
    const instead = found.join(', ') || 'there is no python3 or python on the PATH';
    throw new Error(
      `JupyterLab needs Python ${OLDEST.major}.${OLDEST.minor} or newer; ${instead}. Install one ` +
        '(python.org, or your system’s package python3) and run npm start again.',
    );
  }
  const workplace = join(at, '.cache', 'making-venv');
  const everySoOften = regularly(say);
  await withFolderLock(
    workplace,
    async () => {
      if (isReady(at)) return; // the process that we waited for has made it
      say('First time here: installing JupyterLab into .venv/ (one or two minutes).');
      const draft = join(workplace, 'venv');
      await install(command, draft, join(at, 'notebooks', 'requirements.txt'), say);
      writeFileSync(join(draft, '.cache-once'), wantedStamp(at));
      moveInto(draft, join(at, '.venv'), join(workplace, 'old'));
    },
    (seconds) => {
      const waited = `${seconds.toFixed(0)} s`;
      everySoOften(`Another npm start sets up .venv/ or was stopped just now; waiting, ${waited}.`);
    },
  );
}

/** @throws Error with what failed and what to do. */
async function install(
  python: string[],
  venv: string,
  requirements: string,
  say: Say,
): Promise<void> {
  const [program, ...before] = python;
  const made = await runReporting(say, program, [...before, '-m', 'venv', venv]);
  if (made.code !== 0) {
    throw new Error(
      `Python has no working venv module: ${made.lines.at(-1) ?? 'it said nothing'}. ` +
        'On Debian or Ubuntu: sudo apt install python3-venv. Then run npm start again.',
    );
  }
  const pip = ['-m', 'pip', 'install', '--disable-pip-version-check', '-r', requirements];
  const { code, lines } = await runReporting(say, pythonIn(venv), pip);
  if (code !== 0) {
    const reason = lines.filter((line) => /error/i.test(line)).at(-1) ?? lines.at(-1);
    throw new Error(
      `JupyterLab could not be installed: ${reason}. Is the network, or your mirror of the ` +
        'Python package index, reachable? Run npm start again: it begins afresh.',
    );
  }
  const names = lines.find((line) => line.startsWith('Successfully installed'))?.split(' ') ?? [];
  say(`  ${Math.max(0, names.length - 2)} packages installed.`);
}

/** Runs a program and says every few seconds where it stands. */
async function runReporting(
  say: Say,
  program: string,
  args: string[],
): Promise<{ code: number; lines: string[] }> {
  const started = performance.now();
  let lastLine = 'making the environment';
  const timer = setInterval(() => {
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    say(`  ${seconds} s: ${lastLine.trim().slice(0, 80)}`);
  }, REPORT_MS);
  try {
    return await runQuietly(program, args, (line) => {
      lastLine = line;
    });
  } finally {
    clearInterval(timer);
  }
}

/** Passes a line on at once, and then at most one every few seconds. */
function regularly(say: Say): Say {
  let saidAt = Number.NEGATIVE_INFINITY;
  return (line) => {
    if (performance.now() - saidAt < REPORT_MS) return;
    say(line);
    saidAt = performance.now();
  };
}

/** Renames `draft` to `venv`; its scripts, which hold their own path, then hold the new one. */
function moveInto(draft: string, venv: string, old: string): void {
  const scripts = scriptsOf(draft);
  for (const name of readdirSync(scripts)) {
    const path = join(scripts, name);
    const { size } = statSync(path);
    const isScript = size < 1e5 && !name.endsWith('.exe'); // the others are programs
    const text = isScript ? readFileSync(path, 'utf8') : '';
    if (text.includes(draft)) writeFileSync(path, text.replaceAll(draft, venv));
  }
  try {
    if (existsSync(venv)) renameSync(venv, old);
    renameSync(draft, venv);
  } catch (error) {
    throw new Error(
      `.venv/ could not be replaced (${(error as Error).message}). ` +
        'Stop the JupyterLab that runs from it, and run npm start again.',
    );
  }
}
