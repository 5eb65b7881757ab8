/**
 * A figure is a description: plain numbers went in, a Plotly object comes out. It can be tested without a browser,
 * saved in a notebook and drawn elsewhere.
 */
export interface Figure {
  /** Plotly's traces. */
  data: object[];
  /** Plotly's layout: the title states the finding, the axes carry units. */
  layout: object;
  /** What the picture shows, for those who cannot see it. */
  caption: string;
}

/** An axis with its words; `more` is Plotly's (type: 'log', autorange: 'reversed', …). */
export const axis = (text: string, more: object = {}): object => ({ title: { text }, ...more });

/** 1536 → '1.5 KiB'. */
export function readableBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let [size, unit] = [bytes, 0];
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${Number.isInteger(size) ? size : size.toPrecision(3)} ${units[unit]}`;
}
