/** What README and docs promise exists: links, commands, options. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readNotebook, sourceOf } from '../../src/cli/notebook-file';
import { root } from '../../src/cli/python-environment';

const under = (folder: string, ending: string): string[] =>
  existsSync(join(root, folder))
    ? readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith(ending) && !name.includes('.ipynb_checkpoints'))
        .map((name) => join(folder, name))
    : [];
const pages = ['README.md', ...under('docs', '.md'), ...under('test', '.md')].map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
const notebooks = under('notebooks', '.ipynb').map((path) => ({
  path,
  text: readNotebook(join(root, path))
    .cells.filter(({ cell_type }) => cell_type === 'markdown')
    .map(sourceOf)
    .join('\n'),
}));
const scripts = Object.keys((JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object }).scripts);

describe.each([...pages, ...notebooks])('$path', ({ path, text }) => {
  it('links to files that are there', () => {
    const links = [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map((match) => match[1]!);
    expect(links.filter((link) => !existsSync(join(root, dirname(path), decodeURIComponent(link))))).toEqual([]);
  });
  it('names commands that are there', () => {
    const named = [...text.matchAll(/npm run ([a-z:]+)/g)].map((match) => match[1]!);
    expect(named.filter((name) => !scripts.includes(name))).toEqual([]);
  });
});

const run = (script: string, ...args: string[]) =>
  spawnSync(process.execPath, ['--import', 'tsx', join(root, 'src', 'cli', `${script}.ts`), ...args], {
    cwd: root,
    encoding: 'utf8',
    timeout: 60_000,
  });
describe('the commands', { timeout: 60_000 }, () => {
  it.each(['train', 'bench', 'walkthrough'])('npm run %s -- --help explains itself, and an unknown option is refused by name', (script) => {
    const help = run(script, '--help');
    expect([help.status, help.stdout]).toEqual([0, expect.stringMatching(/^Usage: .*Options:/s)]);
    const wrong = run(script, '--nonsense');
    expect([wrong.status === 0, wrong.stderr]).toEqual([false, expect.stringContaining("unknown option '--nonsense'")]);
  });
  it.each([
    ['train', ['--model', 'mamba'], /yoco.*transformer/s],
    ['train', ['--steps', 'many'], /steps.*many/s],
    ['bench', ['--only', 'speed'], /--only speed: no such table; there are matmul/],
    ['walkthrough', ['--only', '99'], /No notebook begins with 99; there are 00-start-here/],
    ['walkthrough', ['--timeout', 'soon'], /--timeout is soon; give a number of seconds/],
  ])('%s %j names what is allowed, in a line or two and without a stack', (script, args, word) => {
    const { status, stderr } = run(script, ...args);
    expect(status).not.toBe(0);
    expect(stderr).toMatch(word);
    expect(stderr).not.toMatch(/\n\s+at /);
  });
  it('doctor tells of Node, Python, JupyterLab, tslab and every engine', () => {
    const { status, stdout } = run('doctor');
    expect(status).toBe(0);
    for (const line of [/^node +v\d/m, /^python +/m, /^jupyterlab +/m, /^tslab +/m]) expect(stdout).toMatch(line);
    for (const engine of ['gpu', 'native', 'webgpu', 'wasm', 'cpu'])
      expect(stdout).toMatch(new RegExp(`^  ${engine} +(works|does not work): .+`, 'm'));
  });
});
