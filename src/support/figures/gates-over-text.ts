/**
 * What each head keeps at each token: γ as a strip per head, with the text below. Bright keeps, dark forgets.
 *
 * Look for columns that are dark in every head: tokens at which the model turns the page.
 */
import { axis, type Figure } from './figure';
import { magnitude } from './palette';

/** `gammas` is [H][N], between 0 and 1. */
export function gatesOverText(gammas: number[][], tokens: string[], title: string): Figure {
  const mean = (row: number[]) => row.reduce((a, b) => a + b, 0) / Math.max(1, row.length);
  const means = gammas.map(mean);
  return {
    data: [
      {
        type: 'heatmap',
        z: gammas,
        colorscale: magnitude,
        zmax: 1,
        zmin: Math.min(...gammas.flat()),
        colorbar: { title: { text: 'γ' } },
        hovertemplate: 'head %{y} keeps %{z:.4f} here<extra></extra>',
      },
    ],
    layout: {
      title: { text: title },
      xaxis: axis('text', {
        tickangle: 0,
        tickvals: tokens.map((_, n) => n),
        ticktext: tokens.map(visible),
      }),
      yaxis: axis('head', { autorange: 'reversed', dtick: 1 }),
    },
    caption:
      `${title}: on average head ${means.indexOf(Math.max(...means))} keeps most (γ = ${Math.max(...means).toFixed(3)}), ` +
      `head ${means.indexOf(Math.min(...means))} least (${Math.min(...means).toFixed(3)}).`,
  };
}

/** Blanks and line ends would leave holes under the axis. */
const visible = (token: string): string => token.replaceAll(' ', '␣').replaceAll('\n', '⏎');
