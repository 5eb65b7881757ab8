/**
 * What the judges of the assignments share: parts with points, and reasons in words.
 *
 * A part asks for one thing and says why it is not there, or nothing. What a submission throws is a
 * reason too: a judge never throws, so that one broken part does not hide the others. When results
 * are wrong, they are compared with those of known mistakes, and the mistake's name is the reason.
 */
import * as tf from '@tensorflow/tfjs';
import { rounded } from '../../figures/figure';

export interface Part<Work> {
  asks: string;
  points: number;
  /** Why the part is not right; nothing if it is. */
  wrongBecause(work: Work): string | undefined | Promise<string | undefined>;
}
export interface PartResult {
  asks: string;
  points: number;
  of: number;
  reason?: string;
}
export interface Report {
  points: number;
  of: number;
  parts: PartResult[];
  /** All of it, as a reader reads it. */
  text: string;
}

/** Judges all parts, one after the other. Prints nothing. */
export async function judgeParts<Work>(
  title: string,
  parts: readonly Part<Work>[],
  work: Work,
): Promise<Report> {
  const results: PartResult[] = [];
  for (const { asks, points: of, wrongBecause } of parts) {
    const reason = await reasonOf(() => wrongBecause(work));
    results.push({ asks, points: reason ? 0 : of, of, reason });
  }
  let points = 0;
  let of = 0;
  for (const result of results) {
    points += result.points;
    of += result.of;
  }
  const lines = [`${title}: ${points} of ${of} points`];
  for (const { asks, points: got, of: possible, reason } of results) {
    lines.push(`  ${reason ? '✗' : '✓'} ${got} of ${possible}  ${asks}`);
    if (reason) lines.push(`      ${reason}`);
  }
  return { points, of, parts: results, text: lines.join('\n') };
}

async function reasonOf(
  part: () => string | undefined | Promise<string | undefined>,
): Promise<string | undefined> {
  tf.engine().startScope(); // what a submission leaves behind is freed
  try {
    return await part();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return /not yet/i.test(message) ? 'Not begun: it says "not yet".' : `It threw "${message}".`;
  } finally {
    tf.engine().endScope();
  }
}

/** float32 with sums in another order. */
const ALLOWED = 2e-5;

/** Whether two lists of numbers are equal up to rounding; NaN equals nothing. */
export function isClose(got: ArrayLike<number>, want: ArrayLike<number>, allowed = ALLOWED) {
  return worstOf(got, want, allowed) === undefined;
}

/** The index of the worst number that is further off than `allowed` of the largest. */
function worstOf(got: ArrayLike<number>, want: ArrayLike<number>, allowed: number) {
  let largest = 0;
  for (let i = 0; i < want.length; i++) largest = Math.max(largest, Math.abs(want[i]));
  let worst: number | undefined;
  let off = allowed * Math.max(largest, 1e-3);
  for (let i = 0; i < want.length; i++) {
    const difference = Number.isFinite(got[i]) ? Math.abs(got[i] - want[i]) : Infinity;
    if (difference <= off) continue;
    off = difference;
    worst = i;
  }
  return worst;
}

/** Results that a known mistake gives, with the words that name it. */
export interface KnownMistake {
  result: () => tf.Tensor;
  reason: string;
}

/** Why a tensor is not the wanted one: kind, shape, a known mistake, or its worst number. */
export function difference(
  name: string,
  got: unknown,
  want: tf.Tensor,
  mistakes: readonly KnownMistake[] = [],
  allowed = ALLOWED,
): string | undefined {
  if (!(got instanceof tf.Tensor)) return `${name} is ${typeof got}, expected a tensor.`;
  if (got.shape.join() !== want.shape.join())
    return `${name} has shape [${got.shape}], expected [${want.shape}].`;
  const [numbers, wanted] = [got.dataSync(), want.dataSync()];
  const worst = worstOf(numbers, wanted, allowed);
  if (worst === undefined) return undefined;
  for (const { result, reason } of mistakes) {
    if (isClose(numbers, result().dataSync(), allowed)) return `${name}: ${reason}`;
  }
  const place = placeOf(worst, want.shape);
  return (
    `${name}[${place}] is ${rounded(numbers[worst])}, expected ${rounded(wanted[worst])} ` +
    '(the worst number).'
  );
}

/** 7 in shape [2, 4] → "1,3". */
function placeOf(index: number, shape: readonly number[]): string {
  const place: number[] = [];
  let rest = index;
  for (const size of [...shape].reverse()) {
    place.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return place.join();
}
