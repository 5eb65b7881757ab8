/**
 * What is written in Python: JupyterLab in .venv/ and the tools of `npm run html` in .cache/, each
 * in an environment of its own, made the first time and again when its requirements change.
 *
 * An environment is made in .cache/ and then renamed, so that it is always a complete one. Nothing
 * outside the repository is touched, and deleting the folder undoes it all. Where no environment
 * can be made for JupyterLab, one that is already installed is used.
 */
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { atomicWrite } from '../../weights/atomic-write';
import { withFolderLock } from './folder-lock';
import { outputOf, runQuietly } from './run-command';

export const root = join(__dirname, '..', '..', '..');
/** Something is printed at least this often, so that nobody thinks that it hangs. */
const REPORT_MS = 3000;

type Say = (line: string) => void;

/** A Python environment that this project makes for itself; paths are below the repository. */
export interface Environment {
  /** What it is for, and the command that makes it. */
  what: string;
  command: string;
  folder: string;
  /** Where it is made before it moves to `folder`. */
  workplace: string;
  requirements: string;
  oldestPython: { major: number; minor: number };
}
const jupyterLab: Environment = {
  what: 'JupyterLab',
  command: 'npm start',
  folder: '.venv',
  workplace: '.cache/making-venv',
  requirements: 'notebooks/requirements.txt',
  oldestPython: { major: 3, minor: 9 },
};

export interface Jupyter {
  whose: 'this project' | 'this machine';
  /** Program and first arguments of each tool. */
  tools: { lab: string[] };
  /** The environment to start it in: ours, and where it finds our kernel and our settings. */
  env: NodeJS.ProcessEnv;
}

const NAMES = [
  'python3',
  'python',
  'py -3',
  'python3.14',
  'python3.13',
  'python3.12',
  'python3.11',
];

/** The first Python that is new enough, and all that were found up to it. */
export function findPython(oldest = jupyterLab.oldestPython): {
  command?: string[];
  found: string[];
} {
  const found: string[] = [];
  for (const name of NAMES) {
    const command = name.split(' ');
    const [program, ...args] = command;
    const version = outputOf(program, [...args, '--version'])?.match(/Python (\d+)\.(\d+)[.\d]*/);
    if (!version) continue;
    found.push(`${name} is ${version[0]}`);
    const major = Number(version[1]);
    const minor = Number(version[2]);
    const isNewEnough = major > oldest.major || (major === oldest.major && minor >= oldest.minor);
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
    await prepareEnvironment(jupyterLab, say, at);
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
  if (whose === 'this machine') return { lab: ['jupyter', 'lab'] };
  // The scripts in .venv/ fail where its path holds a $: start Python itself.
  return { lab: [projectPython(at), '-m', 'jupyterlab'] };
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
function wantedStamp({ folder, requirements }: Environment, at: string): string {
  const wanted = readFileSync(join(at, requirements));
  return createHash('sha256').update(join(at, folder)).update(wanted).digest('hex');
}

/** Whether an environment is there, complete and from today's requirements. */
export function isReady(environment: Environment, at = root): boolean {
  const stamp = join(at, environment.folder, '.cache-once');
  return (
    existsSync(stamp) &&
    readFileSync(stamp, 'utf8') === wantedStamp(environment, at) &&
    existsSync(pythonIn(join(at, environment.folder)))
  );
}

/**
 * The Python of an environment, which is made if need be.
 * @throws Error with what is missing and how to get it, if it cannot be made.
 */
export async function prepareEnvironment(
  environment: Environment,
  say: Say,
  at = root,
): Promise<string> {
  const { what, command, folder, oldestPython } = environment;
  const venv = join(at, folder);
  if (isReady(environment, at)) return pythonIn(venv);
  const python = findPython(oldestPython);
  if (!python.command) {
    const instead = python.found.join(', ') || 'there is no python3 or python on the PATH';
    throw new Error(
      `${what} needs Python ${oldestPython.major}.${oldestPython.minor} or newer; ${instead}. ` +
        `Install one (python.org, or your system’s package python3) and run ${command} again.`,
    );
  }
  const program = python.command;
  const workplace = join(at, environment.workplace);
  const everySoOften = regularly(say);
  await withFolderLock(
    workplace,
    async () => {
      if (isReady(environment, at)) return; // the process that we waited for has made it
      say(`First time here: installing ${what} into ${folder}/ (one or two minutes).`);
      const draft = join(workplace, 'venv');
      await install(program, draft, environment, at, say);
      writeFileSync(join(draft, '.cache-once'), wantedStamp(environment, at));
      moveInto(draft, venv, join(workplace, 'old'), environment);
    },
    (seconds) => {
      const waited = `${seconds.toFixed(0)} s`;
      everySoOften(
        `Another ${command} sets up ${folder}/ or was stopped just now; waiting, ${waited}.`,
      );
    },
  );
  return pythonIn(venv);
}

/** @throws Error with what failed and what to do. */
async function install(
  [program, ...before]: string[],
  venv: string,
  { what, command, requirements }: Environment,
  at: string,
  say: Say,
): Promise<void> {
  const made = await runReporting(say, program, [...before, '-m', 'venv', venv]);
  if (made.code !== 0) {
    throw new Error(
      `Python has no working venv module: ${made.lines.at(-1) ?? 'it said nothing'}. ` +
        `On Debian or Ubuntu: sudo apt install python3-venv. Then run ${command} again.`,
    );
  }
  const pip = ['-m', 'pip', 'install', '--disable-pip-version-check', '-r'];
  const { code, lines } = await runReporting(say, pythonIn(venv), [...pip, join(at, requirements)]);
  if (code !== 0) {
    const reason = lines.filter((line) => /error/i.test(line)).at(-1) ?? lines.at(-1);
    throw new Error(
      `${what} could not be installed: ${reason}. Is the network, or your mirror of the ` +
        `Python package index, reachable? Run ${command} again: it begins afresh.`,
    );
  }
  const names = lines.find((line) => line.startsWith('Successfully installed'))?.split(' ') ?? [];
  say(`  ${Math.max(0, names.length - 2)} packages installed.`);
}

/** Runs a program and says every few seconds where it stands. */
export async function runReporting(
  say: Say,
  program: string,
  args: string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<{ code: number; lines: string[] }> {
  const started = performance.now();
  let lastLine = 'starting';
  const timer = setInterval(() => {
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    say(`  ${seconds} s: ${lastLine.trim().slice(0, 80)}`);
  }, REPORT_MS);
  try {
    const follow = (line: string): void => {
      lastLine = line;
    };
    return await runQuietly(program, args, follow, env);
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
function moveInto(draft: string, venv: string, old: string, environment: Environment): void {
  const scripts = scriptsOf(draft);
  for (const name of readdirSync(scripts)) {
    const path = join(scripts, name);
    const { size } = statSync(path);
    const isScript = size < 1e5 && !name.endsWith('.exe'); // the others are programs
    const text = isScript ? readFileSync(path, 'utf8') : '';
    if (text.includes(draft)) writeFileSync(path, text.replaceAll(draft, venv));
  }
  try {
    mkdirSync(dirname(venv), { recursive: true });
    if (existsSync(venv)) renameSync(venv, old);
    renameSync(draft, venv);
  } catch (error) {
    const { what, command, folder } = environment;
    throw new Error(
      `${folder}/ could not be replaced (${(error as Error).message}). ` +
        `Stop the ${what} that runs from it, and run ${command} again.`,
    );
  }
}
