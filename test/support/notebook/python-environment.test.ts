/** The set-up of npm start with Pythons of every kind: fakes on a PATH of our own. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bookTools } from '../../../src/support/cli/html';
import {
  findPython,
  kernelSpec,
  prepareEnvironment,
  prepareJupyter,
  projectPython,
  root,
} from '../../../src/support/notebook/python-environment';
import { outputOf } from '../../../src/support/notebook/run-command';

let folder: string;
const path = process.env.PATH;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cache on$ce ')); // with a blank and a dollar sign
  mkdirSync(join(folder, 'bin'));
  mkdirSync(join(folder, 'repository', 'notebooks'), { recursive: true });
  writeFileSync(join(folder, 'repository', 'notebooks', 'requirements.txt'), 'jupyterlab==4.6.6\n');
  process.env.PATH = join(folder, 'bin');
});
afterEach(() => {
  process.env.PATH = path;
  rmSync(folder, { recursive: true, force: true });
});

function program(name: string, script: string): void {
  writeFileSync(join(folder, 'bin', name), `#!/bin/sh\nexport PATH=/usr/bin:/bin\n${script}\n`);
  chmodSync(join(folder, 'bin', name), 0o755);
}
/** A Python that logs its arguments, makes an environment by hand, and has the given pip. */
function python(pip = 'echo "Successfully installed jupyterlab-4"', making = ''): void {
  program(
    'python3',
    `echo "$@" >> '${folder}/log'
case "$*" in
  --version) echo "Python 3.12.1";;
  "-m venv "*)
    ${making}
    mkdir -p "$3/bin"
    printf '#!/bin/sh\\n${pip}\\n' > "$3/bin/python"
    chmod +x "$3/bin/python"
    echo "VIRTUAL_ENV='$3'" > "$3/bin/activate";;
esac`,
  );
}
const log = (): string[] =>
  existsSync(join(folder, 'log'))
    ? readFileSync(join(folder, 'log'), 'utf8').trim().split('\n')
    : [];
const said: string[] = [];
const prepare = (
  at = join(folder, 'repository'),
  say = (line: string): void => void said.push(line),
) => {
  said.length = 0;
  return prepareJupyter(say, at);
};
const timesMade = () => log().filter((line) => line.startsWith('-m venv')).length;
const kernelIn = (jupyterRoot: string) => join(jupyterRoot, 'kernels', 'tslab', 'kernel.json');

