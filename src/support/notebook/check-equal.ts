/** Claims that check themselves, and guesses that are welcome to be wrong. */
import * as tf from '@tensorflow/tfjs';
import { rounded, showTable } from './show';

type Numbers = tf.Tensor | ArrayLike<number> | number;
const listOf = (x: Numbers): number[] => {
  if (x instanceof tf.Tensor) return Array.from(x.dataSync());
  return typeof x === 'number' ? [x] : Array.from(x);
};
const precise = (x: number): string => (x === 0 ? '0' : x.toExponential(0));

/** float32 with sums in another order: a few units in the seventh digit of the largest number. */
const ALLOWED = 4e-6;

/**
 * Prints "✓ name: worst difference … of …, allowed …".
 * @throws Error with the worst element if the two are not equal up to `allowed` × the largest number.
 */
export function checkEqual(name: string, got: Numbers, want: Numbers, allowed = ALLOWED): void {
  const [a, b] = [listOf(got), listOf(want)];
  if (a.length !== b.length) throw new Error(`✗ ${name}: ${a.length} numbers against ${b.length}.`);
  const largest = b.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  let worst = -1;
  let at = 0;
  a.forEach((x, i) => {
    const difference = Number.isFinite(x) ? Math.abs(x - b[i]) : Infinity;
    if (difference > worst) {
      worst = difference;
      at = i;
    }
  });
  const limit = allowed * largest;
  if (!(worst <= limit))
    throw new Error(
      `✗ ${name}: number ${at} is ${a[at]}, expected ${b[at]}; allowed is a difference of ${precise(limit)}.`,
    );
  claims.set(name, 'equal');
  console.log(
    `✓ ${name}: worst difference ${precise(Math.max(0, worst))} of ${rounded(largest)}, allowed ${precise(limit)}`,
  );
}

/**
 * Prints "✓ name: detail".
 * @throws Error if the claim does not hold.
 */
export function checkThat(name: string, holds: boolean, detail: string | number = 'yes'): void {
  const told = typeof detail === 'number' ? rounded(detail) : detail;
  if (!holds) throw new Error(`✗ ${name}: ${told}`);
  claims.set(name, told);
  console.log(`✓ ${name}: ${told}`);
}

/** Everything that `checkEqual` and `checkThat` have confirmed in this notebook, in order; a claim checked again keeps its place. */
const claims = new Map<string, string>();
/** The table at the end of a lesson: only what ran and held is in it. */
export function showClaims(): void {
  showTable(['claim', 'here'], [...claims]);
}

/** Lays your guess beside what was computed. All zeros mean that you have not guessed yet. */
export function compareGuess(guess: number[], computed: Numbers): void {
  const values = listOf(computed);
  const shown = values.map(rounded).join(', ');
  if (guess.every((x) => x === 0)) {
    console.log(`no guess yet · computed ${shown}`);
    return;
  }
  const right = values.filter(
    (x, i) => Math.abs(x - (guess[i] ?? NaN)) <= 0.01 * Math.abs(x) + 1e-9,
  ).length;
  console.log(
    `${right} of ${values.length} right · you ${guess.map(rounded).join(', ')} · computed ${shown}`,
  );
}
