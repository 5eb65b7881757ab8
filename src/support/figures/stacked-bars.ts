/** What a whole is made of, side by side: weights by part, a gap by cause. Bars of one scale, parts in one order. */
import { axis, type Figure } from './figure';
import { seriesColours } from './palette';

export interface Whole {
  name: string;
  /** Sizes by the name of the part. */
  parts: Record<string, number>;
}
export interface StackedBarsOptions {
  title: string;
  /** What is stacked, and its unit. */
  x: string;
  unit?: string;
}

/** Hatches, so that print without colour keeps the parts apart. */
const hatches = ['', '/', '.', 'x', '-', '\\', '+'] as const;

/** Lying bars, the first whole on top. A part that a whole lacks counts 0; negative parts go to the left. */
export function stackedBars(wholes: Whole[], { title, x, unit = '' }: StackedBarsOptions): Figure {
  const parts = [...new Set(wholes.flatMap((whole) => Object.keys(whole.parts)))];
  const size = (value: number): string =>
    `${Number(value.toPrecision(3)).toLocaleString('en-US')} ${unit}`.trimEnd();
  const told = wholes.map(
    ({ name, parts: own }) =>
      `${name} ${parts.map((part) => `${part} ${size(own[part] ?? 0)}`).join(', ')}`,
  );
  return {
    data: parts.map((part, i) => ({
      type: 'bar',
      orientation: 'h',
      name: part,
      y: wholes.map(({ name }) => name),
      x: wholes.map((whole) => whole.parts[part] ?? 0),
      marker: {
        color: seriesColours[i % seriesColours.length],
        pattern: { shape: hatches[i % hatches.length], fgopacity: 0.5 },
      },
    })),
    layout: {
      title: { text: title },
      barmode: 'relative',
      height: Math.max(280, 170 + 44 * wholes.length),
      xaxis: axis(unit ? `${x} (${unit})` : x),
      yaxis: axis('', { autorange: 'reversed', automargin: true }),
      legend: { traceorder: 'normal' },
    },
    caption: `${title}. ${told.join('; ')}.`,
  };
}
