/** A table of numbers as colours: masks, attention weights, needles found by depth and length. */
import { axis, type Figure } from './figure';
import { magnitude, signed } from './palette';

export interface GridOptions {
  title: string;
  /** What the columns and the rows are. */
  x: string;
  y: string;
  xLabels?: (string | number)[];
  yLabels?: (string | number)[];
  /** The meaning of a cell. */
  value?: string;
  /** The range of colours; `signed` colours run from −limit to limit with white at 0. Default: from 0 to the largest. */
  range?: [number, number];
  signed?: boolean;
}

/** `rows` [rows][columns], the first row on top; null is blank: not dark, not there. */
export function gridHeatmap(
  rows: (number | null)[][],
  { title, x, y, xLabels, yLabels, value = '', range, signed: twoSided }: GridOptions,
): Figure {
  const numbers = rows.flat().filter((n): n is number => n !== null);
  const largest = numbers.reduce((most, n) => Math.max(most, Math.abs(n)), 0);
  const [zmin, zmax] = range ?? (twoSided ? [-largest, largest] : [0, largest]);
  const ticks = (labels?: (string | number)[]): object =>
    labels ? { tickvals: labels.map((_, i) => i), ticktext: labels.map(String) } : {};
  const mean = numbers.reduce((sum, n) => sum + n, 0) / Math.max(1, numbers.length);
  return {
    data: [
      {
        type: 'heatmap',
        z: rows,
        zmin,
        zmax,
        colorscale: twoSided ? signed : magnitude,
        colorbar: { title: { text: value } },
      },
    ],
    layout: {
      title: { text: title },
      xaxis: axis(x, { zeroline: false, showgrid: false, ...ticks(xLabels) }),
      yaxis: axis(y, {
        zeroline: false,
        showgrid: false,
        autorange: 'reversed',
        ...ticks(yLabels),
      }),
    },
    caption: `${title}: ${rows.length} × ${rows[0]?.length ?? 0}, ${numbers.length} of them shown, from ${Number(Math.min(...numbers).toPrecision(3))} to ${Number(Math.max(...numbers).toPrecision(3))}, mean ${Number(mean.toPrecision(3))}.`,
  };
}
