/** What README and docs promise exists: links, commands, options. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readNotebook, sourceOf } from '../../src/support/notebook/notebook-file';
import { root } from '../../src/support/notebook/python-environment';

const under = (folder: string, ending: string): string[] =>
  existsSync(join(root, folder))
    ? readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith(ending) && !name.includes('.ipynb_checkpoints'))
        .map((name) => join(folder, name))
    : [];
const pages = ['README.md', ...under('docs', '.md'), ...under('test', '.md')].map((path) => ({
  path,
  text: readFileSync(join(root, path), 'utf8'),
}));
const notebooks = under('notebooks', '.ipynb').map((path) => ({
  path,
  text: readNotebook(join(root, path))
    .cells.filter(({ cell_type }) => cell_type === 'markdown')
    .map(sourceOf)
    .join('\n'),
}));
const scripts = Object.keys(
  (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object }).scripts,
);

/** GitHub's rule for a heading's address: small letters, marks dropped, blanks to hyphens. */
const anchorsOf = (markdown: string): string[] =>
  [...markdown.replace(/```[\s\S]*?```/g, '').matchAll(/^#+ +(.+)$/gm)].map((match) =>
    match[1]
      .toLowerCase()
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replace(/ /g, '-'),
  );
const optionsOf = new Map<string, string>();
/** What `npm run SCRIPT -- --help` prints, asked once. */
const helpOf = (script: string): string => {
  const found = optionsOf.get(script) ?? run(script.replace(':', '-'), '--help').stdout;
  optionsOf.set(script, found);
  return found;
};

describe.each([...pages, ...notebooks])('$path', ({ path, text }) => {
  it('links to files that are there', () => {
    const links = [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map(
      (match) => match[1],
    );
    expect(
      links.filter((link) => !existsSync(join(root, dirname(path), decodeURIComponent(link)))),
    ).toEqual([]);
  });
  it('links to sections that are there', () => {
    const links = [...text.matchAll(/\]\(([^)#\s:]*\.md|)#([^)\s]+)\)/g)];
    const dead = links.filter(([, file, anchor]) => {
      const there = file ? readFileSync(join(root, dirname(path), file), 'utf8') : text;
      return !anchorsOf(there).includes(decodeURIComponent(anchor));
    });
    expect(dead.map(([link]) => link)).toEqual([]);
  });
  it('names commands that are there, with options that they have', { timeout: 60_000 }, () => {
    const named = [...text.matchAll(/npm run ([a-z:]+)((?: -- | --?[a-z][a-z-]*| [\w./"…-]+)*)/g)];
    expect(named.map((match) => match[1]).filter((name) => !scripts.includes(name))).toEqual([]);
    const unknown = named.flatMap(([, script, rest]) =>
      [...(rest ?? '').matchAll(/ (--[a-z][a-z-]+)/g)]
        .map((match) => match[1])
        .filter((option) => option !== '--help' && !helpOf(script).includes(option)),
    );
    expect(unknown).toEqual([]);
  });
});

const run = (script: string, ...args: string[]) =>
  spawnSync(
    process.execPath,
    ['--import', 'tsx', join(root, 'src', 'support', 'cli', `${script}.ts`), ...args],
    {
      cwd: root,
      encoding: 'utf8',
      timeout: 60_000,
    },
  );
describe('the commands', { timeout: 60_000 }, () => {
  it.each(['train', 'study', 'grade', 'bench', 'walkthrough', 'html'])(
    'npm run %s -- --help explains itself, and an unknown option is refused by name',
    (script) => {
      const help = run(script, '--help');
      expect([help.status, help.stdout]).toEqual([0, expect.stringMatching(/^Usage: .*Options:/s)]);
      const wrong = run(script, '--nonsense');
      expect([wrong.status === 0, wrong.stderr]).toEqual([
        false,
        expect.stringContaining("unknown option '--nonsense'"),
      ]);
    },
  );
  it.each([
    ['train', ['--model', 'mamba'], /yoco.*transformer/s],
    ['train', ['--steps', 'many'], /steps.*many/s],
    ['study', ['horoscope'], /horoscope.*recall.*needle/s],
    [
      'study',
      ['recall', '--kinds', 'mamba'],
      /mamba is no kind of this study; there are Transformer/,
    ],
    ['html', ['--only', '99'], /No notebook begins with 99; there are 00-start-here/],
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
    for (const line of [/^node +v\d/m, /^python +/m, /^jupyterlab +/m, /^tslab +/m])
      expect(stdout).toMatch(line);
    for (const engine of ['gpu', 'native', 'webgpu', 'wasm', 'cpu'])
      expect(stdout).toMatch(new RegExp(`^  ${engine} +(works|does not work): .+`, 'm'));
  });
});
