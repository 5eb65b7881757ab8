/**
 * The state of one head, token by token: the same small matrix, wiped a little and written over.
 *
 * All frames share one scale, so that fading can be seen; red is positive, blue negative.
 */
import { axis, type Figure } from './figure';
import { signed } from './palette';

/** `states` is [frames][Dk][Dv]; `labels` says after what each frame was taken ("Call", "me", …). */
export function stateFilm(states: number[][][], labels: string[], title: string): Figure {
  const loudest = (state: number[][]) => Math.max(...state.flat().map(Math.abs));
  const limit = Math.max(...states.map(loudest)) || 1;
  const width = 1 / states.length;
  const axes = states.map((_, i) => {
    const name = i === 0 ? '' : `${i + 1}`;
    const domain = [i * width, (i + 0.88) * width];
    return {
      [`xaxis${name}`]: axis(labels[i] ?? '', {
        domain,
        showticklabels: false,
        ticks: '',
        zeroline: false,
        showgrid: false,
        anchor: `y${name}`,
      }),
      [`yaxis${name}`]: axis(i === 0 ? 'key feature' : '', {
        autorange: 'reversed',
        showticklabels: false,
        ticks: '',
        zeroline: false,
        showgrid: false,
        anchor: `x${name}`,
      }),
    };
  });
  return {
    data: states.map((z, i) => ({
      type: 'heatmap',
      z,
      zmin: -limit,
      zmax: limit,
      colorscale: signed,
      showscale: i === states.length - 1,
      xaxis: i === 0 ? 'x' : `x${i + 1}`,
      yaxis: i === 0 ? 'y' : `y${i + 1}`,
      hovertemplate: 'key feature %{y}, value feature %{x}: %{z:.3f}<extra></extra>',
    })),
    layout: { title: { text: title }, ...Object.assign({}, ...axes) },
    caption:
      `${title}: ${states.length} pictures of one ${states[0]?.length ?? 0} × ${states[0]?.[0]?.length ?? 0} matrix; ` +
      `its largest number goes from ${loudest(states[0] ?? []).toPrecision(2)} to ${loudest(states.at(-1) ?? []).toPrecision(2)}.`,
  };
}
