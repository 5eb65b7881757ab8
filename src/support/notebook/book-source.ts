/**
 * What Sphinx gets to make the book of: a copy of the notebooks and documents in which every link
 * leads to a page of the book, and every figure is a still picture that a script can bring to life.
 *
 * A linked file of `src` or `test` becomes a page with its code, unless the book knows the address
 * of the repository's files. A student's book holds nothing that gives a solution away; links to
 * it become plain text.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { extname, join, posix } from 'node:path';
import type { Output } from './kernel-client';
import { type Cell, type Notebook, readNotebook, sourceOf, textOf } from './notebook-file';
import { escaped } from './show';

export interface BookOptions {
  /** Without solutions and what is written for teachers. */
  student: boolean;
  /** Address of the repository's files, for links to code. */
  repository?: string;
}
/** Path below the book's source → contents. */
export type Files = Map<string, string | Uint8Array>;
export interface BookSource {
  /** Documents for Sphinx. */
  source: Files;
  /** Pictures and figures, which go beside the pages as they are. */
  beside: Files;
}

const FRONT = 'README.md';
const LESSONS = 'notebooks';
const EXERCISES = 'notebooks/exercises';
const ASSIGNMENTS = 'notebooks/assignments';
const SOLUTIONS = 'notebooks/solutions';
const FORBIDDEN_TO_STUDENTS = [
  `${SOLUTIONS}/`,
  'src/support/course/',
  'test/support/course/',
  'docs/teaching.md',
];
/** The documents in the order in which one would read them; others follow by name. */
const DOCUMENTS = ['map', 'glossary', 'teaching', 'engines', 'performance', 'contributing'];

/** Everything that Sphinx needs. @throws Error naming a link that leads nowhere. */
export function bookSource(root: string, options: BookOptions): BookSource {
  const book = new Book(root, options);
  const addNotebooks = (folder: string): string[] => book.addAll(namesIn(root, folder, '.ipynb'));
  const lessons = addNotebooks(LESSONS);
  const exercises = addNotebooks(EXERCISES);
  const assignments = addNotebooks(ASSIGNMENTS);
  const solutions = [...addNotebooks(SOLUTIONS), ...addNotebooks(`${SOLUTIONS}/assignments`)];
  const documents = book.addAll(namesIn(root, 'docs', '.md').sort(inReadingOrder));
  book.addAll([FRONT]);
  book.addLinked();

  const overviews = [
    { page: 'exercises', title: 'Exercises', text: EXERCISE_TEXT, pages: exercises },
    { page: 'assignments', title: 'Assignments', text: ASSIGNMENT_TEXT, pages: assignments },
    { page: 'solutions', title: 'Solutions', text: SOLUTION_TEXT, pages: solutions },
  ].filter(({ pages }) => pages.length > 0);
  for (const { page, title, text, pages } of overviews) {
    book.files.source.set(`${page}.md`, overview(title, text, pages));
  }
  const parts = [
    contents('Lessons', lessons),
    contents(
      'Practice',
      overviews.map(({ page }) => page),
    ),
    contents('Documents', documents),
  ];
  const front = book.files.source.get('index.md') as string;
  book.files.source.set('index.md', [front, ...parts].join('\n'));
  return book.files;
}

const EXERCISE_TEXT =
  'A lesson’s exercises are functions to write. In the notebook, the cell below each tells ' +
  'whether the function is right, and if not, gives a hint that fits the mistake.';
const ASSIGNMENT_TEXT =
  'Of graduate size: hours instead of minutes, with a rubric and a judge that goes through it.';
const SOLUTION_TEXT = 'One way to solve each of them, with the reason for every line.';

/** Notebooks or documents of one folder, as paths below the repository. */
export function namesIn(root: string, folder: string, ending: string): string[] {
  const at = join(root, folder);
  if (!existsSync(at)) return [];
  const names = readdirSync(at).filter((name) => name.endsWith(ending));
  return names.sort().map((name) => posix.join(folder, name));
}

function inReadingOrder(a: string, b: string): number {
  const place = (path: string): number => {
    const found = DOCUMENTS.indexOf(posix.basename(path, '.md'));
    return found < 0 ? DOCUMENTS.length : found;
  };
  return place(a) - place(b) || a.localeCompare(b);
}

const tocTree = (pages: string[], options: string): string =>
  `\n\`\`\`{toctree}\n${options}\n\n${pages.join('\n')}\n\`\`\`\n`;
const contents = (caption: string, pages: string[]): string =>
  pages.length === 0 ? '' : tocTree(pages, `:hidden:\n:caption: ${caption}`);
