/** The book that `npm run html` builds, as its readers get it: with scripts and without, on a phone,
 * on paper, by keys, and a student's. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { AxeResults } from 'axe-core';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bookTools } from '../../src/support/cli/html';
import {
  deadLinks,
  filesBelow,
  foreignRequests,
  pagesOf,
} from '../../src/support/notebook/book-checks';
import { figureOf, namesIn } from '../../src/support/notebook/book-source';
import { launchBrowser } from '../../src/support/notebook/browser';
import { codeOf, readNotebook } from '../../src/support/notebook/notebook-file';
import { isReady, root } from '../../src/support/notebook/python-environment';
import { runQuietly } from '../../src/support/notebook/run-command';

const browser = await launchBrowser();
const missing: string[] = [];
if (!browser) missing.push('a Chromium or Chrome (install one, or set CACHE_ONCE_CHROMIUM)');
// Where every change is tested, the first build sets them up.
if (!isReady(bookTools) && !process.env.CI) missing.push('the tools of npm run html (run it once)');
const skipped = missing.length > 0;
if (skipped) console.warn(`The tests of the book are skipped; they need ${missing.join(', ')}.`);

it.runIf(process.env.CI)('nothing is missing where every change is tested', () => {
  expect(missing).toEqual([]);
});

const folder = mkdtempSync(join(tmpdir(), 'cache-once-book-'));
const book = join(folder, 'book');
const studentBook = join(folder, 'student');

async function build(out: string, ...options: string[]): Promise<void> {
  const tsx = createRequire(__filename).resolve('tsx/cli');
  const command = [tsx, join(root, 'src', 'support', 'cli', 'html.ts'), '--out', out, '--no-api'];
  const { code, lines } = await runQuietly(process.execPath, [...command, ...options]);
  expect(code, lines.join('\n')).toBe(0);
}

const lessons = namesIn(root, 'notebooks', '.ipynb').map((name) => name.replace(/ipynb$/, 'html'));
const lesson = (number: string): string =>
  lessons.find((name) => name.startsWith(`notebooks/${number}-`)) ?? `no lesson ${number}`;
const html = (page: string, of = book): string => readFileSync(join(of, page), 'utf8');
/** The first lesson that has both. */
const withFormulasAndPictures = (): string =>
  lessons.find((page) => /class="formula"/.test(html(page)) && /data-figure/.test(html(page)))!;

async function open(page: string, options: BrowserContextOptions = {}, query = ''): Promise<Page> {
  const context = await browser!.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const opened = await context.newPage();
  await opened.goto(`${pathToFileURL(join(book, page)).href}${query}`);
  return opened;
}

