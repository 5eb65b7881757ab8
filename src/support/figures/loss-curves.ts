/** How the surprise on held-out text falls while models learn, with a baseline as a level line. */
import { axis, type Figure } from './figure';
import { dashes, seriesColours } from './palette';

export interface LossSeries {
  name: string;
  points: { step: number; loss: number }[];
  colour?: string;
}

export function lossCurves(
  series: LossSeries[],
  baseline: { name: string; loss: number },
  title: string,
): Figure {
  const lastStep = Math.max(...series.flatMap(({ points }) => points.map(({ step }) => step)));
  return {
    data: [
      ...series.map(({ name, points, colour }, i) => ({
        type: 'scatter',
        mode: 'lines+markers',
        name,
        x: points.map(({ step }) => step),
        y: points.map(({ loss }) => loss),
        line: {
          color: colour ?? seriesColours[i % seriesColours.length],
          dash: dashes[i % dashes.length],
        },
      })),
      {
        type: 'scatter',
        mode: 'lines',
        name: baseline.name,
        x: [0, lastStep],
        y: [baseline.loss, baseline.loss],
        line: { color: '#000000', dash: 'dot' },
      },
    ],
    layout: {
      title: { text: title },
      xaxis: axis('training steps'),
      yaxis: axis('loss on held-out text (nats per character)'),
    },
    caption: `${title}: ${series.map(({ name, points }) => `${name} ends at ${points.at(-1)?.loss.toFixed(2)}`).join(', ')}; ${baseline.name} ${baseline.loss.toFixed(2)} nats per character.`,
  };
}
