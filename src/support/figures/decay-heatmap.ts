/**
 * The decay matrix D as a picture: bright is remembered, dark forgotten, blank not yet there.
 *
 * Read a row from right to left: the token itself, its neighbour, and on into the past. A weak gate leaves a broad band, a
 * strong one a thin line, a reset a step.
 */
import { axis, type Figure } from './figure';
import { magnitude } from './palette';

/** `rows` is D [N][N]; `tokens` are the words under the axes, if there are any. */
export function decayHeatmap(rows: number[][], title: string, tokens?: string[]): Figure {
  const bare = {
    zeroline: false,
    showgrid: false,
    ...(tokens ? { tickvals: tokens.map((_, n) => n), ticktext: tokens } : {}),
  };
  const last = rows.length - 1;
  const left = 100 * (rows.at(-1)?.[0] ?? 0);
  return {
    data: [
      {
        type: 'heatmap',
        // null is blank in Plotly: the future is not dark, it is not there.
        z: rows.map((row, n) => row.map((weight, m) => (m <= n ? weight : null))),
        zmin: 0,
        zmax: 1,
        colorscale: magnitude,
        colorbar: { title: { text: 'left' } },
        hovertemplate: 'position %{y} holds %{z:.3f} of token %{x}<extra></extra>',
      },
    ],
    layout: {
      title: { text: title },
      xaxis: axis('token remembered (m)', { ...bare, constrain: 'domain' }),
      yaxis: axis('position that remembers (n)', {
        ...bare,
        autorange: 'reversed',
        scaleanchor: 'x',
        constrain: 'domain',
      }),
    },
    caption: `${title}: position ${last} still holds ${left < 1 && left > 0 ? left.toPrecision(1) : left.toFixed(0)} % of token 0.`,
  };
}
