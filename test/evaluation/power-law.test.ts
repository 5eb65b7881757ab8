/** The slope's standard error against a textbook's numbers. */
import { expect, it } from 'vitest';
import { fitPowerLaw } from '../../src/evaluation/power-law';

it('has slope, standard error and R² of Anscombe’s first data set', () => {
  // F. J. Anscombe, Graphs in Statistical Analysis (1973), table 1: y = 3.00 + 0.500 x, standard
  // error of the slope 0.118, R² 0.667, from eleven points and nine degrees of freedom.
  const x = [10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5];
  const y = [8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68];
  const points = x.map((value, i) => ({ size: Math.exp(value), loss: Math.exp(y[i]) }));
  const law = fitPowerLaw(points);
  expect(law.exponent).toBeCloseTo(-0.5, 3);
  expect(law.standardError).toBeCloseTo(0.118, 3);
  expect(law.rSquared).toBeCloseTo(0.667, 3);
  expect(Math.log(law.predict(1))).toBeCloseTo(3, 2);
});
