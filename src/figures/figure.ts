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
