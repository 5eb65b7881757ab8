/**
 * A straight line in a doubly logarithmic plot: loss = a · size^(−b).
 *
 * With few points, the slope b needs its uncertainty: the standard error, from the distances of the
 * points to the line. A curve that bends (towards a loss that no model can go below) is not a power
 * law; its middle points all lie on one side of the line.
 */
import {
  linearRegression,
  linearRegressionLine,
  rSquared,
  sumNthPowerDeviations,
} from 'simple-statistics';

export interface PowerLaw {
  /** b: how fast the loss falls; 0.1 means that ten times the size divides it by 1.26. */
  exponent: number;
  /** Of the exponent. */
  standardError: number;
  /** Share of the variance of ln loss that the line explains. */
  rSquared: number;
  predict(size: number): number;
}

/** @throws RangeError for fewer than three sizes, or numbers that have no logarithm. */
export function fitPowerLaw(points: readonly { size: number; loss: number }[]): PowerLaw {
  if (new Set(points.map(({ size }) => size)).size < 3)
    throw new RangeError(`fitPowerLaw: ${points.length} points; give three sizes or more.`);
  for (const { size, loss } of points) {
    if (!(size > 0 && loss > 0 && Number.isFinite(size * loss)))
      throw new RangeError(`fitPowerLaw: size is ${size}, loss ${loss}; give numbers above 0.`);
  }
  const logs = points.map(({ size, loss }): [number, number] => [Math.log(size), Math.log(loss)]);
  const line = linearRegression(logs);
  const lineAt = linearRegressionLine(line);
  const residuals = logs.map(([x, y]) => y - lineAt(x)); // their mean is 0
  const residualVariance = sumNthPowerDeviations(residuals, 2) / (logs.length - 2);
  const sizes = logs.map(([x]) => x);
  return {
    exponent: -line.m,
    standardError: Math.sqrt(residualVariance / sumNthPowerDeviations(sizes, 2)),
    rSquared: rSquared(logs, lineAt),
    predict: (size) => Math.exp(lineAt(Math.log(size))),
  };
}
