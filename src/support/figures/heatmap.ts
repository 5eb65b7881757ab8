/**
 * A table of numbers as colours: masks, attention weights, gates, needles by depth and length.
 */
import { axis, type Figure, rounded, tickLabels, visible } from './figure';
import { magnitude, signed as signedColours } from './palette';

/** A matrix of so many rows and columns at most has its numbers in its cells. */
const NUMBERS = 12;
const inCells = { texttemplate: '%{z:.2~g}', textfont: { size: 12 } };

/** [rows][columns]; null is blank. */
type Rows = readonly (readonly (number | null)[])[];
type Labels = readonly (string | number)[];

export interface HeatmapOptions {
  /** The finding. */
  title: string;
  /** What the columns and the rows are. */
  x: string;
  y: string;
  /** Under the columns and beside the rows, instead of their numbers. */
  xLabels?: Labels;
  yLabels?: Labels;
  /** What a number is: 'weight'. */
  value?: string;
  /** The range of the colours; by default from 0 to the largest number. */
  range?: readonly [number, number];
  /** Colours from −largest to largest, with white at 0. */
  signed?: boolean;
  /**
   * Rows are positions and columns the positions that they see. Those after a row's own are blank;
   * the last row belongs to the last column.
   */
  causal?: boolean;
  /** The caption compares the means of the rows. */
  rowMeans?: boolean;
}

/** `rows` [rows][columns], the first row on top; null is blank: not 0, but absent. */
export function heatmap(rows: Rows, options: HeatmapOptions): Figure {
  const { title, x, y, value = '', signed = false, causal = false } = options;
  const shown = causal ? blankFuture(rows) : rows;
  const numbers = shown.flat().filter((n): n is number => n !== null);
  const largest = numbers.reduce((most, n) => Math.max(most, Math.abs(n)), 0);
  const [zmin, zmax] = options.range ?? [signed ? -largest : 0, largest];

  const trace = {
    type: 'heatmap',
    z: shown,
    zmin,
    zmax,
    colorscale: signed ? signedColours : magnitude,
    colorbar: { title: { text: value } },
    ...hoverOf(shown, options),
    ...(shown.length <= NUMBERS && (shown[0]?.length ?? 0) <= NUMBERS && inCells),
    xgap: 1,
    ygap: 1,
  };
  const bare = { zeroline: false, showgrid: false };
  const square = causal ? { constrain: 'domain' } : {};
  const layout = {
    title: { text: title },
    xaxis: axis(x, { ...bare, ...ticksOf(options.xLabels, rows[0]?.length ?? 0), ...square }),
    yaxis: axis(y, {
      ...bare,
      autorange: 'reversed',
      ...ticksOf(options.yLabels, rows.length),
      ...square,
      ...(causal && { scaleanchor: 'x' }),
    }),
  };
  return { data: [trace], layout, caption: `${title}: ${inWords(shown, numbers, options)}.` };
}

/** Without what comes after a row's own column. */
function blankFuture(rows: Rows): Rows {
  const before = (rows[0]?.length ?? 0) - rows.length; // columns before the first row's own
  return rows.map((row, n) => row.map((value, m) => (m <= n + before ? value : null)));
}

/** Labels if there are any, every number if there are few, else Plotly's choice. */
function ticksOf(labels: Labels | undefined, count: number): object {
  if (!labels) return count <= 10 ? { dtick: 1 } : {};
  const letters = labels.every((label) => String(label).length === 1);
  return { ...tickLabels(labels), ...(letters && { tickangle: 0 }) };
}

/** Under the pointer: words instead of the numbers of rows and columns, where there are any. */
function hoverOf(rows: Rows, { x, y, value = '', xLabels, yLabels }: HeatmapOptions): object {
  if (!xLabels && !yLabels) return { hovertemplate: hoverText(x, y, value) };
  const labelled = (labels: Labels | undefined, i: number) => visible(String(labels?.[i] ?? i));
  const customdata = rows.map((row, n) =>
    row.map((_, m) => [labelled(xLabels, m), labelled(yLabels, n)]),
  );
  const places = hoverText(x, y, value);
  const hovertemplate = places
    .replace('%{x}', '%{customdata[0]}')
    .replace('%{y}', '%{customdata[1]}');
  return { customdata, hovertemplate };
}

const hoverText = (x: string, y: string, value: string): string => {
  const place = [y && `${y} %{y}`, x && `${x} %{x}`].filter(Boolean).join(', ');
  const number = `%{z:.3~g} ${value}`.trimEnd();
  return `${place}: ${number}<extra></extra>`;
};

function inWords(
  rows: Rows,
  numbers: readonly number[],
  { y, yLabels, causal, rowMeans }: HeatmapOptions,
): string {
  const sum = numbers.reduce((total, n) => total + n, 0);
  const parts = [
    `${rows.length} × ${rows[0]?.length ?? 0}, ${numbers.length} of them shown`,
    `from ${rounded(Math.min(...numbers))} to ${rounded(Math.max(...numbers))}`,
    `mean ${rounded(sum / Math.max(1, numbers.length))}`,
  ];
  if (causal) parts.push(`${rounded(rows.at(-1)?.[0] ?? 0)} at the bottom left`);
  if (rowMeans) {
    const means = rows.map((row) => meanOf(row.filter((n): n is number => n !== null)));
    const named = (mean: number) => {
      const row = means.indexOf(mean);
      return `${rounded(mean)} (${y} ${yLabels?.[row] ?? row})`;
    };
    parts.push(`row means from ${named(Math.min(...means))} to ${named(Math.max(...means))}`);
  }
  return parts.join(', ');
}

const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
