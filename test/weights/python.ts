/** A Python environment for tests, in .cache/, made once from a list of requirements. */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withFolderLock } from '../../src/support/notebook/folder-lock';
import { findPython, root } from '../../src/support/notebook/python-environment';
import { runQuietly } from '../../src/support/notebook/run-command';

/**
 * The Python of `.cache/NAME`, with these requirements installed.
 * @throws Error saying what is missing: a Python, its venv module, or the package index.
 */
export async function pythonWith(name: string, requirementsFile: string): Promise<string> {
  const folder = join(root, '.cache', name);
  const stamp = join(folder, 'requirements.txt');
  const requirements = readFileSync(requirementsFile, 'utf8');
  const isReady = () => existsSync(stamp) && readFileSync(stamp, 'utf8') === requirements;
  if (!isReady()) {
    const draft = `${folder}.making`;
    await withFolderLock(
      draft,
      async () => {
        if (isReady()) return; // made by the process that we waited for
        const venv = join(draft, 'venv');
        await make(venv, requirementsFile);
        writeFileSync(join(venv, 'requirements.txt'), requirements);
        rmSync(folder, { recursive: true, force: true });
        renameSync(venv, folder);
      },
      () => undefined,
    );
  }
  return pythonIn(folder);
}

const pythonIn = (venv: string): string =>
  process.platform === 'win32' ? join(venv, 'Scripts', 'python.exe') : join(venv, 'bin', 'python');

async function make(venv: string, requirementsFile: string): Promise<void> {
  const { command, found } = findPython();
  if (!command) throw new Error(`there is no Python 3.9 or newer (found: ${found.join(', ')})`);
  const [program, ...before] = command;
  const made = await runQuietly(program, [...before, '-m', 'venv', venv]);
  if (made.code !== 0) throw new Error(`Python's venv module fails: ${made.lines.at(-1)}`);
  const pip = ['-m', 'pip', 'install', '--disable-pip-version-check', '-r', requirementsFile];
  const { code, lines } = await runQuietly(pythonIn(venv), pip);
  const reason = lines.filter((line) => /error/i.test(line)).at(-1);
  if (code !== 0) throw new Error(`pip cannot install ${requirementsFile}: ${reason}`);
}
