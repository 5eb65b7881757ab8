/** What README, docs and lessons promise exists: links, sections, commands, options, paths. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readNotebook, sourceOf } from '../../src/support/notebook/notebook-file';
import { root } from '../../src/support/notebook/python-environment';

interface Page {
  path: string;
  text: string; // Markdown
}

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const exists = (path: string): boolean => existsSync(join(root, path));
/** Paths of the files below a folder, from the root. */
const under = (folder: string, ending = ''): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending) && !name.includes('.ipynb_checkpoints'))
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`);

const pages: Page[] = [];
for (const path of ['README.md', ...['docs', 'src', 'test'].flatMap((f) => under(f, '.md'))]) {
  pages.push({ path, text: read(path) });
}
for (const path of under('notebooks', '.ipynb')) {
  const { cells } = readNotebook(join(root, path));
  const markdown = cells.filter(({ cell_type }) => cell_type === 'markdown');
  pages.push({ path, text: markdown.map(sourceOf).join('\n\n') });
}

const linkedFile = /\]\((?!https?:|#|mailto:)([^)#\s]+)/g;
function deadLinks({ path, text }: Page): string[] {
  const links = [...text.matchAll(linkedFile)].map(([, link]) => link);
  return links.filter((link) => !exists(join(dirname(path), decodeURIComponent(link))));
}

/** GitHub's rule for a heading's address: lower case, punctuation dropped, blanks to hyphens. */
function anchorsOf(markdown: string): string[] {
  const headings = withoutBlocks(markdown).matchAll(/^#+ +(.+)$/gm);
  return [...headings].map(([, heading]) =>
    heading
      .toLowerCase()
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replace(/ /g, '-'),
  );
}
const withoutBlocks = (markdown: string): string => markdown.replace(/```[\s\S]*?```/g, '');

function deadSections({ path, text }: Page): string[] {
  const dead: string[] = [];
  for (const [link, file, anchor] of text.matchAll(/\]\(([^)#\s:]*\.md|)#([^)\s]+)\)/g)) {
    const target = file ? read(join(dirname(path), file)) : text;
    if (!anchorsOf(target).includes(decodeURIComponent(anchor))) dead.push(link);
  }
  return dead;
}

/** "[04](04-….ipynb), sections 2 and 4" and "[section 3](…)": sections that the lesson lacks. */
function missingLessonSections({ path, text }: Page): string[] {
  const cited: { file: string; numbers: string }[] = [];
  for (const [, file, numbers] of text.matchAll(/\]\(([^)]+\.ipynb)\), sections? ([\d, toand]+)/g))
    cited.push({ file, numbers });
  for (const [, numbers, file] of text.matchAll(/\[sections? ([^\]]+)\]\(([^)]+\.ipynb)\)/g))
    cited.push({ file, numbers });

  const missing: string[] = [];
  for (const { file, numbers } of cited) {
    const lesson = pages.find((page) => page.path === posix.join(dirname(path), file));
    for (const number of numbers.match(/\d+/g) ?? []) {
      if (!lesson?.text.includes(`\n## ${number} `)) missing.push(`${file}, section ${number}`);
    }
  }
  return missing;
}

