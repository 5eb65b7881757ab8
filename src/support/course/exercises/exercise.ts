/**
 * What an exercise is: a function that the reader writes, and all that is needed to judge it.
 *
 * The reference is the formula in plain loops; the cases are what both functions are run on; a law is a property that
 * needs no reference value; and a mistake is a wrong function that people do write, kept so that it can be recognised by
 * its numbers and answered with the hint that fits.
 */

/** Any function at all: `never` parameters accept every other list of parameters. */
export type AnyFunction = (...args: never[]) => unknown;

export interface Mistake<F extends AnyFunction = AnyFunction> {
  wrong: (...args: Parameters<F>) => ReturnType<F>;
  /** A question or a pointer, never the solution. */
  hint: string;
}

export interface Exercise<F extends AnyFunction = AnyFunction> {
  /** Lesson and name, such as `01-softmax`. */
  id: string;
  title: string;
  /** 1 warms up, 2 is the lesson, 3 goes a step further. */
  difficulty: 1 | 2 | 3;
  /** As the stub writes it: `softmax(scores: number[]): number[]`. */
  signature: string;
  reference: F;
  /** Name of the case → arguments, the smallest first. */
  cases: Record<string, Parameters<F>>;
  /** What must hold for a right answer whatever the numbers. */
  laws?: Record<string, (yours: F) => boolean>;
  mistakes: Record<string, Mistake<F>>;
}

/** Only checks types: cases and mistakes must fit the reference. The catalogue then holds exercises of every kind. */
export const exercise = <F extends AnyFunction>(spec: Exercise<F>): Exercise =>
  spec as unknown as Exercise;

/** `softmax` of `softmax(scores: number[]): number[]`. */
export const functionName = ({ signature }: Exercise): string =>
  signature.slice(0, signature.indexOf('('));

/** The names of the parameters, for sentences such as "your function changed k". */
export function parameterNames({ signature }: Exercise): string[] {
  const inside = signature.slice(signature.indexOf('(') + 1, signature.lastIndexOf('):'));
  let depth = 0;
  let name = '';
  const names: string[] = [];
  // Commas inside { }, [ ] or < > belong to a type, not to the list.
  for (const c of `${inside},`) {
    if ('{[<('.includes(c)) depth++;
    if ('}]>)'.includes(c)) depth--;
    if (c === ',' && depth === 0) {
      names.push(name.split(':')[0].trim());
      name = '';
    } else name += c;
  }
  return names;
}

/** Small numbers between −1 and 1 that look irregular, the same on every machine: sines of a step that never repeats. */
export const numbers = (count: number, seed: number): number[] =>
  Array.from({ length: count }, (_, i) => Math.sin(1.7 * seed + 2.3 * i + 0.41 * i * i));
/** The same as rows. */
export const rows = (count: number, width: number, seed: number): number[][] =>
  Array.from({ length: count }, (_, n) => numbers(width, seed + 7.3 * (n + 1)));

export const dot = (a: number[], b: number[]): number => a.reduce((sum, x, i) => sum + x * b[i], 0);
export const total = (list: number[]): number => list.reduce((a, b) => a + b, 0);
export const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));
/** x W with W [in][out]. */
export const times = (x: number[], W: number[][]): number[] =>
  W[0].map((_, j) => x.reduce((sum, xi, i) => sum + xi * W[i][j], 0));
export const transposed = (M: number[][]): number[][] =>
  (M[0] ?? []).map((_, j) => M.map((row) => row[j]));
