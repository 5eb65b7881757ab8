/**
 * Puts a figure or a table into a notebook.
 *
 * A figure leaves as one message in two languages: Plotly's description, which JupyterLab draws live, and its caption as
 * text. The kernel's public display function sends one language at a time and strings only, so we use the door behind it;
 * outside a notebook the text goes to the console.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Figure } from '../figures/figure';

type Bundle = Record<string, unknown>;
/** `update`: in the place of what was displayed under the same `display_id` (a field of `transient`). */
export type Write = (
  message: { data: Bundle; metadata: object; transient: object },
  update: boolean,
) => void;

function display(bundle: Bundle): void {
  const write = kernelWrite();
  if (write) write({ data: bundle, metadata: {}, transient: {} }, false);
  else console.log(bundle['text/plain']);
}
/** The kernel's own writer; absent in a test or a script. */
export function kernelWrite(): Write | undefined {
  const require = createRequire(join(process.cwd(), 'package.json'));
  const loaded = Object.keys(require.cache).find((path) =>
    /tslab[\\/]dist[\\/]jupyter\.js$/.test(path),
  );
  const kernel =
    loaded === undefined
      ? undefined
      : (require.cache[loaded]?.exports as { lastWriteDisplayData?: Write | null } | undefined);
  return kernel?.lastWriteDisplayData ?? undefined;
}

/** The two languages of a figure. */
export const bundleOf = ({ data, layout, caption }: Figure): Bundle => ({
  'application/vnd.plotly.v1+json': {
    data,
    layout: { width: 760, height: 420, ...layout },
    config: { responsive: true },
  },
  'text/plain': caption,
});

/** Draws a figure. */
export const show = (figure: Figure): void => display(bundleOf(figure));

export type Entry = string | number;
const text = (entry: Entry): string => (typeof entry === 'number' ? rounded(entry) : entry);
/** Four digits are enough to compare, and are the same on every engine. */
export const rounded = (x: number): string => {
  if (Number.isInteger(x)) return x.toLocaleString('en-US');
  return Math.abs(x) >= 1e-3 && Math.abs(x) < 1e6
    ? String(Number(x.toPrecision(4)))
    : x.toExponential(1);
};
const escaped = (s: string): string =>
  s.replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c]!);

/** A table, the first row of `rows` being its head. */
export function showTable(head: string[], rows: Entry[][]): void {
  const cells = [head, ...rows.map((row) => row.map(text))];
  const widths = head.map((_, column) =>
    Math.max(...cells.map((row) => (row[column] ?? '').length)),
  );
  const plain = cells
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
  const rowOf = (tag: string, row: string[]): string =>
    `<tr>${row.map((cell) => `<${tag} style="text-align:left">${escaped(cell)}</${tag}>`).join('')}</tr>`;
  const html = `<table><thead>${rowOf('th', cells[0])}</thead><tbody>${cells
    .slice(1)
    .map((row) => rowOf('td', row))
    .join('')}</tbody></table>`;
  display({ 'text/html': html, 'text/plain': plain });
}
