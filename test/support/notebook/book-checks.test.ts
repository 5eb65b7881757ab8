/** Dead links and foreign hosts are found: each kind of fault in a small book. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { deadLinks, foreignRequests } from '../../../src/support/notebook/book-checks';

let book: string;
beforeEach(() => {
  book = mkdtempSync(join(tmpdir(), 'cache-once-checks-'));
  mkdirSync(join(book, 'sub'));
  mkdirSync(join(book, '_static'));
  writeFileSync(join(book, 'sub', 'b&c.html'), '<h1 id="here">b</h1>');
  writeFileSync(join(book, '_static', 'macros.html'), '<a href="{{ gone }}">');
});
afterEach(() => rmSync(book, { recursive: true, force: true }));
const page = (html: string) => writeFileSync(join(book, 'a.html'), html);

it('good links pass', () => {
  page(`<p id="x"><a class="y" href="#x">1</a> <a href="sub/b&amp;c.html#here">2</a>
    <a href="https://example.org/gone">3</a> <a href="mailto:a@b.c">4</a> <a href="#">5</a>
    <img src="sub/b&amp;c.html?v=1" alt=""> <script>'<a href="gone.html">'</script>`);
  expect(deadLinks(book)).toEqual([]);
  expect(foreignRequests(book)).toEqual([]);
});
it.each([
  '<a href="gone.html">',
  '<a href="#gone">',
  '<a href="sub/b&amp;c.html#gone">',
  '<a href="sub">',
  '<img alt="" src="gone.png">',
  '<script src="gone.js"></script>',
])('%s is dead', (html) => {
  page(html);
  expect(deadLinks(book)).toHaveLength(1);
});
it.each([
  '<script async src="https://cdn.example.org/x.js"></script>',
  '<link rel="stylesheet" href="//fonts.example.org/x.css">',
  '<img alt="" src="http://example.org/x.png">',
])('%s is fetched from another host', (html) => {
  page(html);
  expect(foreignRequests(book)).toHaveLength(1);
});
it('so is what a style fetches', () => {
  page('<link rel="stylesheet" href="a.css"><link rel="canonical" href="https://example.org/">');
  writeFileSync(join(book, 'a.css'), '@import "https://a.b/c.css"; b { src: url(//d.e/f.woff2) }');
  expect(foreignRequests(book)).toEqual(['a.css: https://a.b/c.css', 'a.css: //d.e/f.woff2']);
  writeFileSync(join(book, 'a.css'), 'b { mask: url("data:image/svg+xml,xmlns=\'http://a.b\'") }');
  expect(foreignRequests(book)).toEqual([]);
});
