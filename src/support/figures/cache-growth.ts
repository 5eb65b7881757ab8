/**
 * The size of a cache against the number of tokens in it, by formula and as measured.
 *
 * On logarithmic axes a cache that grows with every token is a rising line, and a state of fixed
 * size is a level one. On linear axes one sees how many times larger one cache is than another.
 * Measured bytes are points, the formula is the line through them.
 */
import { type Figure, readableBytes } from './figure';
import { type Line, lineChart } from './line-chart';
import { colourByName, ink } from './palette';

export interface CacheSeries {
  name: string;
  /** Bytes by the formula, for any number of tokens. */
  formula: (tokens: number) => number;
  /** Bytes of a real cache. */
  measured?: readonly { tokens: number; bytes: number }[];
  /** By default that of the model in the name. */
  colour?: string;
}
export interface CacheGrowthOptions {
  /**
   * Linear axes from 0, the sizes at the right end in words, and between the first two of them a
   * bracket with their ratio.
   */
  linear?: boolean;
}

export function cacheGrowth(
  series: readonly CacheSeries[],
  lengths: readonly number[],
  title: string,
  { linear = false }: CacheGrowthOptions = {},
): Figure {
  const longest = Math.max(...lengths);
  const lines: Line[] = [];
  const ends: string[] = [];
  for (const [style, { name, formula, measured = [], colour }] of series.entries()) {
    const bytes = lengths.map((tokens) => formula(tokens));
    const shared = { colour, style };
    lines.push({ ...shared, name: `${name}, formula`, x: lengths, y: bytes, mode: 'lines' });
    ends.push(`${name} ${readableBytes(formula(longest))}`);
    if (measured.length === 0) continue;
    lines.push({
      ...shared,
      name: `${name}, measured`,
      x: measured.map((point) => point.tokens),
      y: measured.map((point) => point.bytes),
      mode: 'markers',
    });
  }
  const axes = { x: 'tokens in the cache', y: 'size of the cache', unit: 'bytes' };
  const chart = lineChart(lines, { title, ...axes, logX: !linear, logY: !linear });
  const caption = `${title}. At ${longest} tokens: ${ends.join(', ')}.`;
  if (!linear) return { ...chart, caption };

  const { xaxis, yaxis, ...rest } = chart.layout as { xaxis: object; yaxis: object };
  const layout = {
    ...rest,
    xaxis: { ...xaxis, range: [0, longest * 1.02] },
    yaxis: { ...yaxis, rangemode: 'tozero' },
    height: 460,
    margin: { l: 80, r: 170, t: 70, b: 120 },
    legend: { orientation: 'h', y: -0.22, yanchor: 'top' },
    ...endsAndBracket(series, longest),
  };
  const [first, second] = series.map(({ formula }) => formula(longest));
  const ratio = second ? ` ${(first / second).toFixed(2)} times as much.` : '';
  return { ...chart, layout, caption: caption + ratio };
}

/** Beside the right end of each line its size, and right of the first two a bracket. */
function endsAndBracket(series: readonly CacheSeries[], longest: number): object {
  const sizes = series.map(({ formula }) => formula(longest));
  const beside = { xref: 'paper', x: 1, xanchor: 'left', yref: 'y', showarrow: false } as const;
  const annotations: object[] = series.map(({ name, colour }, i) => ({
    ...beside,
    y: sizes[i],
    text: `<b>${readableBytes(sizes[i])}</b>`,
    font: { color: colour ?? colourByName(name) ?? ink },
  }));
  if (sizes.length < 2) return { annotations };
  const [high, low] = sizes;
  const text = `${(high / low).toFixed(2)} ×`;
  annotations.push({ ...beside, xshift: 92, y: (high + low) / 2, text, font: { size: 20 } });
  // in pixels right of the plot, from one end to the other
  const line = { color: ink, width: 2 };
  const [inner, outer] = [76, 86];
  const stroke = (x0: number, y0: number, x1: number, y1: number) => {
    const place = { xref: 'paper', xsizemode: 'pixel', xanchor: 1, yref: 'y' } as const;
    return { type: 'line', ...place, x0, y0, x1, y1, line };
  };
  const shapes = [
    stroke(inner, high, outer, high),
    stroke(outer, high, outer, low),
    stroke(outer, low, inner, low),
  ];
  return { annotations, shapes };
}