const overview = (title: string, text: string, pages: string[]): string =>
  `# ${title}\n\n${text}\n${tocTree(pages, ':maxdepth: 1')}`;

class Book {
  readonly files: BookSource = { source: new Map(), beside: new Map() };
  /** Files that a page links to and that are not in the book yet. */
  private readonly linked = new Set<string>();

  constructor(
    private readonly root: string,
    private readonly options: BookOptions,
  ) {}

  /** Adds documents and notebooks; returns those that are in the book, without their endings. */
  addAll(paths: string[]): string[] {
    const wanted = paths.filter((path) => !this.isForbidden(path));
    for (const path of wanted) this.add(path, '');
    return wanted.map((path) => path.replace(/\.[a-z]+$/, ''));
  }

  /** Adds what the pages so far link to, and what those link to. */
  addLinked(): void {
    for (const path of this.linked) {
      if (this.files.source.has(pageOf(path)) || this.files.source.has(path)) continue;
      if (isDocument(path)) this.add(path, '---\norphan: true\n---\n\n');
      else if (isPage(path)) this.files.source.set(pageOf(path), this.codePage(path));
      else this.files.source.set(path, readFileSync(join(this.root, path)));
    }
  }

  private add(path: string, head: string): void {
    if (path.endsWith('.ipynb')) {
      const notebook = readNotebook(join(this.root, path));
      this.files.source.set(path, JSON.stringify(this.notebookPage(path, notebook)));
    } else {
      const text = readFileSync(join(this.root, path), 'utf8');
      this.files.source.set(pageOf(path), head + withLinks(text, this.relinkFrom(path)));
    }
  }

  private notebookPage(path: string, notebook: Notebook): Notebook {
    const relink = this.relinkFrom(path);
    const name = path
      .replace(`${LESSONS}/`, '')
      .replace(/\.ipynb$/, '')
      .replaceAll('/', '-');
    const up = posix.relative(posix.dirname(path), '.');
    const cells = notebook.cells.map((cell, i): Cell => {
      if (cell.cell_type === 'markdown') {
        return { ...cell, source: withLinks(sourceOf(cell), relink) };
      }
      const outputs = cell.outputs?.map((output, o) =>
        this.outputOnPage(output, `${name}-${i}-${o}`, up),
      );
      return { ...cell, outputs };
    });
    return { ...notebook, cells };
  }

  private outputOnPage(output: Output, name: string, up: string): Output {
    const figure = figureOf(output);
    if (!figure) return withScrollingTables(output);
    const { ending, picture, plotly } = figure;
    const source = `figures/${name}.${ending}`;
    if (picture) this.files.beside.set(source, picture);
    if (plotly) {
      const call = `cacheOnceFigure(${JSON.stringify(name)}, ${JSON.stringify(plotly)})\n`;
      this.files.beside.set(`figures/${name}.js`, call);
    }
    const html = figureHtml(figure, posix.join(up, source), name);
    return { ...output, data: { 'text/html': html }, metadata: {} };
  }

