/**
 * A figure is a description: plain numbers go in, a Plotly object comes out. It can be tested
 * without a browser, saved in a notebook and drawn elsewhere.
 */
export interface Figure {
  /** Plotly's traces. */
  data: object[];
  /** Plotly's layout: the title states the finding, the axes carry units. */
  layout: object;
  /** What the picture shows, for those who cannot see it. */
  caption: string;
}

/** An axis and its title; `more` is Plotly's (type: 'log', autorange: 'reversed', …). */
export const axis = (text: string, more: object = {}): object => ({ title: { text }, ...more });

/** 'time (ms)', or without a unit 'time'. */
export const withUnit = (text: string, unit: string): string => (unit ? `${text} (${unit})` : text);

/** Three significant digits and the unit: '19.9 ms'. */
export const rounded = (value: number, unit = ''): string =>
  `${Number(value.toPrecision(3))} ${unit}`.trimEnd();

/** Labels under an axis instead of its numbers, at the places `at` (default 0, 1, 2, …). */
export const tickLabels = (
  labels: readonly (string | number)[],
  at: readonly number[] = labels.map((_, i) => i),
): object => ({ tickvals: at, ticktext: labels.map((label) => visible(String(label))) });

/** Blanks at the ends and line breaks, which would leave holes under the axis, as signs. */
export const visible = (label: string): string =>
  label.replaceAll('\n', '⏎').replace(/^ +| +$/g, (blanks) => '␣'.repeat(blanks.length));

/** 1536 → '1.50 KiB'. */
export function readableBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let size = bytes;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${Number.isInteger(size) ? size : size.toPrecision(3)} ${units[unit]}`;
}