const scripts = Object.keys((JSON.parse(read('package.json')) as { scripts: object }).scripts);
const command = /npm run ([a-z:]+)([^`\n&]*)/g;
/** Scripts that package.json does not have, and options that `--help` does not name. */
function unknownCommands({ text }: Page): string[] {
  const unknown: string[] = [];
  for (const [, script, rest] of text.matchAll(command)) {
    if (!scripts.includes(script)) unknown.push(script);
    for (const [, option] of rest.matchAll(/ (--[a-z][a-z-]+)/g)) {
      if (option !== '--help' && !helpOf(script).includes(option))
        unknown.push(`${script} ${option}`);
    }
  }
  return unknown;
}

const files = [...under('src'), ...under('test')];
/**
 * Paths in backticks that are not there: `src/models`, `src/costs/…`, `test/helpers.ts`; without
 * an ending, as an import has them; and the end of a path, `wasm/slice.ts`, in whatever folder.
 * In a table with a heading such as "old name", the first column is history.
 */
function missingPaths({ text }: Page): string[] {
  const missing: string[] = [];
  let isHistory = false;
  for (const line of withoutBlocks(text).split('\n')) {
    isHistory = /^\| old /.test(line) || (isHistory && line.startsWith('|'));
    const current = isHistory ? line.split('|').slice(2).join('|') : line;
    for (const [, code] of current.matchAll(/`([^`]+)`/g)) {
      missing.push(...code.split(/\s+/).filter((word) => isPath(word) && !pathExists(word)));
    }
  }
  return missing;
}
const isPath = (word: string): boolean =>
  !word.includes('NN-name') && (/^(src|test)\//.test(word) || /^[\w./-]+\.(ts|cjs)$/.test(word));
function pathExists(path: string): boolean {
  if (!/^(src|test)\//.test(path)) return files.some((file) => `/${file}`.endsWith(`/${path}`));
  const folderOrFile = path.replace(/\/?…$/, '');
  return ['', '.ts', '.cjs'].some((ending) => exists(folderOrFile + ending));
}

describe.each(pages)('$path', (page) => {
  it('links to files that exist', () => expect(deadLinks(page)).toEqual([]));
  it('links to sections that exist', () => expect(deadSections(page)).toEqual([]));
  it('cites sections that the lesson has', () => expect(missingLessonSections(page)).toEqual([]));
  it('names commands that exist, with options that they have', { timeout: 60_000 }, () =>
    expect(unknownCommands(page)).toEqual([]),
  );
  it('names paths in src and test that exist', () => expect(missingPaths(page)).toEqual([]));
});

describe('negative controls: what does not exist is named', () => {
  const made = (text: string): Page => ({ path: 'docs/made.md', text });
  it('files', () => {
    const text = '[a](map.md) [b](mop.md) [c](../src/gone.ts#x) [d](https://example.org/e.md)';
    expect(deadLinks(made(text))).toEqual(['mop.md', '../src/gone.ts']);
  });
  it('sections', () => {
    const text =
      '## A `b`, c\n\n```\n# No heading\n```\n[1](#a-b-c) [2](#no-heading) [3](map.md#x)';
    expect(deadSections(made(text))).toEqual(['](#no-heading)', '](map.md#x)']);
  });
  it('sections of lessons', () => {
    const lesson = '(../notebooks/04-retention-in-three-forms.ipynb)';
    const text = `[04]${lesson}, sections 2, 7 to 19; [04]${lesson}, section 8; [section 21]${lesson}`;
    expect(missingLessonSections(made(text))).toEqual([
      '../notebooks/04-retention-in-three-forms.ipynb, section 19',
      '../notebooks/04-retention-in-three-forms.ipynb, section 21',
    ]);
  });
  it('commands and options', { timeout: 60_000 }, () => {
    const text = '`npm run bench -- --only matmul`, `npm run bunch`, `npm run html -- --fast`';
    expect(unknownCommands(made(text))).toEqual(['bunch', 'html --fast']);
  });
  it('paths', () => {
    const lines = [
      '`src/models/yoco.ts`, `src/models/yaco.ts`, `src/costs/…`, `src/coasts/…`',
      '`npx vitest run test/golden test/silver`, `src/tensor/random`, `src/tensor/rundom`',
      '`models/yoco.ts`, `transformers/yoco.ts`, `oco.ts`, `NN-name.ts`, `config.json`',
      '',
      '| old module | new module |',
      '| --- | --- |',
      '| `src/blocks/linear.ts` | `src/layers/linear.ts`, `src/layers/bilinear.ts` |',
    ];
    expect(missingPaths(made(lines.join('\n')))).toEqual([
      ...['src/models/yaco.ts', 'src/coasts/…', 'test/silver', 'src/tensor/rundom'],
      ...['transformers/yoco.ts', 'oco.ts', 'src/layers/bilinear.ts'],
    ]);
  });
});

const run = (script: string, ...args: string[]) =>
  spawnSync(
    process.execPath,
    ['--import', 'tsx', join(root, 'src', 'support', 'cli', `${script}.ts`), ...args],
    { cwd: root, encoding: 'utf8', timeout: 60_000 },
  );
const helpTexts = new Map<string, string>();
/** What `npm run SCRIPT -- --help` prints; each is asked once. */
function helpOf(script: string): string {
  let text = helpTexts.get(script);
  if (text === undefined) {
    text = run(script.replace(':', '-'), '--help').stdout;
    helpTexts.set(script, text);
  }
  return text;
}

describe('the commands', { timeout: 60_000 }, () => {
  it.each(['train', 'study', 'grade', 'bench', 'walkthrough', 'html'])(
    'npm run %s -- --help explains itself, and an unknown option is refused by name',
    (script) => {
      const help = run(script, '--help');
      expect([help.status, help.stdout]).toEqual([0, expect.stringMatching(/^Usage: .*Options:/s)]);
      const wrong = run(script, '--nonsense');
      expect(wrong.status).not.toBe(0);
      expect(wrong.stderr).toContain("unknown option '--nonsense'");
    },
  );
  it.each([
    ['train', ['--model', 'mamba'], /yoco.*transformer/s],
    ['train', ['--steps', 'many'], /steps.*many/s],
    ['study', ['horoscope'], /horoscope.*recall.*needle/s],
    ['study', ['recall', '--kinds', 'mamba'], /mamba is .*; there are Transformer/],
    ['html', ['--out', 'docs'], /docs holds files that are no book .*Name an empty folder/],
    ['bench', ['--only', 'speed'], /--only speed: no such table; there are matmul/],
    ['walkthrough', ['--only', '99'], /No notebook begins with 99; there are 00-start-here/],
    ['walkthrough', ['--timeout', 'soon'], /--timeout is soon; give a number of seconds/],
  ])('%s %j says what is allowed, in a line or two without a stack', (script, args, words) => {
    const { status, stderr } = run(script, ...args);
    expect(status).not.toBe(0);
    expect(stderr).toMatch(words);
    expect(stderr).not.toMatch(/\n\s+at /);
  });
  it('doctor reports Node, Python, JupyterLab, tslab and every engine', () => {
    const { status, stdout } = run('doctor');
    expect(status).toBe(0);
    for (const line of [/^node +v\d/m, /^python +/m, /^jupyterlab +/m, /^tslab +/m])
      expect(stdout).toMatch(line);
    for (const engine of ['gpu', 'native', 'webgpu', 'wasm', 'cpu'])
      expect(stdout).toMatch(new RegExp(`^  ${engine} +(works|does not work): .+`, 'm'));
  });
});
