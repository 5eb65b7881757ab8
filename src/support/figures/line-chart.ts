/**
 * Lines and points in one coordinate system, with linear or logarithmic axes.
 *
 * Measured values are points, formulas are lines; several runs are their mean with a bar from the
 * smallest to the largest; what they are compared with is a level line.
 */
import { axis, type Figure, readableBytes, rounded, tickLabels, visible, withUnit } from './figure';
import { at, coloursFor, dashes, levelColour } from './palette';

export interface Line {
  name: string;
  x: readonly number[];
  y: readonly number[];
  /** The smallest and the largest of several runs, drawn as a bar through each point. */
  low?: readonly number[];
  high?: readonly number[];
  /** Points for what was measured, lines for formulas, both for a curve through measurements. */
  mode?: 'lines' | 'markers' | 'lines+markers';
  /** By default that of the model in its name, else the next one that is free. */
  colour?: string;
  /**
   * The number of its dash and symbol; by default its place in the list. A formula and its
   * measurements have the same.
   */
  style?: number;
}

export interface LineChartOptions {
  /** The finding. */
  title: string;
  /** The titles of the axes. */
  x: string;
  y: string;
  /** Of y. 'bytes' are written as KiB, MiB, … */
  unit?: string;
  logX?: boolean;
  logY?: boolean;
  /** Words instead of numbers under the points: letters, names. One per x of the first line. */
  xLabels?: readonly string[];
  /** Values to compare with, as dotted horizontal lines. */
  levels?: readonly { name: string; y: number }[];
}

/** @throws RangeError if a line has not one y (low, high) for each x. */
export function lineChart(lines: readonly Line[], options: LineChartOptions): Figure {
  const { title, unit = '', levels = [] } = options;
  const xs = lines.flatMap((line) => line.x);

  const styles = lines.map((line, i) => line.style ?? i);
  const first = styles.map((style) => lines[styles.indexOf(style)].name); // of the same style
  const colours = coloursFor([...new Set(first)]);
  const colourOf = (i: number) => colours[[...new Set(first)].indexOf(first[i])];

  const data: object[] = [];
  const ends: string[] = [];
  for (const [i, line] of lines.entries()) {
    checkLengths(line);
    data.push({ ...traceOf(line, styles[i], colourOf(i)), ...hoverOf(line, options) });
    ends.push(`${line.name}: ${endOf(line, unit)}`);
  }
  for (const level of levels) {
    const x = [Math.min(...xs), Math.max(...xs)];
    const line = { color: levelColour, dash: 'dot' };
    const own = { name: level.name, x, y: [level.y, level.y] };
    data.push({ type: 'scatter', mode: 'lines', ...own, line, ...hoverOf(own, options) });
    ends.push(`${level.name}: ${inWords(level.y, unit)}`);
  }
  const layout = {
    title: { text: title },
    xaxis: xAxis(lines, options),
    yaxis: yAxis(data, options),
  };
  return { data, layout, caption: `${title}. At the right end, ${ends.join('; ')}.` };
}

/** The mean of several runs at each point, with the smallest and the largest: part of a `Line`. */
export function meanAndRange(runs: readonly (readonly number[])[]): {
  y: number[];
  low: number[];
  high: number[];
} {
  const points = runs[0]?.length;
  if (points === undefined || runs.some((run) => run.length !== points))
    throw new RangeError(
      `meanAndRange: the runs have ${runs.map((run) => run.length).join(', ') || 'no'} points; ` +
        'give one or more runs, each with as many points.',
    );
  const range = { y: [] as number[], low: [] as number[], high: [] as number[] };
  for (let i = 0; i < points; i++) {
    const values = runs.map((run) => run[i]);
    range.y.push(values.reduce((sum, value) => sum + value, 0) / values.length);
    range.low.push(Math.min(...values));
    range.high.push(Math.max(...values));
  }
  return range;
}

function checkLengths({ name, x, y, low = y, high = y }: Line): void {
  for (const values of [y, low, high]) {
    if (values.length === x.length) continue;
    throw new RangeError(
      `lineChart: ${name} has ${x.length} x and ${values.length} y (or low, or high); ` +
        'give one for each x.',
    );
  }
}

