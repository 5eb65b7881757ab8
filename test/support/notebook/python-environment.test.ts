/** npm start's set-up with Pythons of every kind: fakes on a PATH of our own, so that nothing here installs anything. */
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
import {
  findPython,
  kernelSpec,
  prepareJupyter,
  root,
} from '../../../src/support/notebook/python-environment';

let folder: string;
const path = process.env.PATH;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cache once ')); // a blank in the path, as on many a desktop
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
/** A Python that logs what it is asked, makes an environment by hand, and has the pip that is given. */
function python(pip = 'echo "Collecting jupyterlab"'): void {
  program(
    'python3',
    `echo "$@" >> "${folder}/log"
case "$*" in
  --version) echo "Python 3.12.1";;
  "-m venv "*) mkdir -p "$3/bin"; printf '#!/bin/sh\\n${pip}\\n' > "$3/bin/python"; chmod +x "$3/bin/python"; cp "$3/bin/python" "$3/bin/jupyter";;
esac`,
  );
}
const log = (): string[] =>
  existsSync(join(folder, 'log'))
    ? readFileSync(join(folder, 'log'), 'utf8').trim().split('\n')
    : [];
const said: string[] = [];
const prepare = (at = join(folder, 'repository')) => {
  said.length = 0;
  return prepareJupyter((line) => said.push(line), at);
};

// The fakes are shell scripts; Windows has none.
describe.skipIf(process.platform === 'win32')('setting up JupyterLab', () => {
  it('no Python at all: says so, and what to install', async () => {
    await expect(prepare()).rejects.toThrow(
      /needs Python 3\.9 or newer; there is no python3 or python on the PATH\. Install one .* npm start again/s,
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
  it('takes the second name if the first is too old', () => {
    program('python3', 'echo "Python 3.8.10"');
    program('python', 'echo "Python 3.10.0"');
    expect(findPython().command).toEqual(['python']);
  });
  it('no venv module: names the package that brings it', async () => {
    program(
      'python3',
      'case "$*" in --version) echo "Python 3.11.2";; *) echo "ensurepip is not available" >&2; exit 1;; esac',
    );
    await expect(prepare()).rejects.toThrow(
      /no working venv module: ensurepip is not available\. On Debian or Ubuntu: sudo apt install python3-venv/,
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
  it('all well: an environment with our kernel in it, and nothing to do the second time', async () => {
    python();
    const first = await prepare();
    expect(said.join()).toMatch(/First time here.*1 packages installed/);
    expect(existsSync(join(first.kernelRoot, 'kernels', 'tslab', 'kernel.json'))).toBe(true);
    const asked = log().length;
    expect(await prepare()).toEqual(first);
    expect([log().length, said]).toEqual([asked, []]);
  });
  it('set-up that was interrupted, requirements that changed, a folder that was moved: made again', async () => {
    python();
    const repository = join(folder, 'repository');
    const made = () => log().filter((line) => line.startsWith('-m venv')).length;
    mkdirSync(join(repository, '.venv', 'bin'), { recursive: true });
    writeFileSync(join(repository, '.venv', 'bin', 'jupyter'), ''); // half an environment
    await prepare();
    expect(made()).toBe(1);
    writeFileSync(join(repository, 'notebooks', 'requirements.txt'), 'jupyterlab==4.7.0\n');
    await prepare();
    expect(made()).toBe(2);
    renameSync(repository, join(folder, 'moved'));
    await prepare(join(folder, 'moved'));
    expect(made()).toBe(3);
  });
  it('where none can be made, a JupyterLab 4 of this machine is used, and told why', async () => {
    program('jupyter', 'echo 4.2.5');
    expect(await prepare()).toMatchObject({ program: 'jupyter', whose: 'this machine' });
    expect(said.join()).toMatch(
      /needs Python 3\.9.*Using the JupyterLab 4\.2\.5 that is installed/s,
    );
    expect(
      existsSync(
        join(folder, 'repository', '.cache', 'jupyter', 'kernels', 'tslab', 'kernel.json'),
      ),
    ).toBe(true);
  });
  it('… but not a JupyterLab 3', async () => {
    program('jupyter', 'echo 3.6.1');
    await expect(prepare()).rejects.toThrow(/needs Python/);
  });
});

describe('the kernel spec', () => {
  it('starts our kernel with this Node, by absolute paths, wherever the notebook lies', () => {
    const { argv } = kernelSpec() as { argv: string[] };
    expect(argv).toEqual([
      process.execPath,
      join(root, 'src', 'support', 'notebook', 'kernel.cjs'),
      '{connection_file}',
    ]);
    expect(existsSync(argv[1])).toBe(true);
  });
});
