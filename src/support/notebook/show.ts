/**
 * Puts a figure or a table into a notebook.
 *
 * A figure is one message with two forms: Plotly's description, which JupyterLab draws, and its
 * caption as text. The kernel's public display function sends one form at a time and only strings,
 * so we use the internal function below it. Outside a notebook the text goes to the console.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Figure } from '../figures/figure';

/** MIME type → content. */
type Bundle = Record<string, unknown>;
/** `update`: replaces what was displayed under the same `display_id` (a field of `transient`). */
export type Write = (
  message: { data: Bundle; metadata: object; transient: object },
  update: boolean,
) => void;

function display(bundle: Bundle): void {
  const write = kernelWrite();
  if (write) write({ data: bundle, metadata: {}, transient: {} }, false);
  else console.log(bundle['text/plain']);
}

/** The kernel's own function for displays; absent in a test or a script. */
export function kernelWrite(): Write | undefined {
  const require = createRequire(join(process.cwd(), 'package.json'));
  const loaded = Object.keys(require.cache).find((path) =>
    /tslab[\\/]dist[\\/]jupyter\.js$/.test(path),
  );
  if (loaded === undefined) return undefined;
  const kernel: { lastWriteDisplayData?: Write | null } = require.cache[loaded]?.exports;
  return kernel.lastWriteDisplayData ?? undefined;
}

/** The two forms of a figure. */
export function bundleOf({ data, layout, caption }: Figure): Bundle {
  const plotly = {
    data,
    layout: { width: 760, height: 420, ...layout },
    config: { responsive: true },
  };
  return { 'application/vnd.plotly.v1+json': plotly, 'text/plain': caption };
}

/** Draws a figure. */
export const show = (figure: Figure): void => display(bundleOf(figure));

/** Four digits are enough to compare, and are the same on every engine. */
export function rounded(x: number): string {
  if (Number.isInteger(x)) return (x + 0).toLocaleString('en-US'); // + 0: no "-0"
  const isPlain = Math.abs(x) >= 1e-3 && Math.abs(x) < 1e6;
  return isPlain ? String(Number(x.toPrecision(4))) : x.toExponential(1);
}

export type Entry = string | number;

/** A table; numbers are rounded. */
export function showTable(head: string[], rows: Entry[][]): void {
  const texts = [head];
  for (const row of rows) {
    texts.push(row.map((entry) => (typeof entry === 'number' ? rounded(entry) : entry)));
  }
  display({ 'text/html': htmlTable(texts), 'text/plain': plainTable(texts) });
}

function plainTable(rows: string[][]): string {
  const widths = rows[0].map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  const lines: string[] = [];
  for (const row of rows) {
    const cells = row.map((cell, column) => cell.padEnd(widths[column]));
    lines.push(cells.join('  ').trimEnd());
  }
  return lines.join('\n');
}

function htmlTable([head, ...rows]: string[][]): string {
  const htmlRow = (tag: 'th' | 'td', row: string[]): string => {
    const cells = row.map((text) => `<${tag} style="text-align:left">${escaped(text)}</${tag}>`);
    return `<tr>${cells.join('')}</tr>`;
  };
  const body = rows.map((row) => htmlRow('td', row)).join('');
  return `<table><thead>${htmlRow('th', head)}</thead><tbody>${body}</tbody></table>`;
}

/** Text that HTML shows as it is. */
export const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