function traceOf(
  { name, x, y, low, high, mode, colour }: Line,
  style: number,
  ownColour: string,
): object {
  const color = colour ?? ownColour;
  const trace = {
    type: 'scatter',
    mode: mode ?? 'lines+markers',
    name,
    x,
    y,
    line: { color, dash: at(dashes, style) },
    marker: { color, size: 8, symbol: style },
  };
  if (!low || !high) return trace;
  const bars = {
    type: 'data',
    symmetric: false,
    array: y.map((value, i) => high[i] - value),
    arrayminus: y.map((value, i) => value - low[i]),
    color,
    thickness: 1.5,
    width: 4,
  };
  return { ...trace, error_y: bars };
}

/** Under the pointer: the name, the value with its unit, and where. */
function hoverOf({ name, y, x: places }: Line, { x, unit = '', xLabels }: LineChartOptions) {
  const where = xLabels ? '%{customdata}' : `%{x:,} ${x}`;
  const inBytes = unit === 'bytes';
  const value = inBytes ? '%{text}' : `%{y:.3~g} ${unit}`.trimEnd();
  return {
    ...(inBytes && { text: y.map(readableBytes) }),
    ...(xLabels && { customdata: places.map((_, i) => visible(xLabels[i] ?? '')) }),
    hovertemplate: `${name}: ${value}<br>${where}<extra></extra>`,
  };
}

/** '2.5 nats', or with a range '2.5 nats (2 to 3)'. */
function endOf({ y, low, high }: Line, unit: string): string {
  const last = (values: readonly number[]) => values.at(-1) ?? Number.NaN;
  const end = inWords(last(y), unit);
  if (!low || !high) return end;
  return `${end} (${rounded(last(low))} to ${rounded(last(high))})`;
}

const inWords = (value: number, unit: string): string =>
  unit === 'bytes' ? readableBytes(value) : rounded(value, unit);

function xAxis(lines: readonly Line[], { x, logX, xLabels }: LineChartOptions): object {
  if (xLabels) return axis(x, { ...tickLabels(xLabels, lines[0]?.x), tickangle: 0 });
  if (!logX) return axis(x);
  // Plotly labels only powers of ten on a logarithmic axis; few measured lengths are better marks.
  const values = [...new Set(lines.flatMap((line) => line.x))].sort((a, b) => a - b);
  if (values.length > 8) return axis(x, { type: 'log', ...logTicks(values) });
  const label = (value: number) => value.toLocaleString('en-US', { maximumSignificantDigits: 7 });
  return axis(x, { type: 'log', tickvals: values, ticktext: values.map(label) });
}

function yAxis(data: readonly object[], { y, unit = '', logY }: LineChartOptions): object {
  const values = (data as { y: number[] }[]).flatMap((trace) => trace.y);
  if (unit === 'bytes') {
    const ticks = byteTicks(values, logY);
    return axis(y, {
      ...(logY && { type: 'log' }),
      tickvals: ticks,
      ticktext: ticks.map(readableBytes),
    });
  }
  const title = withUnit(y, unit);
  if (!logY) return axis(title);
  return axis(title, { type: 'log', exponentformat: 'power', ...logTicks(values) });
}

/**
 * The marks of a logarithmic axis: powers of ten over a wide range, 1, 2 and 5 over a smaller one,
 * five round numbers within a decade.
 */
function logTicks(values: readonly number[]): object {
  const positive = values.filter((value) => value > 0);
  const least = Math.min(...positive);
  const most = Math.max(...positive);
  const decades = Math.log10(most / least);
  if (decades > 2) return { dtick: 1 };
  if (decades > 0.8) return { dtick: 'D2' };
  const marks = new Set<number>();
  for (let i = 0; i < 5; i++) {
    const mark = least * (most / least) ** (i / 4);
    marks.add(Number(mark.toPrecision(2)));
  }
  const tickvals = [...marks];
  return { tickvals, ticktext: tickvals.map(String) };
}

/** About six marks at round numbers of bytes; Plotly's own '1B' would be a billion bytes. */
function byteTicks(values: readonly number[], logarithmic = false): number[] {
  const positive = values.filter((value) => value > 0);
  const least = Math.min(...positive);
  const most = Math.max(...positive);
  const ticks: number[] = [];
  if (logarithmic) {
    const factor = 2 ** Math.max(1, Math.ceil(Math.log2(most / least) / 6));
    for (let size = 1; size <= most; size *= factor) if (size >= least) ticks.push(size);
  } else {
    const step = 2 ** Math.ceil(Math.log2(most / 6));
    for (let size = 0; size <= most; size += step) ticks.push(size);
  }
  return ticks;
}
