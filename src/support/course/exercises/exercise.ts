/**
 * What an exercise is: a function that the reader writes, and what is needed to judge it.
 *
 * The reference is the formula in plain loops. The cases are what both functions are called with. A
 * property holds for every right answer and needs no reference. A mistake is a wrong function that
 * people do write: its numbers are recognised, and its hint is the answer.
 */

/** Any function: `never` parameters accept every other list of parameters. */
export type AnyFunction = (...args: never[]) => unknown;
type SameKind<F extends AnyFunction> = (...args: Parameters<F>) => ReturnType<F>;

export interface Mistake<F extends AnyFunction = AnyFunction> {
  /** Several functions, if one mistake can be made in several ways. */
  wrong: SameKind<F> | SameKind<F>[];
  /** A question or a pointer, never the solution. */
  hint: string;
}

export interface Exercise<F extends AnyFunction = AnyFunction> {
  /** Lesson and name, such as `01-softmax`. */
  id: string;
  title: string;
  /** 1 prepares, 2 is what the lesson is about, 3 goes a step further. */
  difficulty: 1 | 2 | 3;
  /** As the stub writes it: `softmax(scores: number[]): number[]`. */
  signature: string;
  reference: F;
  /** Name of the case → arguments. The first can be computed on paper. */
  cases: Record<string, Parameters<F>>;
  properties?: Record<string, (yours: F) => boolean>;
  mistakes: Record<string, Mistake<F>>;
}

/** Checks that cases and mistakes fit the reference, whatever kind of function it is. */
export const exercise = <F extends AnyFunction>(spec: Exercise<F>): Exercise =>
  spec as unknown as Exercise;

/** `softmax` of `softmax(scores: number[]): number[]`. */
export const functionName = ({ signature }: Exercise): string =>
  signature.slice(0, signature.indexOf('('));

/** The names of the parameters, for sentences such as "your function changed k". */
export function parameterNames({ signature }: Exercise): string[] {
  const inside = signature.slice(signature.indexOf('(') + 1, signature.lastIndexOf('):'));
  const names: string[] = [];
  let depth = 0;
  let parameter = '';
  for (const c of `${inside},`) {
    if ('{[<('.includes(c)) depth++;
    if ('}]>)'.includes(c)) depth--;
    // Commas inside { }, [ ] or < > belong to a type.
    if (c === ',' && depth === 0) {
      names.push(parameter.split(':')[0].trim());
      parameter = '';
    } else {
      parameter += c;
    }
  }
  return names;
}
