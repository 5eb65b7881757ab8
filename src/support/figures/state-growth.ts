/**
 * What each kind of memory weighs as the text gets longer: a line that rises, and lines that do not.
 *
 * Both axes are logarithmic, because growth is the point: a cache per token is a slope, a state is level ground.
 * Measured bytes are points, the formula is the line through them.
 */
import { axis, type Figure, readableBytes } from './figure';
import { dashes, seriesColours } from './palette';

export interface MemorySeries {
  name: string;
  /** Bytes by the formula, for any number of tokens. */
  formula: (tokens: number) => number;
  /** What was read off a real memory. */
  measured?: { tokens: number; bytes: number }[];
  colour?: string;
}

export function stateGrowth(series: MemorySeries[], lengths: number[], title: string): Figure {
  const longest = Math.max(...lengths);
  const all = series.flatMap(({ formula }) => lengths.map(formula));
  // Every 32-fold step: 1 KiB, 32 KiB, 1 MiB, … Plotly's own "1B" would be a billion bytes.
  const steps = Array.from({ length: 10 }, (_, i) => 2 ** (5 * i)).filter(
    (size) => size * 32 >= Math.min(...all) && size <= Math.max(...all) * 32,
  );
  return {
    data: series.flatMap(({ name, formula, measured = [], colour }, i) => {
      const color = colour ?? seriesColours[i % seriesColours.length];
      return [
        {
          type: 'scatter',
          mode: 'lines',
          name: `${name}, formula`,
          x: lengths,
          y: lengths.map(formula),
          line: { color, dash: dashes[i % dashes.length] },
        },
        {
          type: 'scatter',
          mode: 'markers',
          name: `${name}, measured`,
          x: measured.map((p) => p.tokens),
          y: measured.map((p) => p.bytes),
          marker: { color, size: 9, symbol: i },
          showlegend: measured.length > 0,
        },
      ];
    }),
    layout: {
      title: { text: title },
      xaxis: axis('tokens remembered', { type: 'log' }),
      yaxis: axis('bytes held', {
        type: 'log',
        tickvals: steps,
        ticktext: steps.map(readableBytes),
      }),
    },
    caption: `${title}. At ${longest} tokens: ${series.map(({ name, formula }) => `${name} ${readableBytes(formula(longest))}`).join(', ')}.`,
  };
}