  private codePage(path: string): string {
    const text = readFileSync(join(this.root, path), 'utf8').replace(/\n*$/, '\n');
    const fences = text.match(/`{3,}/g) ?? [];
    const fence = '`'.repeat(Math.max(3, ...fences.map(({ length }) => length + 1)));
    const language = LANGUAGES[extname(path)] ?? 'text';
    const block = `${fence}{code-block} ${language}\n:linenos:\n\n${text}${fence}\n`;
    return `---\norphan: true\n---\n\n# \`${path}\`\n\n${block}`;
  }

  private isForbidden(path: string): boolean {
    return (
      this.options.student && FORBIDDEN_TO_STUDENTS.some((forbidden) => path.startsWith(forbidden))
    );
  }

  /** How links of a page change. */
  private relinkFrom(page: string): Relink {
    return (target) => {
      const meant = posix.normalize(posix.join(posix.dirname(page), decodeURI(target)));
      const at = join(this.root, meant);
      if (meant.startsWith('..') || !existsSync(at)) {
        throw new Error(`${page} links to ${target}, which does not exist.`);
      }
      if (this.isForbidden(meant)) return undefined;
      const { repository } = this.options;
      const isCode = !isDocument(meant) && !isPicture(meant);
      if (repository && isCode) return `${repository.replace(/\/$/, '')}/${encodeURI(meant)}`;
      if (statSync(at).isDirectory()) {
        throw new Error(`${page} links to the folder ${target}; a book links to files.`);
      }
      this.linked.add(meant);
      if (meant === FRONT) return target.replace(FRONT, 'index.md');
      return isPage(meant) && !isDocument(meant) ? `${target}.md` : target;
    };
  }
}

const LANGUAGES: Record<string, string> = {
  '.ts': 'typescript',
  '.mjs': 'javascript',
  '.cjs': 'javascript',
  '.yml': 'yaml',
  '.cff': 'yaml',
  '.py': 'python',
  '.sh': 'bash',
};
const DATA = ['.json', '.csv', '.safetensors', '.bin'];
const isPicture = (path: string): boolean => /\.(png|jpe?g|svg|gif)$/.test(path);
const isDocument = (path: string): boolean => /\.(md|ipynb)$/.test(path);
/** Data and pictures are files of the book, everything else a page. */
const isPage = (path: string): boolean => !isPicture(path) && !DATA.includes(extname(path));
/** Where a page's source lies: code.ts becomes code.ts.md. */
function pageOf(path: string): string {
  if (path === FRONT) return 'index.md';
  return isPage(path) && !isDocument(path) ? `${path}.md` : path;
}

/** A relative link → the link on the page, or `undefined` if only its text is to stay. */
export type Relink = (target: string) => string | undefined;

/** Code of Markdown, in fences or between backticks. */
const CODE = /(```[\s\S]*?```|`[^`\n]*`)/;
/** Text and target of a link, whose text may hold code: the backticks are cut out by CODE. */
const LINK = /(!?)\[((?:[^[\]]|\\.)*)\]\((?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?\)/g;

/** Markdown whose relative links outside code are changed. */
export function withLinks(markdown: string, relink: Relink): string {
  const pieces: string[] = []; // code, which the links must not see
  const hidden = markdown
    .split(CODE)
    .map((part, i) => (i % 2 === 0 ? part : `\0${pieces.push(part) - 1}\0`))
    .join('');
  const changed = hidden.replace(LINK, (_, image, text, target: string, anchor = '') => {
    const wanted = relink(target);
    return wanted === undefined ? text : `${image}[${text}](${wanted}${anchor})`;
  });
  return changed.replace(/\0(\d+)\0/g, (_, i) => pieces[Number(i)]);
}

const PLOTLY = 'application/vnd.plotly.v1+json';
/** The forms of a still picture, the best first. */
const ENDINGS: Record<string, string> = {
  'image/svg+xml': 'svg',
  'image/png': 'png',
  'image/jpeg': 'jpg',
};

interface StillFigure {
  /** What the picture shows, in words. */
  alt: string;
  /** The still picture; absent where the notebook was saved without a browser. */
  ending?: string;
  picture?: string | Uint8Array;
  /** Of the picture, in pixels of the page: it is stored twice as large. */
  width?: number;
  /** What Plotly draws from. */
  plotly?: { layout?: { width?: number; height?: number } };
}

/** The figure of an output, if it is one. */
export function figureOf({ data, metadata, ...output }: Output): StillFigure | undefined {
  if (!data) return undefined;
  const plotly = data[PLOTLY] as StillFigure['plotly'];
  const type = Object.keys(ENDINGS).find((type) => data[type] !== undefined);
  if (!plotly && (!type || data['text/html'])) return undefined; // HTML shows itself
  const own = type ? (metadata?.[type] as { alt?: string; width?: number } | undefined) : undefined;
  const alt = own?.alt ?? textOf({ ...output, data });
  if (!type) return { alt, plotly };
  const joined = [data[type]].flat().join('');
  const picture = type === 'image/svg+xml' ? joined : Buffer.from(joined, 'base64');
  return { alt, ending: ENDINGS[type], picture, width: own?.width, plotly };
}

function figureHtml(figure: StillFigure, source: string, name: string): string {
  const { alt, plotly, picture } = figure;
  const { width = figure.width, height } = plotly?.layout ?? {};
  const wide = width === undefined ? '' : ` width="${width}"`;
  const size = height === undefined ? wide : `${wide} height="${height}"`;
  const image = picture
    ? `<img src="${encodeURI(source)}" alt="${attribute(alt)}"${size} loading="lazy">`
    : `<p>${escaped(alt)}</p>`;
  const live = plotly ? ` data-figure="${attribute(name)}"` : '';
  return `<div class="figure"${live}>${image}</div>`;
}

const attribute = (text: string): string => escaped(text.trim()).replaceAll('"', '&quot;');

/** A table wider than the page scrolls, and keys scroll only what can have the focus. */
function withScrollingTables(output: Output): Output {
  const html = [output.data?.['text/html'] ?? []].flat().join('');
  if (!html.startsWith('<table')) return output;
  const box = `<div class="scrolling" tabindex="0" role="group" aria-label="Table">${html}</div>`;
  return { ...output, data: { ...output.data, 'text/html': box } };
}
