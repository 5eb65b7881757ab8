/**
 * Who did what when: one row per device, time to the right. A wave shows as a staircase, waiting as grey.
 */
import { axis, type Figure } from './figure';
import { seriesColours } from './palette';

/** One row, and what filled it, in ms. */
export interface TimelineRow {
  name: string;
  spans: { what: string; start: number; end: number }[];
}
const waiting = '#BBBBBB';

/** `idle` names the spans that are waiting. The first row is drawn on top. */
export function timeline(
  rows: TimelineRow[],
  { title, idle = 'wait' }: { title: string; idle?: string },
): Figure {
  const kinds = [...new Set(rows.flatMap(({ spans }) => spans.map(({ what }) => what)))].sort(
    (a, b) => Number(a === idle) - Number(b === idle), // in the order of the work, waiting last
  );
  const total = (name?: string): number =>
    rows
      .flatMap(({ spans }) => spans)
      .reduce(
        (sum, { what, start, end }) =>
          sum + (name === undefined || what === name ? end - start : 0),
        0,
      );
  const last = Math.max(0, ...rows.flatMap(({ spans }) => spans.map(({ end }) => end)));
  return {
    data: kinds.map((kind, i) => {
      const of = rows.flatMap(({ name, spans }) =>
        spans.filter(({ what }) => what === kind).map(({ start, end }) => ({ name, start, end })),
      );
      return {
        type: 'bar',
        orientation: 'h',
        name: kind,
        y: of.map(({ name }) => name),
        base: of.map(({ start }) => start),
        x: of.map(({ start, end }) => end - start),
        marker: {
          color: kind === idle ? waiting : seriesColours[i % seriesColours.length],
          line: { color: 'white', width: 0.5 },
        },
      };
    }),
    layout: {
      title: { text: title },
      barmode: 'overlay',
      xaxis: axis('time (ms)', { rangemode: 'tozero' }),
      yaxis: axis('', {
        autorange: 'reversed',
        categoryarray: rows.map(({ name }) => name),
        categoryorder: 'array',
        automargin: true,
      }),
    },
    caption: `${title}. ${rows.length} rows, done after ${last.toFixed(0)} ms; ${total().toFixed(0)} ms in all of them together, ${total(idle).toFixed(0)} ms of it waiting.`,
  };
}
