/**
 * The memory of two models against the length of the text, as a drawing: for a page that has no
 * room for buttons. cache-growth.ts draws the same as a chart.
 */
import { type Drawing, Sketch, widthOf } from './drawing';
import { readableBytes } from './figure';
import { colourByName, gridColour, ink } from './palette';

export interface MemorySeries {
  name: string;
  /** One for each length. */
  bytes: readonly number[];
}

const PLOT = { left: 92, top: 44, width: 380, height: 230 };
const TICKS = 6;

/**
 * Two lines with a point at each length, on linear axes from 0; at the right end the sizes and how
 * many times the first is the second.
 *
 * @throws RangeError unless lengths rise, and each series has a positive size for each length.
 */
export function memoryGrowth(
  [first, second]: readonly [MemorySeries, MemorySeries],
  lengths: readonly number[],
  title: string,
): Drawing {
  const both = [first, second];
  check(both, lengths);
  const longest = lengths[lengths.length - 1];
  const ends = both.map(({ bytes }) => bytes[bytes.length - 1]);
  const step = 2 ** Math.ceil(Math.log2(Math.max(...ends) / TICKS));
  const most = step * Math.ceil(Math.max(...ends) / step);
  const xOf = (tokens: number) => PLOT.left + (tokens / longest) * PLOT.width;
  const yOf = (bytes: number) => PLOT.top + PLOT.height * (1 - bytes / most);

  const sketch = new Sketch();
  sketch.text(8, 20, 'bytes in the caches');
  const bottom = PLOT.top + PLOT.height;
  for (let bytes = 0; bytes <= most; bytes += step) {
    const y = yOf(bytes);
    const from: [number, number] = [PLOT.left, y];
    sketch.line([from, [PLOT.left + PLOT.width, y]], { stroke: gridColour, width: 1 });
    sketch.text(PLOT.left - 8, y + 5, readableBytes(bytes), { anchor: 'end' });
  }
  for (const tokens of [0, longest / 4, longest / 2, (3 * longest) / 4, longest]) {
    sketch.text(xOf(tokens), bottom + 22, String(tokens), { anchor: 'middle' });
  }
  const middle = PLOT.left + PLOT.width / 2;
  sketch.text(middle, bottom + 44, 'tokens of text', { anchor: 'middle' });

  for (const [i, { name, bytes }] of both.entries()) {
    const stroke = colourByName(name) ?? ink;
    const points = lengths.map((tokens, n) => [xOf(tokens), yOf(bytes[n])] as const);
    sketch.line(points, { stroke, width: 2.5, dash: i === 0 ? undefined : '9 5' });
    for (const [x, y] of points) {
      const radius = i === 0 ? 5 : undefined; // round, and square
      sketch.box(x - 5, y - 5, 10, 10, { fill: stroke, stroke, radius });
    }
    const [x, y] = points[points.length - 1];
    sketch.text(x + 12, y, name, { bold: true });
    sketch.text(x + 12, y + 18, readableBytes(ends[i]), { bold: true });
  }
  const [high, low] = ends.map((bytes) => yOf(bytes) + 4);
  const longestName = Math.max(...both.map(({ name }) => widthOf(name) * 1.08));
  const bracket = xOf(longest) + 12 + longestName + 8;
  const turn = bracket + 10;
  sketch.line(
    [
      [bracket, high],
      [turn, high],
      [turn, low],
      [bracket, low],
    ],
    { width: 2 },
  );
  const ratio = `${(ends[0] / ends[1]).toFixed(2)} ×`;
  sketch.text(turn + 8, (high + low) / 2 + 8, ratio, { size: 20, bold: true });

  const width = turn + 16 + widthOf(ratio, 20) * 1.1;
  const sizes = both.map(({ name }, i) => `${name} ${readableBytes(ends[i])}`);
  const caption = `${title}. At ${longest} tokens: ${sizes.join(', ')}, ${ratio} as much.`;
  return sketch.drawing(width, bottom + 58, title, caption);
}

function check(series: readonly MemorySeries[], lengths: readonly number[]): void {
  const rising = lengths.every((tokens, i) => tokens > (i === 0 ? 0 : lengths[i - 1]));
  if (lengths.length < 2 || !rising)
    throw new RangeError(
      `memoryGrowth: lengths are ${lengths.join(', ') || 'none'}; give two or more that rise.`,
    );
  for (const { name, bytes } of series) {
    if (bytes.length === lengths.length && bytes.every((size) => size > 0)) continue;
    throw new RangeError(
      `memoryGrowth: ${name} has ${bytes.length} sizes, ${bytes.join(', ')}, ` +
        `for ${lengths.length} lengths; give one above 0 for each.`,
    );
  }
}
