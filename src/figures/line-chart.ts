/** Lines and points against one another: the everyday picture, with units on its axes and a finding as its title. */
import { axis, type Figure } from './figure';
import { dashes, seriesColours } from './palette';

export interface Line {
  name: string;
  x: number[];
  y: number[];
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
}

export function lineChart(lines: Line[], { title, x, y, unit = '', logX = false, logY = false }: LineChartOptions): Figure {
  const digits = (value: number): string => `${Number(value.toPrecision(3))} ${unit}`.trimEnd();
  return {
    data: lines.map(({ name, mode = 'lines+markers', colour, ...line }, i) => {
      const color = colour ?? seriesColours[i % seriesColours.length];
      return { type: 'scatter', mode, name, ...line, line: { color, dash: dashes[i % dashes.length] }, marker: { color, size: 8, symbol: i } };
    }),
    layout: {
      title: { text: title },
      xaxis: axis(x, logX ? { type: 'log', dtick: 1 } : {}),
      yaxis: axis(unit ? `${y} (${unit})` : y, logY ? { type: 'log', dtick: 1 } : {}),
    },
    caption: `${title}. At the right end: ${lines.map(({ name, y: values }) => `${name} ${digits(values.at(-1) ?? Number.NaN)}`).join(', ')}.`,
  };
}