describe.skipIf(skipped)('the book', { timeout: 300_000 }, () => {
  beforeAll(async () => {
    await build(book);
    await build(studentBook, '--student');
  }, 900_000);
  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true });
    await browser?.close();
  }, 60_000);

  describe('as files', () => {
    it('no link is dead, nothing is fetched from another host', () => {
      expect(pagesOf(book).length).toBeGreaterThan(100);
      expect(deadLinks(book)).toEqual([]);
      expect(foreignRequests(book)).toEqual([]);
    });
    it('every page has one h1, one main, a title and a language; headings skip no level', () => {
      const wrong: string[] = [];
      for (const path of pagesOf(book)) {
        const text = readFileSync(path, 'utf8');
        const main = text.match(/<main[\s\S]*<\/main>/)?.[0] ?? '';
        const levels = [...main.matchAll(/<h([1-6])\b/g)].map((match) => Number(match[1]));
        const skips = levels.some((level, i) => level > (levels[i - 1] ?? 0) + 1);
        const isRight =
          text.split('<main').length === 2 &&
          levels.filter((level) => level === 1).length === 1 &&
          /<html lang="en"/.test(text) &&
          /<title>[^<]+<\/title>/.test(text);
        if (!isRight || skips) wrong.push(`${relative(book, path)}: ${levels.join(' ')}`);
      }
      expect(wrong).toEqual([]);
    });
    it('every figure of every lesson has its text on the page', () => {
      let figures = 0;
      for (const page of lessons) {
        const { cells } = readNotebook(join(root, page.replace(/html$/, 'ipynb')));
        const outputs = cells.flatMap((cell) => cell.outputs ?? []);
        const wanted = outputs.flatMap((output) => figureOf(output)?.alt.trim() ?? []);
        const texts = [...html(page).matchAll(/<img src="[^"]*figures\/[^"]*" alt="([^"]+)"/g)];
        const plain = texts.map((match) => unescaped(match[1]));
        expect(plain, page).toEqual(wanted);
        figures += plain.length;
      }
      expect(figures).toBeGreaterThan(20);
    });
    it('a lesson is light: what a reader loads before the first figure comes alive', () => {
      for (const page of lessons) expect(html(page).length, page).toBeLessThan(400_000);
      expect(html(lessons[0])).not.toMatch(/<script[^>]*(plotly|searchindex)/);
    });
  });

  describe('without scripts', () => {
    it('formulas are drawn in the font that the book brings, pictures are there', async () => {
      const page = await open(withFormulasAndPictures(), { javaScriptEnabled: false });
      const formula = page.locator('.formula math').first();
      await formula.scrollIntoViewIfNeeded();
      const { height } = (await formula.boundingBox())!;
      expect(height).toBeGreaterThan(15);
      const session = await page.context().newCDPSession(page);
      await expect.poll(() => fontsOf(session, 'mi, mn, mo')).toEqual(['STIX Two Math']);

      const picture = page.locator('.figure img').first();
      await picture.scrollIntoViewIfNeeded();
      expect(await picture.isVisible()).toBe(true);
      await expect
        .poll(() => picture.evaluate((image: { naturalWidth?: number }) => image.naturalWidth))
        .toBeGreaterThan(300);
      expect(await page.locator('.pst-js-only:visible, .sidebar-toggle:visible').count()).toBe(0);
      const colourOf = (what: string) =>
        page.evaluate(`getComputedStyle(document.querySelector('${what}')).color`);
      expect(await colourOf('.highlight .kr')).not.toBe(await colourOf('.highlight pre'));
      await page.context().close();
    });
  });

  describe('with scripts', () => {
    it('a figure comes alive when it comes into view, in the colours of the page', async () => {
      const page = await open(withFormulasAndPictures(), { colorScheme: 'light' });
      const requests: string[] = [];
      page.on('request', (request) => requests.push(request.url()));
      const plotly = page.locator('script[src$="plotly.js"]');
      expect(await plotly.count()).toBe(0);
      const figure = page.locator('[data-figure]').first();
      await figure.scrollIntoViewIfNeeded();
      const title = figure.locator('.live .gtitle').first();
      await title.waitFor();
      await expect.poll(() => figure.locator('img').isVisible()).toBe(false);
      expect(await figure.locator('.live').getAttribute('aria-label')).toBe(
        await figure.locator('img').getAttribute('alt'),
      );
      expect(await plotly.count()).toBe(1);
      const colour = 'getComputedStyle(document.querySelector(".live .gtitle")).fill';
      const inLight = await page.evaluate(colour);
      await page.evaluate('document.documentElement.dataset.theme = "dark"');
      await expect.poll(() => page.evaluate(colour)).not.toBe(inLight);
      expect(requests.filter((url) => !url.startsWith('file:'))).toEqual([]);

      await page.evaluate('dispatchEvent(new Event("beforeprint"))');
      await expect.poll(() => page.evaluate(colour)).toBe(inLight);
      await page.emulateMedia({ media: 'print' });
      expect(await figure.locator('img').isVisible()).toBe(true);
      expect(await page.locator('#pst-primary-sidebar').isVisible()).toBe(false);
      await page.context().close();
    });
    it('the search finds a word of a lesson, by the book’s own index', async () => {
      const page = await open('search.html', {}, '?q=retention');
      const found = page.locator('#search-results li a');
      await found.first().waitFor();
      expect((await found.allTextContents()).join('\n')).toMatch(/retention/i);
      await page.context().close();
    });
    it('on a phone nothing is cut off, and what scrolls can be reached by keys', async () => {
      for (const page of [...lessons.slice(0, 6), 'docs/map.html', 'src/models/yoco.ts.html']) {
        const phone = await open(page, { viewport: { width: 390, height: 844 } });
        expect({ page, ...((await phone.evaluate(MEASURED)) as object) }).toEqual({
          ...{ page, wide: 390, cut: [], unreachable: [] },
        });
        await phone.context().close();
      }
    });
    it('a wide table scrolls by the arrow keys', async () => {
      const phone = await open('docs/map.html', { viewport: { width: 390, height: 844 } });
      const table = phone.locator('.pst-scrollable-table-container').first();
      await table.focus();
      await phone.keyboard.press('ArrowRight');
      await expect.poll(() => table.evaluate((box) => box.scrollLeft)).toBeGreaterThan(0);
      await phone.context().close();
    });
  });

  describe('axe finds no serious fault', () => {
    const axe = readFileSync(createRequire(__filename).resolve('axe-core/axe.min.js'), 'utf8');
    const pages = [
      ...['00', '04', '09', '12', '15'].map(lesson),
      lesson('04').replace('notebooks/', 'notebooks/exercises/'),
      'docs/map.html',
      'index.html',
      'src/models/yoco.ts.html',
    ];
    const faults = async (page: Page, rules = '{}'): Promise<AxeResults['violations']> => {
      await page.evaluate(axe);
      return ((await page.evaluate(`axe.run(${rules})`)) as AxeResults).violations;
    };
    for (const colorScheme of ['light', 'dark'] as const)
      it.each(pages)(`%s, ${colorScheme}`, async (name) => {
        const page = await open(name, { colorScheme });
        expect(await page.evaluate('document.documentElement.dataset.theme')).toBe(colorScheme);
        // In the dark only colours differ.
        const rules = colorScheme === 'dark' ? "{ runOnly: ['color-contrast'] }" : '{}';
        const violations = await faults(page, rules);
        const serious = violations.filter(({ impact }) => /serious|critical/.test(impact ?? ''));
        const told = serious.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html)}`);
        expect(told).toEqual([]);
        await page.context().close();
      });
    it('axe can fail', async () => {
      const page = await open('index.html');
      const pale = '<span style=\\"color: #ddd\\">pale</span>';
      await page.evaluate(`document.querySelector('main p').innerHTML = "${pale}"`);
      expect((await faults(page)).map(({ id }) => id)).toContain('color-contrast');
      await page.context().close();
    });
  });

  describe('a student’s', () => {
    /** Lines of code that stand in solutions and in nothing that a student is given. */
    function secretLines(): string[] {
      const code = ['src', 'test'].flatMap((place) => filesBelow(join(root, place), '.ts'));
      const given = [
        ...[...namesIn(root, 'notebooks', '.ipynb'), ...exerciseNames].flatMap(linesOf),
        ...code
          .filter((path) => !path.includes(join('support', 'course')))
          .map((path) => readFileSync(path, 'utf8')),
      ].join('\n');
      const solved = [
        ...namesIn(root, 'notebooks/solutions', '.ipynb'),
        ...namesIn(root, 'notebooks/solutions/assignments', '.ipynb'),
      ].flatMap(linesOf);
      return [...new Set(solved)].filter((line) => line.length > 30 && !given.includes(line));
    }
    const linesOf = (name: string): string[] =>
      codeOf(readNotebook(join(root, name)))
        .flatMap((cell) => cell.split('\n'))
        .map((line) => line.trim());
    const exerciseNames = [
      ...namesIn(root, 'notebooks/exercises', '.ipynb'),
      ...namesIn(root, 'notebooks/assignments', '.ipynb'),
    ];
    const textOf = (of: string): string =>
      pagesOf(of)
        .map((path) => unescaped(readFileSync(path, 'utf8').replace(/<[^>]*>/g, '')))
        .join('\n');

    it('holds no line of a solution, in no page and not in the index', () => {
      const secret = secretLines();
      expect(secret.length).toBeGreaterThan(50);
      const [whole, students] = [textOf(book), textOf(studentBook)];
      const inWhole = secret.filter((line) => whole.includes(line));
      expect(inWhole.length / secret.length).toBeGreaterThan(0.95);
      expect(secret.filter((line) => students.includes(line))).toEqual([]);

      const index = readFileSync(join(studentBook, 'searchindex.js'), 'utf8');
      expect(readFileSync(join(book, 'searchindex.js'), 'utf8')).toContain('notebooks/solutions/');
      expect(index).not.toMatch(/notebooks\/solutions|docs\/teaching|src\/support\/course/);
      expect(index).toContain('notebooks/exercises/');
    });
    it('has no file of solutions, and no dead link where they were', () => {
      const names = readdirSync(studentBook, { recursive: true, encoding: 'utf8' });
      const files = names.filter((name) => statSync(join(studentBook, name)).isFile());
      expect(files.filter((name) => /solutions|teaching/.test(name))).toEqual([]);
      expect(deadLinks(studentBook)).toEqual([]);
    });
  });
});

/** In the page: how wide it is, what code is cut off, what scrolls and cannot have the focus. */
const MEASURED = `(() => {
  const all = [...document.querySelectorAll('main *')];
  const overflowing = all.filter((e) => e.scrollWidth > e.clientWidth + 1 && e.clientWidth);
  const scrolls = (e) => /auto|scroll/.test(getComputedStyle(e).overflowX);
  const name = (e) => e.tagName + ' ' + e.className;
  return {
    wide: document.documentElement.scrollWidth,
    cut: overflowing.filter((e) => e.tagName === 'PRE').map(name),
    unreachable: overflowing.filter((e) => scrolls(e) && e.tabIndex < 0).map(name),
  };
})()`;

const unescaped = (text: string): string =>
  text
    .replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)))
    .replace(/&#x([0-9a-f]+);/gi, (_, code) => String.fromCodePoint(Number.parseInt(code, 16)))
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&');

/** The fonts in which the browser really draws all elements of a kind; own ones by their names. */
async function fontsOf(
  session: { send(method: string, parameters?: object): Promise<unknown> },
  selector: string,
): Promise<string[]> {
  await session.send('DOM.enable');
  await session.send('CSS.enable');
  const { root } = (await session.send('DOM.getDocument')) as { root: { nodeId: number } };
  const all = { nodeId: root.nodeId, selector };
  const { nodeIds } = (await session.send('DOM.querySelectorAll', all)) as { nodeIds: number[] };
  const names = new Set<string>();
  for (const nodeId of nodeIds) {
    const { fonts } = (await session.send('CSS.getPlatformFontsForNode', { nodeId })) as {
      fonts: { familyName: string; isCustomFont: boolean }[];
    };
    for (const { familyName, isCustomFont } of fonts) {
      names.add(isCustomFont ? familyName : `${familyName} of this machine`);
    }
  }
  return [...names];
}
