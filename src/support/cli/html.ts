/**
 * `npm run html`: the course and its documents as a book of web pages, to be read anywhere: from a
 * folder, without a network, without scripts.
 *
 * Sphinx makes the pages, with MyST-NB for the notebooks, in a Python environment of its own.
 * Before it, links and figures are prepared (book-source.ts); beside it, TypeDoc writes the API
 * pages; after it, every link of the book is followed.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { Command } from 'commander';
import { deadLinks, filesBelow, foreignRequests, pagesOf } from '../notebook/book-checks';
import { bookSource, type Files } from '../notebook/book-source';
import {
  type Environment,
  prepareEnvironment,
  root,
  runReporting,
} from '../notebook/python-environment';
import { runQuietly } from '../notebook/run-command';

interface Options {
  out: string;
  student: boolean;
  api: boolean;
  repository?: string;
}

/** Sphinx and its theme. Their releases of today need a newer Python than JupyterLab does. */
export const bookTools: Environment = {
  what: 'Sphinx, which makes the pages,',
  command: 'npm run html',
  folder: '.cache/book/venv',
  workplace: '.cache/book/making-venv',
  requirements: '.config/book/requirements.txt',
  oldestPython: { major: 3, minor: 11 },
};

const PLACE = join(root, '.cache', 'html');

function readOptions(): Options {
  const program = new Command('html')
    .description('Writes the course and its documents as a book of web pages.')
    .option('--out <folder>', 'where the book goes', PLACE)
    .option('--student', 'without solutions and what is written for teachers', false)
    .option('--no-api', 'without the API pages, which take longest')
    .option(
      '--repository <url>',
      'address of the repository’s files, for links to code (default: pages of the book)',
    );
  return program.parse().opts<Options>();
}

/** A file of a package in node_modules. @throws Error if the package is not installed. */
function fileOf(name: string, path: string): string {
  try {
    return join(dirname(createRequire(__filename).resolve(`${name}/package.json`)), path);
  } catch {
    throw new Error(
      `The book needs the package ${name}, which is not installed. ` +
        'Run npm ci, then npm run html again.',
    );
  }
}

/** What the pages need beside themselves: formulas' styles and fonts, and Plotly. */
function copyAssets(to: string): void {
  const math = join(to, 'math');
  mkdirSync(math, { recursive: true });
  cpSync(fileOf('temml', 'dist/Temml-STIX2.css'), join(math, 'math.css'));
  const font = 'files/stix-two-math-latin-400-normal.woff2';
  cpSync(fileOf('@fontsource/stix-two-math', font), join(math, 'STIXTwoMath.woff2'));
  const plotly = fileOf('plotly.js-cartesian-dist-min', 'plotly-cartesian.min.js');
  cpSync(plotly, join(to, 'plotly.js'));
}

function writeAll(files: Files, folder: string): void {
  for (const [path, contents] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), contents);
  }
}

/** A book may replace a book, and nothing else. */
function checkPlace(out: string): void {
  if (out === PLACE || !existsSync(out) || readdirSync(out).length === 0) return;
  if (existsSync(join(out, '.buildinfo')) && existsSync(join(out, 'searchindex.js'))) return;
  throw new RangeError(
    `${out} holds files that are no book of this command, and would be lost. ` +
      'Name an empty folder or a new one: npm run html -- --out FOLDER.',
  );
}

/** @throws Error with the warnings and errors among the lines, if the program failed. */
function checkEnd({ code, lines }: { code: number; lines: string[] }): void {
  if (code === 0) return;
  const wrong = lines.filter((line) => /warning|error/i.test(line));
  const shown = wrong.length > 0 ? wrong.slice(0, 20) : lines.slice(-5);
  throw new Error(`The pages could not be made:\n${shown.join('\n')}`);
}

async function main(): Promise<void> {
  const { student, api, repository, ...options } = readOptions();
  const out = resolve(options.out);
  checkPlace(out);
  const started = performance.now();
  const say = (line: string): void => console.log(line);
  const files = bookSource(root, { student, repository });
  const python = await prepareEnvironment(bookTools, say);

  const workplace = join(root, '.cache', 'book');
  const draft = mkdtempSync(join(workplace, 'draft-'));
  try {
    const [source, pages] = [join(draft, 'source'), join(draft, 'pages')];
    writeAll(files.source, source);
    writeAll(files.beside, pages);
    copyAssets(join(draft, 'assets'));
    console.log(`… Sphinx: ${files.source.size} files${api ? '; TypeDoc: the API pages' : ''}`);
    const sphinx = runReporting(
      say,
      python,
      ['-m', 'sphinx', ...SPHINX_OPTIONS, '-d', join(draft, 'trees'), source, pages],
      {
        ...process.env,
        CACHE_ONCE_NODE: process.execPath,
        CACHE_ONCE_ASSETS: join(draft, 'assets'),
        CACHE_ONCE_API: api ? '1' : '0',
        CACHE_ONCE_REPOSITORY: repository ?? '',
        NO_COLOR: '1',
        PYTHONDONTWRITEBYTECODE: '1',
      },
    );
    const to = join(pages, 'api');
    const typedoc = api
      ? runQuietly(process.execPath, [fileOf('typedoc', 'bin/typedoc'), ...typeDocOptions(to)])
      : { code: 0, lines: [] };
    for (const end of await Promise.all([sphinx, typedoc])) checkEnd(end);
    if (api) linkBack(to, join(pages, 'index.html'));

    refuse('Links that lead nowhere', deadLinks(pages));
    refuse('What would be fetched from another host', foreignRequests(pages));
    replace(out, pages);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  const count = pagesOf(out).length;
  console.log(`✓ ${count} pages in ${relative(process.cwd(), out) || '.'}, ${seconds} s`);
  console.log(`\nOpen ${join(out, 'index.html')}`);
}

/** Stands for the book's first page until it is known how deep a page of the API lies. */
const BOOK = 'https://book.invalid/';
function linkBack(api: string, front: string): void {
  for (const page of filesBelow(api, '.html')) {
    const address = relative(dirname(page), front).split(sep).join('/');
    writeFileSync(page, readFileSync(page, 'utf8').replaceAll(BOOK, address));
  }
}

const typeDocOptions = (to: string): string[] => {
  const link = ['--titleLink', BOOK];
  return ['--out', to, '--logLevel', 'Warn', ...link];
};

/** Every warning is an error. */
const SPHINX_OPTIONS = ['-W', '--keep-going', '-c', join(root, '.config', 'book')];

function refuse(what: string, found: string[]): void {
  if (found.length > 0) throw new Error(`${what}:\n${found.slice(0, 20).join('\n')}`);
}

/** Moves the new book to its place. */
function replace(out: string, pages: string): void {
  mkdirSync(dirname(out), { recursive: true });
  rmSync(out, { recursive: true, force: true });
  try {
    renameSync(pages, out);
  } catch {
    cpSync(pages, out, { recursive: true }); // another disk
  }
}

if (require.main === module) {
  main().catch((error: Error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
