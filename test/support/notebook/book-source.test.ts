/** What Sphinx gets: links that lead into the book, figures as pictures, a student's book. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type BookOptions,
  type BookSource,
  bookSource,
  figureOf,
  withLinks,
} from '../../../src/support/notebook/book-source';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'cache-once-book-'));
  write('README.md', '# Book\n\n[lesson](notebooks/04-a.ipynb), [map](docs/map.md#rows)\n');
  write('docs/map.md', '# Map\n\n[home](../README.md#x) [`a.ts`](../src/a.ts) ![p](p.png)\n');
  write('docs/p.png', 'a picture');
  write('docs/teaching.md', '# Teaching\n\nThe answer is 7.\n');
  write('src/a.ts', 'const fence = "````";\n');
  writeNotebook('04-a', [markdown('# Four\n\n[solved](solutions/04-a.ipynb) [data](r.json)')]);
  write('notebooks/r.json', '{}');
  writeNotebook('exercises/04-a', [markdown('# Four: exercises\n\n[lesson](../04-a.ipynb)')]);
  writeNotebook('solutions/04-a', [markdown('# Four: worked solutions')]);
  writeNotebook('assignments/1-b', [markdown('# A task')]);
  writeNotebook('solutions/assignments/1-b', [markdown('# A task: worked solutions')]);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}
const markdown = (source: string) => ({ cell_type: 'markdown', id: 'm', metadata: {}, source });
const code = (outputs: object[]) => ({
  ...{ cell_type: 'code', id: 'c', metadata: {}, source: '1;', execution_count: 1 },
  outputs,
});
const writeNotebook = (name: string, cells: object[]): void =>
  write(
    `notebooks/${name}.ipynb`,
    JSON.stringify({ cells, metadata: {}, nbformat: 4, nbformat_minor: 5 }),
  );
const build = (options: Partial<BookOptions> = {}): BookSource =>
  bookSource(root, { student: false, ...options });
const text = (book: BookSource, path: string): string => String(book.source.get(path));

describe('links', () => {
  it('lead to pages of the book; a file of code becomes one', () => {
    const book = build();
    expect(text(book, 'docs/map.md')).toContain('[home](../index.md#x) [`a.ts`](../src/a.ts.md)');
    expect(text(book, 'index.md')).toContain('[map](docs/map.md#rows)');
    const page = text(book, 'src/a.ts.md');
    expect(page).toContain('# `src/a.ts`');
    expect(page).toContain(
      '`````{code-block} typescript\n:linenos:\n\nconst fence = "````";\n`````',
    );
  });
  it('pictures and data go along as they are', () => {
    const book = build();
    expect(text(book, 'docs/p.png')).toBe('a picture');
    expect(text(book, 'notebooks/r.json')).toBe('{}');
  });
  it('lead to the code host where one is named', () => {
    const book = build({ repository: 'https://example.org/book/' });
    expect(text(book, 'docs/map.md')).toContain('[`a.ts`](https://example.org/book/src/a.ts)');
    expect(text(book, 'docs/map.md')).toContain('![p](p.png)');
    expect([...book.source.keys()]).not.toContain('src/a.ts.md');
  });
  it('that lead nowhere are named', () => {
    write('docs/map.md', '[gone](../src/gone.ts)');
    expect(() => build()).toThrow('docs/map.md links to ../src/gone.ts, which does not exist.');
    write('docs/map.md', '[all](../src)');
    expect(() => build()).toThrow('docs/map.md links to the folder ../src');
    write('docs/map.md', '[out](../../../etc/hosts)');
    expect(() => build()).toThrow('which does not exist');
  });
  it('anchors, addresses and code stay as they are; text may hold code and brackets', () => {
    const markdown = '[a](x.md#b) [c](https://x.y/z) [d](#e) `[f](g)` [`g[1]`](h) ![i](j)';
    expect(withLinks(markdown, (target) => `to/${target}`)).toBe(
      '[a](to/x.md#b) [c](https://x.y/z) [d](#e) `[f](g)` [`g[1]`](to/h) ![i](to/j)',
    );
    expect(withLinks('see [`a` b](c.md).', () => undefined)).toBe('see `a` b.');
  });
});

describe('contents', () => {
  it('lessons, exercises, solutions and documents are parts of their own', () => {
    const book = build();
    const parts = [...text(book, 'index.md').matchAll(/:caption: (.+)\n\n([\s\S]*?)\n```/g)];
    expect(parts.map(([, caption, pages]) => [caption, pages.split('\n')])).toEqual([
      ['Lessons', ['notebooks/04-a']],
      ['Practice', ['exercises', 'assignments', 'solutions']],
      ['Documents', ['docs/map', 'docs/teaching']],
    ]);
    expect(text(book, 'exercises.md')).toContain('\nnotebooks/exercises/04-a\n');
    expect(text(book, 'assignments.md')).toContain('\nnotebooks/assignments/1-b\n');
    expect(text(book, 'solutions.md')).toContain(
      '\nnotebooks/solutions/04-a\nnotebooks/solutions/assignments/1-b\n',
    );
  });
  it('a student’s book holds no solution, nothing for teachers, and no link to them', () => {
    write('README.md', '# Book\n\n[plans](docs/teaching.md) [x](src/support/course/x.ts)\n');
    write('src/support/course/x.ts', 'export const answer = 7;');
    const book = build({ student: true });
    const all = [...book.source].flat().join('\n');
    expect(all).toContain('\nplans x\n');
    expect(all).toContain('solved [data](r.json)');
    expect(all).not.toMatch(/worked solutions|The answer is|export const answer|solutions\//);
    expect(all).toContain('exercises');
  });
});

describe('figures', () => {
  const plotly = { data: [], layout: { width: 760, height: 300 } };
  const jpeg = Buffer.from('picture').toString('base64');
  const figure = {
    output_type: 'display_data' as const,
    data: {
      'application/vnd.plotly.v1+json': plotly,
      'text/plain': ['It "falls" & ', 'rises.'],
      'image/jpeg': `${jpeg}\n`,
    },
    metadata: {},
  };
  const pageWith = (output: object) => {
    writeNotebook('exercises/04-a', [markdown('# Four'), code([output])]);
    const book = build();
    const { cells } = JSON.parse(text(book, 'notebooks/exercises/04-a.ipynb'));
    return { book, output: cells[1].outputs[0] };
  };

  it('become a picture with its text, and a description that a script can load', () => {
    const { book, output } = pageWith(figure);
    expect(output.data).toEqual({
      'text/html':
        '<div class="figure" data-figure="exercises-04-a-1-0">' +
        '<img src="../../figures/exercises-04-a-1-0.jpg" alt="It &quot;falls&quot; &amp; rises."' +
        ' width="760" height="300" loading="lazy"></div>',
    });
    expect(String(book.beside.get('figures/exercises-04-a-1-0.jpg'))).toBe('picture');
    expect(book.beside.get('figures/exercises-04-a-1-0.js')).toBe(
      `cacheOnceFigure("exercises-04-a-1-0", ${JSON.stringify(plotly)})\n`,
    );
  });
  it('a drawing in SVG is a picture; one with steps in HTML shows itself', () => {
    const data = { 'image/svg+xml': ['<svg>', '</svg>'], 'text/plain': 'Two boxes.' };
    const { book, output } = pageWith({ ...figure, data });
    expect(output.data['text/html']).toContain('-1-0.svg" alt="Two boxes." loading="lazy">');
    expect(book.beside.get('figures/exercises-04-a-1-0.svg')).toBe('<svg></svg>');
    expect(figureOf({ ...figure, data: { ...data, 'text/html': '<form>' } })).toBeUndefined();
  });
  it('a picture that is stored twice as large is as wide as its metadata says', () => {
    const data = { 'image/png': jpeg, 'text/plain': 'Two boxes.' };
    const metadata = { 'image/png': { width: 640 } };
    const { output } = pageWith({ ...figure, data, metadata });
    expect(output.data['text/html']).toContain('alt="Two boxes." width="640" loading="lazy">');
  });
  it('without a picture, the text stands there until a script draws', () => {
    const { 'image/jpeg': _, ...data } = figure.data;
    const { output } = pageWith({ ...figure, data });
    expect(output.data['text/html']).toBe(
      '<div class="figure" data-figure="exercises-04-a-1-0"><p>It "falls" &amp; rises.</p></div>',
    );
  });
  it('a text of its own wins, the best form is taken', () => {
    const data = { ...figure.data, 'image/png': jpeg };
    const metadata = { 'image/png': { alt: 'My own.' } };
    expect(figureOf({ ...figure, data, metadata })).toMatchObject({
      ending: 'png',
      alt: 'My own.',
    });
  });
  it('tables scroll by keys, other outputs stay', () => {
    const table = { output_type: 'display_data', data: { 'text/html': '<table></table>' } };
    expect(pageWith(table).output.data['text/html']).toMatch(
      /^<div class="scrolling" tabindex="0"/,
    );
    const stream = { output_type: 'stream', name: 'stdout', text: 'a' };
    expect(pageWith(stream).output).toEqual(stream);
  });
});
