/**
 * The size of a cache against the number of tokens in it, by formula and as measured.
 *
 * Both axes are logarithmic: a cache that grows with every token is a rising line, a state of fixed
 * size is a level one. Measured bytes are points, the formula is the line through them.
 */
import { type Figure, readableBytes } from './figure';
import { type Line, lineChart } from './line-chart';

export interface CacheSeries {
  name: string;
  /** Bytes by the formula, for any number of tokens. */
  formula: (tokens: number) => number;
  /** Bytes of a real cache. */
  measured?: readonly { tokens: number; bytes: number }[];
  colour?: string;
}

export function cacheGrowth(
  series: readonly CacheSeries[],
  lengths: readonly number[],
  title: string,
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
  const chart = lineChart(lines, { title, ...axes, logX: true, logY: true });
  return { ...chart, caption: `${title}. At ${longest} tokens: ${ends.join(', ')}.` };
}
