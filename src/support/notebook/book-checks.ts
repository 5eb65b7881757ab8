/** What must hold for a book that was built: no dead link, and nothing fetched from elsewhere. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

/** Files below a folder whose names end so. */
export function filesBelow(folder: string, ending: string): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.endsWith(ending)).map((name) => join(folder, name));
}

/** The pages of a book; Sphinx also copies the theme's templates into _static. */
export const pagesOf = (book: string): string[] =>
  filesBelow(book, '.html').filter((path) => !relative(book, path).startsWith('_static'));

const ADDRESS = /<(a|link|img|script|source|iframe)\b[^>]*?\b(?:href|src)="([^"]*)"/g;
const unescaped = (text: string): string =>
  text
    .replaceAll('&amp;', '&')
    .replaceAll('&quot;', '"')
    .replaceAll('&#x27;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>');

/** Links and pictures of all pages that lead to no file or to no such place in it. */
export function deadLinks(book: string): string[] {
  const dead = new Set<string>();
  const places = new Map<string, Set<string>>(); // page → its ids
  const idsOf = (page: string): Set<string> => {
    let ids = places.get(page);
    if (!ids) {
      const found = readFileSync(page, 'utf8').matchAll(/\s(?:id|name)="([^"]*)"/g);
      ids = new Set([...found].map((match) => unescaped(match[1])));
      places.set(page, ids);
    }
    return ids;
  };
  for (const page of pagesOf(book)) {
    for (const [, , raw] of withoutScripts(readFileSync(page, 'utf8')).matchAll(ADDRESS)) {
      const address = unescaped(raw);
      if (/^([a-z]+:|\/\/)/i.test(address)) continue; // another host, a mail, data in the page
      const [path, anchor = ''] = address.split('#');
      const file = path.split('?')[0];
      const target = file === '' ? page : resolve(dirname(page), decodeURI(file));
      const isThere = existsSync(target) && statSync(target).isFile();
      const isPlace = anchor === '' || !target.endsWith('.html');
      if (isThere && (isPlace || idsOf(target).has(decodeURIComponent(anchor)))) continue;
      dead.add(`${relative(book, page)} → ${address}`);
    }
  }
  return [...dead];
}

const withoutScripts = (html: string): string =>
  html.replace(/(<script\b[^>]*>)[\s\S]*?<\/script>/g, '$1');

/** What pages and styles would fetch from another host; a link that one can follow is not that. */
export function foreignRequests(book: string): string[] {
  const foreign = new Set<string>();
  for (const page of pagesOf(book)) {
    for (const [tag, name, address] of readFileSync(page, 'utf8').matchAll(ADDRESS)) {
      const isFollowed = name === 'a' || /\brel="(canonical|license|author)"/.test(tag);
      if (!isFollowed && /^(https?:)?\/\//i.test(address)) {
        foreign.add(`${relative(book, page)}: ${address}`);
      }
    }
  }
  for (const style of filesBelow(book, '.css')) {
    const text = readFileSync(style, 'utf8');
    for (const [, address] of text.matchAll(
      /(?:url\(\s*|@import\s+)["']?((?:https?:)?\/\/[^"')]+)/g,
    )) {
      foreign.add(`${relative(book, style)}: ${address}`);
    }
  }
  return [...foreign];
}
