/**
 * A straight line in a doubly logarithmic plot: loss = a · size^(−b).
 *
 * With few points, the slope b needs its uncertainty. It has two sources, and each has its number:
 *
 * - The points are not on the line: the standard error, from their distances to it. 95 % intervals
 *   take Student's t, with two degrees of freedom fewer than there are points: for five points 3.18
 *   standard errors. Two of them would be 86 %.
 * - Another seed gives other points: exponents of losses whose seeds were drawn again.
 *
 * A curve that bends (towards a loss that no model can go below) is not a power law; its middle
 * points all lie on one side of the line.
 */
import {
  linearRegression,
  linearRegressionLine,
  mean,
  rSquared,
  sumNthPowerDeviations,
} from 'simple-statistics';
import { SeededRandom } from '../tensor/random';
import { checkCount } from '../tensor/shapes';

export interface PowerLaw {
  /** b: how fast the loss falls; 0.1 means that ten times the size divides it by 1.26. */
  exponent: number;
  /** Of the exponent. */
  standardError: number;
  /** Half the width of the exponent's 95 % interval: Student's t times the standard error. */
  margin95: number;
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
  const standardError = Math.sqrt(residualVariance / sumNthPowerDeviations(sizes, 2));
  return {
    exponent: -line.m,
    standardError,
    margin95: studentT95(logs.length - 2) * standardError,
    rSquared: rSquared(logs, lineAt),
    predict: (size) => Math.exp(lineAt(Math.log(size))),
  };
}

/** Student's t that 95 % of draws do not exceed in size, for 1 to 10 degrees of freedom. */
const tTable = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];

/** The same for any number of them, to three digits; above 10 by the expansion in 1/degrees. */
export function studentT95(degrees: number): number {
  checkCount('studentT95', 'degrees', degrees, 'degrees of freedom');
  if (degrees <= tTable.length) return tTable[degrees - 1];
  const z = 1.96;
  const first = (z ** 3 + z) / (4 * degrees);
  return z + first + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * degrees ** 2);
}

export interface SeededPoint {
  size: number;
  /** One for each seed, in the same order at every size. */
  losses: readonly number[];
}

/**
 * The exponents of `draws` fits. For each of them, every size draws as many seeds as there are,
 * with replacement, and takes the mean of their losses: a bootstrap over seeds. Two kinds with
 * equally many seeds draw the same ones, so the difference of their exponents is paired.
 *
 * With three seeds the spread is too small by about a fifth (√(2/3)), and the same few losses come
 * again and again: an interval from it says what seeds do at least.
 * @throws RangeError if a size has fewer than two losses, or fits are impossible.
 */
export function resampledExponents(points: readonly SeededPoint[], draws = 1000, seed = 1) {
  checkCount('resampledExponents', 'draws', draws, 'draws');
  for (const { size, losses } of points) {
    if (losses.length < 2)
      throw new RangeError(
        `resampledExponents: ${losses.length} loss at size ${size}; give two seeds or more.`,
      );
  }
  const random = new SeededRandom(seed);
  const exponents: number[] = [];
  for (let draw = 0; draw < draws; draw++) {
    const drawn = points.map(({ size, losses }) => {
      const again = losses.map(() => losses[random.integer(losses.length)]);
      return { size, loss: mean(again) };
    });
    exponents.push(fitPowerLaw(drawn).exponent);
  }
  return exponents;
}
