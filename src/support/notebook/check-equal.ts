/** Claims that a notebook checks, and guesses that may be wrong. */
import * as tf from '@tensorflow/tfjs';
import { rounded, showTable } from './show';

type Numbers = tf.Tensor | ArrayLike<number> | number;

/** float32 with sums in another order: a few units in the seventh digit of the largest number. */
const ALLOWED = 4e-6;

/** Every claim that was checked in this notebook and how it ended, in the order of first checks. */
const claims = new Map<string, { holds: boolean; text: string }>();

/** @throws Error if the claim does not hold. */
function settle(name: string, holds: boolean, printed: string, inTable = printed): void {
  claims.set(name, { holds, text: inTable });
  if (!holds) throw new Error(`✗ ${name}: ${printed}`);
  console.log(`✓ ${name}: ${printed}`);
}

/**
 * Prints "✓ name: worst difference … of …, allowed …".
 * @throws Error with the worst element if the two differ by more than `allowed` × the largest
 *   number of `want`.
 */
export function checkEqual(name: string, got: Numbers, want: Numbers, allowed = ALLOWED): void {
  const a = listOf(got);
  const b = listOf(want);
  if (a.length !== b.length) {
    settle(name, false, `${a.length} numbers against ${b.length}.`);
  }

  let largest = 0;
  let worst = 0;
  let at = 0;
  for (let i = 0; i < b.length; i++) {
    const difference = Number.isFinite(a[i]) ? Math.abs(a[i] - b[i]) : Infinity;
    largest = Math.max(largest, Math.abs(b[i]));
    // A NaN in b is no number that anything could equal.
    if (difference > worst || Number.isNaN(difference)) {
      worst = Number.isNaN(difference) ? Infinity : difference;
      at = i;
    }
  }

  const limit = allowed * largest;
  if (worst <= limit) {
    const difference = `worst difference ${oneDigit(worst)} of ${rounded(largest)}`;
    settle(name, true, `${difference}, allowed ${oneDigit(limit)}`, 'equal');
  } else {
    const difference = `number ${at} is ${a[at]}, expected ${b[at]}`;
    settle(name, false, `${difference}; allowed is a difference of ${oneDigit(limit)}.`);
  }
}

/**
 * Prints "✓ name: detail".
 * @throws Error if the claim does not hold.
 */
export function checkThat(name: string, holds: boolean, detail: string | number = 'yes'): void {
  settle(name, holds, typeof detail === 'number' ? rounded(detail) : detail);
}

/** The table at the end of a lesson: every claim that was checked, also those that do not hold. */
export function showClaims(): void {
  const rows: string[][] = [];
  let failed = 0;
  for (const [name, { holds, text }] of claims) {
    rows.push([name, holds ? text : `✗ does not hold: ${text}`]);
    if (!holds) failed++;
  }
  showTable(['claim', 'here'], rows);
  if (failed > 0) console.log(`${failed} of ${claims.size} claims do not hold.`);
}

/**
 * Compares your guess with what was computed; without a guess nothing of the result is printed.
 * Whole numbers must be hit exactly, others within 1 %.
 */
export function compareGuess(guess: number | ArrayLike<number> | undefined, computed: Numbers) {
  if (guess === undefined) {
    console.log('No guess yet: replace undefined by your numbers and run again.');
    return;
  }
  const guesses = listOf(guess);
  const values = listOf(computed);
  let right = 0;
  for (let i = 0; i < values.length; i++) {
    const tolerance = Number.isInteger(values[i]) ? 0 : 0.01 * Math.abs(values[i]);
    if (Math.abs(values[i] - guesses[i]) <= tolerance) right++;
  }
  const yours = guesses.map(rounded).join(', ');
  const result = values.map(rounded).join(', ');
  console.log(`${right} of ${values.length} right. You: ${yours}. Computed: ${result}.`);
}

function listOf(x: Numbers): number[] {
  if (x instanceof tf.Tensor) return Array.from(x.dataSync());
  return typeof x === 'number' ? [x] : Array.from(x);
}

const oneDigit = (x: number): string => (x === 0 ? '0' : x.toExponential(0));
