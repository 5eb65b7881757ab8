/**
 * npm run html: the notebooks as pages that need no kernel, no script and no network.
 *
 * nbconvert, which comes with JupyterLab, makes the HTML; before it, formulas become MathML (temml) and links are led to
 * the other pages; after it, the scripts go. The figures are the still pictures that the notebooks carry.
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
import { readNotebook, sourceOf } from '../notebook/notebook-file';
import { prepareJupyter, root } from '../notebook/python-environment';
import { outputOf, runQuietly } from '../notebook/run-command';
import { readyForPage, relinkFor, type ToMathML, withoutScripts } from '../notebook/static-page';

interface Options {
  out: string;
  only?: string;
  repository?: string;
}
const folders = ['.', 'exercises', 'solutions'];

/** @throws Error if temml is not installed. */
export function mathConverter(): ToMathML {
  const require = createRequire(__filename);
  try {
    const temml = require('temml') as { renderToString(tex: string, options: object): string };
    return (tex, displayMode) => temml.renderToString(tex, { displayMode, throwOnError: true });
  } catch {
    throw new Error(
      'The formulas of the pages need the package temml, which is not installed. Run npm ci, then npm run html again.',
    );
  }
}

/** Notebooks below notebooks/, such as `exercises/04-….ipynb`, whose names begin with `prefix`. */
export const notebooksBelow = (at: string, prefix = ''): string[] =>
  folders.flatMap((folder) =>
    existsSync(join(at, folder))
      ? readdirSync(join(at, folder))
          .filter((name) => name.endsWith('.ipynb') && name.startsWith(prefix))
          .sort()
          .map((name) => posix.join(folder, name))
      : [],
  );

const escaped = (text: string): string =>
  text.replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c]!);

/** The front page: a lesson a line, its exercises and solutions beside it. */
export function frontPage(titles: ReadonlyMap<string, string>): string {
  const lines = [...titles].map(([page, title]) => {
    const beside = folders.slice(1).flatMap((folder) => {
      const other = posix.join(folder, page);
      return titles.has(other)
        ? [`<a href="${encodeURI(other.replace(/ipynb$/, 'html'))}">${folder}</a>`]
        : [];
    });
    const first = `<a href="${encodeURI(page.replace(/ipynb$/, 'html'))}">${escaped(title)}</a>`;
    return page.includes('/') ? '' : `<li>${[first, ...beside].join(' · ')}</li>`;
  });
  const style =
    'body { font: 18px/1.6 system-ui, sans-serif; max-width: 46em; margin: 3em auto; padding: 0 1em } li { margin: 0.3em 0 }';
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>cache-once</title>
<style>${style}</style></head><body><h1>cache-once</h1><p>An executable textbook of YOCO, the language model that keeps one cache.</p>
<ul style="list-style:none;padding:0">
${lines.filter(Boolean).join('\n')}
</ul></body></html>
`;
}

async function main(): Promise<void> {
  const options = new Command('html')
    .description(
      'Writes the notebooks as web pages with their outputs: no kernel, no script, no network.',
    )
    .option('--out <folder>', 'where the pages go', join(root, '.cache', 'html'))
    .option('--only <prefix>', 'only notebooks whose name begins with this, for example 04')
    .option(
      '--repository <url>',
      'address of the repository’s files, for links to code; default: the files on this machine',
    )
    .parse()
    .opts<Options>();
  const toMathML = mathConverter();
  const home = join(root, 'notebooks');
  const pages = notebooksBelow(home, options.only);
  if (pages.length === 0)
    throw new RangeError(
      `No notebook begins with ${options.only}; there are ${notebooksBelow(home).join(', ')}.`,
    );
  const jupyter = await prepareJupyter((line) => console.log(line));
  if (!outputOf(jupyter.program, ['nbconvert', '--version']))
    throw new Error(
      `nbconvert makes the pages, and the JupyterLab of ${jupyter.whose} has none. ` +
        'It belongs to every JupyterLab: delete .venv/ and run npm start to set it up again, or pip install nbconvert.',
    );

  const out = resolve(options.out);
  const repository = options.repository ?? relative(out, root).split(sep).join('/');
  const titles = new Map<string, string>();
  const draft = mkdtempSync(join(tmpdir(), 'cache-once-html-'));
  try {
    for (const page of pages) {
      const notebook = readNotebook(join(home, page));
      titles.set(
        page,
        notebook.cells
          .map(sourceOf)
          .join('\n')
          .match(/^# (.+)$/m)?.[1] ?? page,
      );
      mkdirSync(join(draft, dirname(page)), { recursive: true });
      try {
        writeFileSync(
          join(draft, page),
          JSON.stringify(
            readyForPage(
              notebook,
              toMathML,
              relinkFor(page, new Set(notebooksBelow(home)), repository),
            ),
          ),
        );
      } catch (error) {
        throw new Error(`notebooks/${page}: ${(error as Error).message}`);
      }
    }
    for (const folder of folders) {
      const here = pages.filter((page) => posix.dirname(page) === folder);
      if (here.length === 0) continue;
      const target = join(out, folder);
      mkdirSync(target, { recursive: true });
      const args = [
        'nbconvert',
        '--to',
        'html',
        '--output-dir',
        target,
        ...here.map((page) => join(draft, page)),
      ];
      const { code, lines } = await runQuietly(jupyter.program, args, () => undefined);
      if (code !== 0) throw new Error(`nbconvert failed:\n${lines.slice(-5).join('\n')}`);
      for (const page of here) {
        const file = join(out, page.replace(/ipynb$/, 'html'));
        writeFileSync(file, withoutScripts(readFileSync(file, 'utf8')));
      }
      console.log(`✓ ${here.length} pages in ${relative(process.cwd(), target) || '.'}`);
    }
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  if (!options.only) writeFileSync(join(out, 'index.html'), frontPage(titles));
  console.log(
    `\nOpen ${join(out, options.only ? pages[0].replace(/ipynb$/, 'html') : 'index.html')}`,
  );
}

if (require.main === module)
  main().catch((error: Error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
