/**
 * A straight line on doubly logarithmic paper: loss = a · size^(−b).
 *
 * With few points, the slope b is worth little without its uncertainty: the standard error of a fitted slope, from how far
 * the points lie off the line. A curve that bends (towards the loss that no model can get under) is no power law, and shows
 * as residuals of one sign in the middle.
 */
import { linearRegression, linearRegressionLine, rSquared } from 'simple-statistics';

export interface PowerLaw {
  /** b: how fast the loss falls; 0.1 means that ten times the size divides it by 1.26. */
  exponent: number;
  /** Of the exponent: the truth lies within two of these in about 19 of 20 cases, if the errors are like those seen. */
  standardError: number;
  /** a. */
  coefficient: number;
  /** Share of the variance of ln loss that the line explains. */
  rSquared: number;
  predict(size: number): number;
}

/** @throws RangeError for fewer than three points (two always fit) or a number that has no logarithm. */
export function fitPowerLaw(points: readonly { size: number; loss: number }[]): PowerLaw {
  if (new Set(points.map(({ size }) => size)).size < 3)
    throw new RangeError(
      `fitPowerLaw: there are ${points.length} points; give three sizes or more, because two always lie on a line.`,
    );
  const bad = points.find(
    ({ size, loss }) => !(size > 0 && loss > 0 && Number.isFinite(size * loss)),
  );
  if (bad)
    throw new RangeError(
      `fitPowerLaw: ${JSON.stringify(bad)} has no logarithm; give sizes and losses above 0.`,
    );
  const logs = points.map(({ size, loss }): [number, number] => [Math.log(size), Math.log(loss)]);
  const line = linearRegression(logs);
  const along = linearRegressionLine(line);
  const meanX = logs.reduce((sum, [x]) => sum + x, 0) / logs.length;
  const spreadX = logs.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  const off = logs.reduce((sum, [x, y]) => sum + (y - along(x)) ** 2, 0);
  return {
    exponent: -line.m,
    standardError: Math.sqrt(off / (logs.length - 2) / spreadX),
    coefficient: Math.exp(line.b),
    rSquared: rSquared(logs, along),
    predict: (size) => Math.exp(along(Math.log(size))),
  };
}
