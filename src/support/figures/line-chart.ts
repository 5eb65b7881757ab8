/** Lines and points against one another: the everyday picture, with units on its axes and a finding as its title. */
import { axis, type Figure } from './figure';
import { dashes, seriesColours } from './palette';

export interface Line {
  name: string;
  x: number[];
  y: number[];
  /** The smallest and the largest of several runs, drawn as a bar through each point. */
  low?: number[];
  high?: number[];
  /** Points for what was measured, lines for formulas, both for a curve through measurements. Default both. */
  mode?: 'lines' | 'markers' | 'lines+markers';
  colour?: string;
}
export interface LineChartOptions {
  title: string;
  /** The words under and beside the picture. */
  x: string;
  y: string;
  /** Of y. */
  unit?: string;
  /** Logarithmic axes, where growth is the point. */
  logX?: boolean;
  logY?: boolean;
  /** Words under the points instead of their numbers: letters, names. One for each x of the first line. */
  xLabels?: readonly string[];
}

export function lineChart(
  lines: Line[],
  { title, x, y, unit = '', logX = false, logY = false, xLabels }: LineChartOptions,
): Figure {
  const digits = (value: number): string => `${Number(value.toPrecision(3))} ${unit}`.trimEnd();
  // On a logarithmic axis Plotly labels powers of ten only; the lengths that were measured say more.
  const met = [...new Set(lines.flatMap((line) => line.x))].sort((a, b) => a - b);
  const named = xLabels ? { tickvals: lines[0]?.x ?? [], ticktext: xLabels, tickangle: 0 } : {};
  const measured =
    logX && met.length <= 8
      ? {
          tickvals: met,
          ticktext: met.map((at) => at.toLocaleString('en-US', { maximumSignificantDigits: 7 })),
        }
      : logTicks(met);
  return {
    data: lines.map(({ name, mode = 'lines+markers', colour, low, high, ...line }, i) => {
      const color = colour ?? seriesColours[i % seriesColours.length];
      const error_y =
        low && high
          ? {
              type: 'data',
              symmetric: false,
              array: line.y.map((y, j) => high[j] - y),
              arrayminus: line.y.map((y, j) => y - low[j]),
              width: 3,
            }
          : undefined;
      const bars = error_y ? { error_y } : {};
      return {
        type: 'scatter',
        mode,
        name,
        ...line,
        ...bars,
        line: { color, dash: dashes[i % dashes.length] },
        marker: { color, size: 8, symbol: i },
      };
    }),
    layout: {
      title: { text: title },
      xaxis: axis(x, logX ? { type: 'log', ...measured } : named),
      yaxis: axis(
        unit ? `${y} (${unit})` : y,
        logY
          ? {
              type: 'log',
              exponentformat: 'power',
              ...logTicks(lines.flatMap(({ y: values }) => values)),
            }
          : {},
      ),
    },
    caption: `${title}. At the right end: ${lines.map(({ name, y: values }) => `${name} ${digits(values.at(-1) ?? Number.NaN)}`).join(', ')}.`,
  };
}

/** Marks of a logarithmic axis: powers of ten over a wide range, 1, 2 and 5 over a smaller one, a few round numbers within a decade. */
function logTicks(values: number[]): object {
  const all = values.filter((value) => value > 0);
  const [least, most] = [Math.min(...all), Math.max(...all)];
  const decades = Math.log10(most / least);
  if (decades > 2) return { dtick: 1 };
  if (decades > 0.8) return { dtick: 'D2' };
  const marks = Array.from({ length: 5 }, (_, i) =>
    Number((least * (most / least) ** (i / 4)).toPrecision(2)),
  );
  const tickvals = [...new Set(marks)];
  return { tickvals, ticktext: tickvals.map(String) };
}
