/**
 * Horizontal bars: the parts of a whole, or how several workers spent their time.
 */
import { axis, type Figure, withUnit } from './figure';
import { at, idleColour, patterns, seriesColours } from './palette';

export interface Whole {
  name: string;
  /** Sizes by the name of the part. */
  parts: Record<string, number>;
}
export interface StackedBarsOptions {
  /** The finding. */
  title: string;
  /** What is stacked, and its unit. */
  x: string;
  unit?: string;
}

/**
 * One bar per whole, the first on top, on one scale and with the parts in one order: weights by
 * part, a gap by cause. A part that a whole lacks counts 0; negative parts extend to the left.
 */
export function stackedBars(
  wholes: readonly Whole[],
  { title, x, unit = '' }: StackedBarsOptions,
): Figure {
  const parts = [...new Set(wholes.flatMap((whole) => Object.keys(whole.parts)))];
  const sizeOf = (whole: Whole, part: string) => whole.parts[part] ?? 0;
  const names = wholes.map((whole) => whole.name);
  const data = parts.map((part, i) => ({
    type: 'bar',
    orientation: 'h',
    name: part,
    y: names,
    x: wholes.map((whole) => sizeOf(whole, part)),
    marker: {
      color: at(seriesColours, i),
      pattern: { shape: at(patterns, i), fgopacity: 0.8 },
    },
    hovertemplate: `%{y}, ${part}: %{x:,.3~g} ${unit}<extra></extra>`,
  }));
  const layout = {
    title: { text: title },
    barmode: 'relative',
    height: Math.max(280, 170 + 44 * wholes.length),
    xaxis: axis(withUnit(x, unit)),
    yaxis: axis('', { autorange: 'reversed', automargin: true }),
    legend: { traceorder: 'normal' },
  };

  const inWords = (value: number) =>
    `${Number(value.toPrecision(3)).toLocaleString('en-US')} ${unit}`.trimEnd();
  const sentences = wholes.map((whole) => {
    const sizes = parts.map((part) => `${part} ${inWords(sizeOf(whole, part))}`);
    return `${whole.name} ${sizes.join(', ')}`;
  });
  return { data, layout, caption: `${title}. ${sentences.join('; ')}.` };
}

/** One row, and what filled it, in ms. */
export interface TimelineRow {
  name: string;
  spans: readonly { what: string; start: number; end: number }[];
}
export interface TimelineOptions {
  /** The finding. */
  title: string;
  /** The name of the spans in which nothing is computed. */
  idle?: string;
}

/**
 * Who did what when: one row per device, the first on top, time to the right. Work that each device
 * begins after its neighbour looks like a staircase; waiting is grey.
 */
export function timeline(
  rows: readonly TimelineRow[],
  { title, idle = 'wait' }: TimelineOptions,
): Figure {
  const spans = rows.flatMap(({ name, spans: own }) => own.map((span) => ({ name, ...span })));
  const work = [...new Set(spans.map(({ what }) => what))].filter((what) => what !== idle);
  const kinds = spans.some(({ what }) => what === idle) ? [...work, idle] : work; // waiting last

  const data: object[] = [];
  for (const [i, kind] of kinds.entries()) {
    const ofKind = spans.filter(({ what }) => what === kind);
    data.push({
      type: 'bar',
      orientation: 'h',
      name: kind,
      y: ofKind.map(({ name }) => name),
      base: ofKind.map(({ start }) => start),
      x: ofKind.map(({ start, end }) => end - start),
      marker: {
        color: kind === idle ? idleColour : at(seriesColours, i),
        line: { color: 'white', width: 0.5 },
      },
      hovertemplate: `%{y}, ${kind}: %{x:.1f} ms, from %{base:.1f} ms<extra></extra>`,
    });
  }
  const names = rows.map(({ name }) => name);
  const layout = {
    title: { text: title },
    barmode: 'overlay',
    xaxis: axis('time (ms)', { rangemode: 'tozero' }),
    yaxis: axis('', {
      autorange: 'reversed',
      categoryarray: names,
      categoryorder: 'array',
      automargin: true,
    }),
  };

  let [last, total, waiting] = [0, 0, 0];
  for (const { what, start, end } of spans) {
    last = Math.max(last, end);
    total += end - start;
    if (what === idle) waiting += end - start;
  }
  const caption =
    `${title}. ${rows.length} rows, done after ${last.toFixed(0)} ms; ` +
    `${total.toFixed(0)} ms in all of them together, ${waiting.toFixed(0)} ms of it waiting.`;
  return { data, layout, caption };
}
