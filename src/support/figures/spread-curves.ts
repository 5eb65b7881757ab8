/** Curves through the means of several runs, with bars from the lowest run to the highest: with few seeds, that is the whole story. */
import { axis, type Figure } from './figure';
import { dashes, seriesColours } from './palette';

export interface SpreadCurve {
  name: string;
  x: number[];
  /** One list per run, each as long as `x`. */
  runs: number[][];
  colour?: string;
}
export interface SpreadCurvesOptions {
  title: string;
  x: string;
  y: string;
  unit?: string;
  /** What to compare with, as a level line. */
  baseline?: { name: string; y: number };
}

/** @throws RangeError if a curve has no runs, or a run another number of points than x. */
export function spreadCurves(
  curves: SpreadCurve[],
  { title, x, y, unit = '', baseline }: SpreadCurvesOptions,
): Figure {
  const digits = (value: number): string => `${Number(value.toPrecision(3))} ${unit}`.trimEnd();
  const drawn = curves.map((curve) => ({
    ...curve,
    points: curve.x.map((_, i) => pointOf(curve, i)),
  }));
  const met = curves.flatMap((curve) => curve.x);
  const level = baseline && {
    ...{
      type: 'scatter',
      mode: 'lines',
      name: baseline.name,
      x: [Math.min(...met), Math.max(...met)],
      y: [baseline.y, baseline.y],
    },
    line: { color: '#000000', dash: 'dot' },
  };
  const told = drawn.map(({ name, points }) => {
    const end = points.at(-1)!;
    return `${name} ${digits(end.mean)} (${digits(end.least)} to ${digits(end.most)})`;
  });
  return {
    data: [
      ...drawn.map(({ name, x: at, points, colour }, i) => {
        const color = colour ?? seriesColours[i % seriesColours.length];
        return {
          ...{
            type: 'scatter',
            mode: 'lines+markers',
            name,
            x: at,
            y: points.map(({ mean }) => mean),
          },
          error_y: {
            ...{ type: 'data', symmetric: false, color, thickness: 1.5, width: 4 },
            array: points.map(({ mean, most }) => most - mean),
            arrayminus: points.map(({ mean, least }) => mean - least),
          },
          line: { color, dash: dashes[i % dashes.length] },
          marker: { color, size: 8, symbol: i },
        };
      }),
      ...(level ? [level] : []),
    ],
    layout: { title: { text: title }, xaxis: axis(x), yaxis: axis(unit ? `${y} (${unit})` : y) },
    caption: `${title}. At the right end, mean (least to most): ${told.join(', ')}${baseline ? `; ${baseline.name} ${digits(baseline.y)}` : ''}.`,
  };
}

function pointOf(
  { name, x, runs }: SpreadCurve,
  i: number,
): { mean: number; least: number; most: number } {
  const wrong = runs.find((run) => run.length !== x.length);
  if (runs.length === 0 || wrong)
    throw new RangeError(
      `spreadCurves: ${name} has ${wrong?.length ?? 'no'} numbers for ${x.length} points; give one or more runs, each with one number per point.`,
    );
  const values = runs.map((run) => run[i]);
  return {
    mean: values.reduce((sum, value) => sum + value, 0) / values.length,
    least: Math.min(...values),
    most: Math.max(...values),
  };
}
