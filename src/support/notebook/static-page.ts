/**
 * What a notebook needs before it can stand alone as a page: formulas that no script draws, links that lead somewhere from
 * the page's own place, a text beside every picture; and, once it is HTML, no script at all.
 *
 * A formula becomes MathML, which browsers draw themselves: such a page reads the same without a network, in ten years, and
 * to a screen reader. The converter is handed in, so that what is done to the text can be tested without it.
 */
import { posix } from 'node:path';
import { type Notebook, sourceOf, textOf } from './notebook-file';

/** TeX → `<math>…</math>`. @throws Error if the TeX is wrong. */
export type ToMathML = (tex: string, display: boolean) => string;
/** Where a relative link of the notebook leads on the page; absent: nowhere else. */
export type Relink = (target: string) => string;

const CODE = /(```[\s\S]*?```|`[^`\n]*`)/;
const FORMULA =
  /\$\$([\s\S]+?)\$\$|(?<![\\$\w])\$(?![\s$])((?:[^$\n]|\n(?!\n))*?[^\s\\$])\$(?![\d$])/g;
/** Markdown must not see emphasis, table cells or links inside a formula. */
const hideFromMarkdown = (math: string): string =>
  math.replace(
    />([^<]+)</g,
    (_, text: string) => `>${text.replace(/[*_|`[\]\\~]/g, (c) => `&#${c.charCodeAt(0)};`)}<`,
  );

/** Every formula outside code, as MathML. @throws Error naming the formula that the converter refuses. */
export function withMathML(markdown: string, toMathML: ToMathML): string {
  const convert = (tex: string, display: boolean): string => {
    try {
      return hideFromMarkdown(toMathML(tex.trim(), display).replace(/\n/g, ' '));
    } catch (error) {
      throw new Error(`the formula ${tex.trim()} cannot be drawn: ${(error as Error).message}`);
    }
  };
  return markdown
    .split(CODE)
    .map((part, i) =>
      i % 2 === 1
        ? part
        : part.replace(FORMULA, (_, shown?: string, inline?: string) =>
            convert(shown ?? inline!, shown !== undefined),
          ),
    )
    .join('');
}

/** Relative links outside code, led elsewhere. */
export function withLinks(markdown: string, relink: Relink): string {
  const link = /\]\((?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?\)/g;
  return markdown
    .split(CODE)
    .map((part, i) =>
      i % 2 === 1
        ? part
        : part.replace(link, (_, target: string, anchor = '') => `](${relink(target)}${anchor})`),
    )
    .join('');
}

/** The notebook in the form that is handed to nbconvert. */
export function readyForPage(notebook: Notebook, toMathML: ToMathML, relink: Relink): Notebook {
  const cells = notebook.cells.map((cell) => {
    if (cell.cell_type === 'markdown')
      return { ...cell, source: withLinks(withMathML(sourceOf(cell), toMathML), relink) };
    const outputs = cell.outputs?.map((output) =>
      output.data?.['image/jpeg']
        ? { ...output, metadata: { ...output.metadata, 'image/jpeg': { alt: textOf(output) } } }
        : output,
    );
    return outputs ? { ...cell, outputs } : cell;
  });
  return { ...notebook, cells };
}

/** Formulas in a font for formulas where there is one, and nothing wider than the page. */
const STYLE = `<style>
math { font-family: "Cambria Math", "STIX Two Math", "Latin Modern Math", "Noto Sans Math", math; }
math.tml-display { display: block; margin: 0.8em 0; overflow-x: auto; }
img { max-width: 100%; height: auto; }
</style>`;

/** nbconvert's page without its scripts: pictures are pictures and formulas are MathML, so that none is needed. */
export const withoutScripts = (html: string): string =>
  html.replace(/<script\b[\s\S]*?<\/script>/g, '').replace('</head>', `${STYLE}\n</head>`);

/**
 * How pages link to one another and to the repository. `page` and `pages` are paths below notebooks/, such as
 * `exercises/04-retention-in-three-forms.ipynb`; `repository` is a folder or an address, as seen from the front page.
 */
export function relinkFor(page: string, pages: ReadonlySet<string>, repository: string): Relink {
  const here = posix.dirname(page);
  return (target) => {
    const meant = posix.normalize(posix.join(here, decodeURIComponent(target)));
    if (pages.has(meant))
      return encodeURI(posix.relative(here, meant).replace(/\.ipynb$/, '.html'));
    const inRepository = posix.normalize(posix.join('notebooks', meant));
    if (/^[a-z]+:/.test(repository))
      return `${repository.replace(/\/$/, '')}/${encodeURI(inRepository)}`;
    return encodeURI(posix.join(posix.relative(here, '.') || '.', repository, inRepository));
  };
}
