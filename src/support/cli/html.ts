/**
 * `npm run html`: the notebooks as pages that need no kernel, no script and no network.
 *
 * nbconvert, which comes with JupyterLab, makes the HTML. Before it, formulas become MathML (temml)
 * and links lead to the other pages; after it, the scripts are removed. The figures are the still
 * pictures that the notebooks hold.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, posix, relative, resolve, sep } from 'node:path';
import { Command } from 'commander';
import { type Notebook, readNotebook, sourceOf } from '../notebook/notebook-file';
import { type Jupyter, prepareJupyter, root } from '../notebook/python-environment';
import { outputOf, runQuietly } from '../notebook/run-command';
import { escaped } from '../notebook/show';
import {
  htmlName,
  readyForPage,
  relinkFor,
  type ToMathML,
  withoutScripts,
} from '../notebook/static-page';

interface Options {
  out: string;
  only?: string;
  repository?: string;
}
const folders = ['.', 'exercises', 'solutions', 'assignments', 'solutions/assignments'];

/** @throws Error if temml is not installed. */
export function mathConverter(): ToMathML {
  const require = createRequire(__filename);
  try {
    const temml = require('temml') as { renderToString(tex: string, options: object): string };
    return (tex, displayMode) => temml.renderToString(tex, { displayMode, throwOnError: true });
  } catch {
    throw new Error(
      'The formulas of the pages need the package temml, which is not installed. ' +
        'Run npm ci, then npm run html again.',
    );
  }
}

/** Notebooks below notebooks/, such as `exercises/04-….ipynb`, whose names begin with `prefix`. */
export function notebooksBelow(at: string, prefix = ''): string[] {
  const found: string[] = [];
  for (const folder of folders) {
    if (!existsSync(join(at, folder))) continue;
    for (const name of readdirSync(join(at, folder)).sort()) {
      const isWanted = name.endsWith('.ipynb') && name.startsWith(prefix);
      if (isWanted) found.push(posix.join(folder, name));
    }
  }
  return found;
}

const STYLE = `
body { font: 18px/1.6 system-ui, sans-serif; max-width: 46em; margin: 3em auto; padding: 0 1em }
ul { list-style: none; padding: 0 }
li { margin: 0.3em 0 }
`;

/** The front page: a lesson a line, its exercises and solutions beside it. */
export function frontPage(titles: ReadonlyMap<string, string>): string {
  const lines: string[] = [];
  for (const [page, title] of titles) {
    const isAssignment = posix.dirname(page) === 'assignments';
    // Exercises and solutions stand beside what they belong to.
    if (page.includes('/') && !isAssignment) continue;
    const links = [`<a href="${encodeURI(htmlName(page))}">${escaped(title)}</a>`];
    for (const folder of isAssignment ? ['solutions'] : ['exercises', 'solutions']) {
      const other = posix.join(folder, page);
      if (titles.has(other)) links.push(`<a href="${encodeURI(htmlName(other))}">${folder}</a>`);
    }
    lines.push(`<li>${links.join(' · ')}</li>`);
  }
  return `<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>cache-once</title>
<style>${STYLE}</style></head><body><h1>cache-once</h1>
<p>An executable textbook of YOCO, the language model that keeps one cache.</p>
<ul>
${lines.join('\n')}
</ul></body></html>
`;
}

function readOptions(): Options {
  const program = new Command('html')
    .description(
      'Writes the notebooks as web pages with their outputs: no kernel, no script, no network.',
    )
    .option('--out <folder>', 'where the pages go', join(root, '.cache', 'html'))
    .option('--only <prefix>', 'only notebooks whose name begins with this, for example 04')
    .option(
      '--repository <url>',
      'address of the repository’s files, for links to code (default: those on this machine)',
    );
  return program.parse().opts<Options>();
}

async function main(): Promise<void> {
  const options = readOptions();
  const toMathML = mathConverter();
  const home = join(root, 'notebooks');
  const all = notebooksBelow(home);
  const pages = notebooksBelow(home, options.only);
  if (pages.length === 0) {
    throw new RangeError(`No notebook begins with ${options.only}; there are ${all.join(', ')}.`);
  }
  const jupyter = await prepareJupyter((line) => console.log(line));
  checkConverter(jupyter);

  const out = resolve(options.out);
  const repository = options.repository ?? relative(out, root).split(sep).join('/');
  const titles = new Map<string, string>();
  const draft = mkdtempSync(join(tmpdir(), 'cache-once-html-'));
  try {
    for (const page of pages) {
      const notebook = readNotebook(join(home, page));
      titles.set(page, titleOf(notebook) ?? page);
      const relink = relinkFor(page, new Set(all), repository);
      let ready: Notebook;
      try {
        ready = readyForPage(notebook, toMathML, relink);
      } catch (error) {
        throw new Error(`notebooks/${page}: ${(error as Error).message}`);
      }
      mkdirSync(join(draft, dirname(page)), { recursive: true });
      writeFileSync(join(draft, page), JSON.stringify(ready));
    }
    for (const folder of folders) {
      const here = pages.filter((page) => posix.dirname(page) === folder);
      if (here.length > 0) await convert(jupyter, here, draft, join(out, folder));
    }
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  if (!options.only) writeFileSync(join(out, 'index.html'), frontPage(titles));
  console.log(`\nOpen ${join(out, options.only ? htmlName(pages[0]) : 'index.html')}`);
}

/** The first heading of a notebook. */
function titleOf({ cells }: Notebook): string | undefined {
  const text = cells.map(sourceOf).join('\n');
  return text.match(/^# (.+)$/m)?.[1];
}

function checkConverter({ tools, whose }: Jupyter): void {
  const [program, ...args] = tools.nbconvert;
  if (outputOf(program, [...args, '--version'])) return;
  throw new Error(
    `nbconvert makes the pages, and the JupyterLab of ${whose} has none. It belongs to every ` +
      'JupyterLab: delete .venv/ and run npm start to set it up again, or pip install nbconvert.',
  );
}

/** Converts the notebooks of one folder into pages without scripts. */
async function convert(
  { tools }: Jupyter,
  notebooks: string[],
  draft: string,
  target: string,
): Promise<void> {
  const place = relative(process.cwd(), target) || '.';
  console.log(`… ${notebooks.length} pages for ${place}, about a second each`);
  mkdirSync(target, { recursive: true });
  const [program, ...args] = tools.nbconvert;
  const drafts = notebooks.map((page) => join(draft, page));
  const nbconvert = [...args, '--to', 'html', '--output-dir', target, ...drafts];
  const { code, lines } = await runQuietly(program, nbconvert);
  if (code !== 0) throw new Error(`nbconvert failed:\n${lines.slice(-5).join('\n')}`);
  for (const page of notebooks) {
    const file = join(target, htmlName(posix.basename(page)));
    writeFileSync(file, withoutScripts(readFileSync(file, 'utf8')));
  }
  console.log(`✓ ${notebooks.length} pages in ${place}`);
}

if (require.main === module) {
  main().catch((error: Error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