// The fakes are shell scripts; Windows has none.
describe.skipIf(process.platform === 'win32')('setting up JupyterLab', () => {
  it('no Python at all: says so, and what to install', async () => {
    await expect(prepare()).rejects.toThrow(
      /needs Python 3\.9 or newer; there is no python3 or python on the PATH\. Install .* again/s,
    );
  });
  it('a Python that is too old: names the one it found', async () => {
    program('python3', 'echo "Python 3.8.10"');
    program('python', 'echo "Python 2.7.18" >&2');
    await expect(prepare()).rejects.toThrow(
      'needs Python 3.9 or newer; python3 is Python 3.8.10, python is Python 2.7.18.',
    );
    expect(findPython()).toMatchObject({
      found: ['python3 is Python 3.8.10', 'python is Python 2.7.18'],
    });
  });
  it('the second name is taken if the first is too old', () => {
    program('python3', 'echo "Python 3.8.10"');
    program('python', 'echo "Python 3.10.0"');
    expect(findPython().command).toEqual(['python']);
  });
  it('no venv module: names the package that brings it', async () => {
    program(
      'python3',
      'case "$*" in --version) echo "Python 3.11.2";; ' +
        '*) echo "ensurepip is not available" >&2; exit 1;; esac',
    );
    await expect(prepare()).rejects.toThrow(
      /no working venv module: ensurepip is not available\. .*: sudo apt install python3-venv/,
    );
  });
  it('no registry: says what pip said, and begins afresh the next time', async () => {
    python('echo "ERROR: No matching distribution found for jupyterlab==4.6.6" >&2; exit 1');
    await expect(prepare()).rejects.toThrow(
      /could not be installed: ERROR: No matching distribution.*Is the network/s,
    );
    python();
    expect(await prepare()).toMatchObject({ whose: 'this project' });
  });
  it('all well: an environment with our kernel, and nothing to do the second time', async () => {
    python();
    const first = await prepare();
    expect(said.join()).toMatch(/First time here.*1 packages installed/);
    expect(existsSync(kernelIn(join(folder, 'repository', '.venv', 'share', 'jupyter')))).toBe(
      true,
    );
    const asked = log().length;
    expect(await prepare()).toEqual(first);
    expect([log().length, said]).toEqual([asked, []]);
  });
  it('tools are started through Python: scripts fail where the path holds a $', async () => {
    python('echo "asked for $*"');
    const { tools } = await prepare();
    const interpreter = projectPython(join(folder, 'repository'));
    expect(tools.lab).toEqual([interpreter, '-m', 'jupyterlab']);
    expect(outputOf(interpreter, ['-m', 'jupyterlab'])).toBe('asked for -m jupyterlab');
  });
  it('the scripts of the environment hold the path where it ends up', async () => {
    python();
    await prepare();
    const venv = join(folder, 'repository', '.venv');
    expect(readFileSync(join(venv, 'bin', 'activate'), 'utf8')).toBe(`VIRTUAL_ENV='${venv}'\n`);
  });
  it('two at once: one makes it, the other waits, both have it', { timeout: 30_000 }, async () => {
    python('/bin/sleep 1', 'sleep 1');
    const [one, two] = await Promise.all([prepare(), prepare()]);
    expect(one).toEqual(two);
    expect(timesMade()).toBe(1);
    expect(said.join()).toMatch(/Another npm start sets up \.venv\/ .*waiting, 0 s/);
  });
  it('is never silent for more than 5 seconds', { timeout: 60_000 }, async () => {
    python('echo "Downloading jupyterlab"; /bin/sleep 6', 'sleep 6');
    const times = [performance.now()];
    const lines: string[] = [];
    await prepare(undefined, (line) => {
      lines.push(line);
      times.push(performance.now());
    });
    times.push(performance.now());
    const pauses = times.slice(1).map((time, i) => time - times[i]);
    expect(Math.max(...pauses)).toBeLessThan(5000);
    expect(lines.join('\n')).toMatch(/ 3 s: Downloading jupyterlab/);
  });
  it('the question about news is off, in our environment and in one of this machine', async () => {
    python();
    const { env } = await prepare();
    const settings = join(folder, 'repository', '.cache', 'jupyter');
    expect(env.JUPYTER_CONFIG_PATH?.split(':')[0]).toBe(settings);
    const config = readFileSync(join(settings, 'labconfig', 'page_config.json'), 'utf8');
    expect(JSON.parse(config)).toEqual({
      disabledExtensions: { '@jupyterlab/apputils-extension:announcements': true },
    });
  });
  it('made again: interrupted before, other requirements, a folder that was moved', async () => {
    python();
    const repository = join(folder, 'repository');
    mkdirSync(join(repository, '.venv', 'bin'), { recursive: true });
    writeFileSync(join(repository, '.venv', 'bin', 'python'), ''); // half an environment
    await prepare();
    expect(timesMade()).toBe(1);
    writeFileSync(join(repository, 'notebooks', 'requirements.txt'), 'jupyterlab==4.7.0\n');
    await prepare();
    expect(timesMade()).toBe(2);
    renameSync(repository, join(folder, 'moved'));
    await prepare(join(folder, 'moved'));
    expect(timesMade()).toBe(3);
  });
  it('where a new one cannot be made, the old one stays and is used', async () => {
    python('echo 4.6.6');
    await prepare();
    const requirements = join(folder, 'repository', 'notebooks', 'requirements.txt');
    writeFileSync(requirements, 'jupyterlab==4.7.0\n');
    python('echo "ERROR: no network" >&2; exit 1');
    expect(await prepare()).toMatchObject({ whose: 'this project' });
    expect(said.join()).toMatch(/ERROR: no network.*Using the JupyterLab 4\.6\.6 of this project/s);
  });
  it('where none can be made, a JupyterLab 4 of this machine is used', async () => {
    program('jupyter', 'echo 4.2.5');
    const { whose, tools } = await prepare();
    expect([whose, tools.lab]).toEqual(['this machine', ['jupyter', 'lab']]);
    expect(said.join()).toMatch(/needs Python 3\.9.*Using the JupyterLab 4\.2\.5 of this machine/s);
    expect(existsSync(kernelIn(join(folder, 'repository', '.cache', 'jupyter')))).toBe(true);
  });
  it('the tools of the book have an environment of their own, and ask for a newer Python', async () => {
    const repository = join(folder, 'repository');
    mkdirSync(join(repository, '.config', 'book'), { recursive: true });
    writeFileSync(join(repository, bookTools.requirements), 'sphinx==9.0.4\n');
    program('python3', 'echo "Python 3.9.2"');
    const make = () => prepareEnvironment(bookTools, (line) => void said.push(line), repository);
    await expect(make()).rejects.toThrow(
      /Sphinx.* needs Python 3\.11 or newer; python3 is Python 3\.9\.2\. .*run npm run html again/,
    );
    python('echo "ERROR: no network" >&2; exit 1');
    await expect(make()).rejects.toThrow(
      /Sphinx.* could not be installed: ERROR: no network\. .*Run npm run html again/,
    );
    python();
    expect(await make()).toBe(join(repository, '.cache', 'book', 'venv', 'bin', 'python'));
    expect(existsSync(join(repository, '.venv'))).toBe(false);
    expect(log().at(-1)).toMatch(/-m venv .*making-venv/);
  });
  it('… but not a JupyterLab 3', async () => {
    program('jupyter', 'echo 3.6.1');
    await expect(prepare()).rejects.toThrow(/needs Python/);
  });
});

describe('the kernel spec', () => {
  it('starts our kernel with this Node, by absolute paths, wherever the notebook lies', () => {
    const { argv } = kernelSpec();
    expect(argv).toEqual([
      process.execPath,
      join(root, 'src', 'support', 'notebook', 'kernel.cjs'),
      '{connection_file}',
    ]);
    expect(existsSync(argv[1])).toBe(true);
  });
});
