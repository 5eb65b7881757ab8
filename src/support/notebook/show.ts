/**
 * Puts a figure or a table into a notebook.
 *
 * A figure is one message with two forms: Plotly's description, which JupyterLab draws, and its
 * caption as text. A drawing is SVG and its caption, and HTML if it has steps. The kernel's public
 * display function sends one form at a time and only strings, so we use the internal function below
 * it. Outside a notebook the text goes to the console.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Drawing } from '../figures/drawing';
import type { Figure } from '../figures/figure';
import { config, themed } from '../figures/theme';

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

/** What can be shown: a chart or a diagram. */
export type Picture = Figure | Drawing;

/** The forms of a picture, of which each reader of notebooks takes the one that it knows best. */
export function bundleOf(picture: Picture): Bundle {
  const words = { 'text/plain': picture.caption };
  if ('svg' in picture) {
    const steps = picture.html ? { 'text/html': picture.html } : {};
    return { ...steps, 'image/svg+xml': picture.svg, ...words };
  }
  const { data, layout } = picture;
  const plotly = { data, layout: themed(layout), config };
  return { 'application/vnd.plotly.v1+json': plotly, ...words };
}

/** Draws a picture. */
export const show = (picture: Picture): void => display(bundleOf(picture));

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
