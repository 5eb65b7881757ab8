/**
 * What a notebook needs before it can stand alone as a page: formulas that no script draws, links
 * that are right from the page's own place, a text beside every picture; and, once it is HTML, no
 * script at all.
 *
 * A formula becomes MathML, which browsers draw themselves: such a page reads the same without a
 * network, in ten years, and to a screen reader. The converter is a parameter, so that what is done
 * to the text can be tested without it.
 */
import { posix } from 'node:path';
import { type Cell, type Notebook, sourceOf, textOf } from './notebook-file';

/** TeX → `<math>…</math>`. @throws Error if the TeX is wrong. */
export type ToMathML = (tex: string, display: boolean) => string;
/** A relative link of the notebook → the link on the page. */
export type Relink = (target: string) => string;

/** Code of Markdown, in fences or between backticks. */
const CODE = /(```[\s\S]*?```|`[^`\n]*`)/;
const FORMULA =
  /\$\$([\s\S]+?)\$\$|(?<![\\$\w])\$(?![\s$])((?:[^$\n]|\n(?!\n))*?[^\s\\$])\$(?![\d$])/g;
const RELATIVE_LINK = /\]\((?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?\)/g;

/** Changes a text, but not the code in it. */
function outsideCode(markdown: string, change: (text: string) => string): string {
  const parts = markdown.split(CODE); // text, code, text, code, …
  return parts.map((part, i) => (i % 2 === 0 ? change(part) : part)).join('');
}

/** Every formula outside code, as MathML. @throws Error naming the formula that is wrong. */
export function withMathML(markdown: string, toMathML: ToMathML): string {
  const convert = (tex: string, display: boolean): string => {
    try {
      return hideFromMarkdown(toMathML(tex.trim(), display).replace(/\n/g, ' '));
    } catch (error) {
      throw new Error(`the formula ${tex.trim()} cannot be drawn: ${(error as Error).message}`);
    }
  };
  return outsideCode(markdown, (text) =>
    text.replace(FORMULA, (_, display?: string, inline?: string) =>
      display === undefined ? convert(inline ?? '', false) : convert(display, true),
    ),
  );
}

/** Markdown must not see emphasis, table cells or links inside a formula. */
function hideFromMarkdown(math: string): string {
  const hidden = (text: string): string =>
    text.replace(/[*_|`[\]\\~]/g, (character) => `&#${character.charCodeAt(0)};`);
  return math.replace(/>([^<]+)</g, (_, text: string) => `>${hidden(text)}<`);
}

/** Relative links outside code, changed. */
export const withLinks = (markdown: string, relink: Relink): string =>
  outsideCode(markdown, (text) =>
    text.replace(
      RELATIVE_LINK,
      (_, target: string, anchor = '') => `](${relink(target)}${anchor})`,
    ),
  );

/** The notebook in the form that nbconvert gets. */
export function readyForPage(notebook: Notebook, toMathML: ToMathML, relink: Relink): Notebook {
  const readyCell = (cell: Cell): Cell => {
    if (cell.cell_type === 'markdown') {
      return { ...cell, source: withLinks(withMathML(sourceOf(cell), toMathML), relink) };
    }
    return cell.outputs ? { ...cell, outputs: cell.outputs.map(withAltText) } : cell;
  };
  return { ...notebook, cells: notebook.cells.map(readyCell) };
}

function withAltText<T extends NonNullable<Cell['outputs']>[number]>(output: T): T {
  if (!output.data?.['image/jpeg']) return output;
  const alt = { 'image/jpeg': { alt: textOf(output) } };
  return { ...output, metadata: { ...output.metadata, ...alt } };
}

/** Formulas in a font for formulas where there is one, and nothing wider than the page. */
const STYLE = `<style>
math { font-family: "Cambria Math", "STIX Two Math", "Latin Modern Math", "Noto Sans Math", math; }
math.tml-display { display: block; margin: 0.8em 0; overflow-x: auto; }
img { max-width: 100%; height: auto; }
</style>`;

/** nbconvert's page without its scripts: neither pictures nor MathML need one. */
export const withoutScripts = (html: string): string =>
  html.replace(/<script\b[\s\S]*?<\/script>/g, '').replace('</head>', `${STYLE}\n</head>`);

/**
 * How pages link to one another and to the repository. `page` and `pages` are paths below
 * notebooks/, such as `exercises/04-retention-in-three-forms.ipynb`; `repository` is a folder or an
 * address, as seen from the front page.
 */
export function relinkFor(page: string, pages: ReadonlySet<string>, repository: string): Relink {
  const here = posix.dirname(page);
  return (target) => {
    const meant = posix.normalize(posix.join(here, decodeURIComponent(target)));
    if (pages.has(meant)) return encodeURI(htmlName(posix.relative(here, meant)));
    const inRepository = posix.normalize(posix.join('notebooks', meant));
    if (/^[a-z]+:/.test(repository)) {
      return `${repository.replace(/\/$/, '')}/${encodeURI(inRepository)}`;
    }
    const front = posix.relative(here, '.') || '.';
    return encodeURI(posix.join(front, repository, inRepository));
  };
}

/** The page of a notebook: `04-a.html` of `04-a.ipynb`. */
export const htmlName = (notebook: string): string => notebook.replace(/\.ipynb$/, '.html');
