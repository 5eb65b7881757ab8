/**
 * How equal the equal forms are: the worst difference of each comparison, and the line that a test would not let it cross.
 *
 * The axis is logarithmic: one step is one decimal digit. A difference of exactly 0 cannot stand there; it is drawn at the
 * left edge and its label says 0.
 */
import { axis, type Figure } from './figure';
import { seriesColours } from './palette';

export interface Agreement {
  /** "chunkwise against recurrent" */
  name: string;
  worst: number;
  allowed: number;
}

export function formsAgreement(rows: Agreement[], title: string): Figure {
  const drawn = rows.map(({ worst }) => Math.max(worst, 1e-9));
  const names = rows.map(({ name }) => name);
  const label = (x: number) => (x === 0 ? '0' : x >= 0.01 ? x.toPrecision(2) : x.toExponential(1));
  const inside = rows.filter(({ worst, allowed }) => worst <= allowed).length;
  return {
    data: [
      {
        type: 'scatter',
        mode: 'markers+text',
        name: 'worst difference',
        x: drawn,
        y: names,
        text: rows.map(({ worst }) => label(worst)),
        textposition: 'top center',
        marker: { color: seriesColours[0], size: 11 },
      },
      {
        type: 'scatter',
        mode: 'markers',
        name: 'allowed',
        x: rows.map(({ allowed }) => allowed),
        y: names,
        marker: { color: seriesColours[1], size: 16, symbol: 'line-ns-open' },
      },
    ],
    layout: {
      title: { text: title },
      xaxis: axis('worst difference of any number', { type: 'log', exponentformat: 'power' }),
      yaxis: axis('', { automargin: true, autorange: 'reversed' }),
    },
    caption:
      `${title}: ${inside} of ${rows.length} comparisons are within what is allowed; ` +
      `the largest difference is ${label(Math.max(...rows.map(({ worst }) => worst)))}.`,
  };
}
