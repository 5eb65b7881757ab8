/**
 * Judges a reader's function: `check('01-softmax', softmax)`.
 *
 * The answer is text, never an exception: what is right, what is not, the worst element, and a
 * hint. If the results are those of a known mistake, the hint is the mistake's own; otherwise it
 * follows from how the numbers differ.
 */
import { exercises } from './catalogue';
import { alike, describeShape, difference, digits, numbersIn, sameShape } from './compare';
import { type AnyFunction, type Exercise, functionName, parameterNames } from './exercise';

export interface Verdict {
  id: string;
  state: 'passed' | 'wrong' | 'not begun' | 'unknown';
  /** What the reader reads. */
  text: string;
  /** The name of the known mistake, if it is one. */
  mistake?: string;
}

interface Run {
  name: string;
  args: unknown[];
  got: unknown;
  want: unknown;
  /** What is wrong, in words; undefined if all is well. */
  problem?: string;
}
type Outcome = { value: unknown } | { thrown: string };

/** What a function does with a copy of the arguments, which it may change. */
function call(f: AnyFunction, args: unknown[]): Outcome {
  try {
    return { value: (f as (...args: unknown[]) => unknown)(...args) };
  } catch (error) {
    return { thrown: error instanceof Error ? error.message : String(error) };
  }
}
const THREW = Symbol('threw');
/** As a value to compare: two functions that throw are alike. */
const outcomeValue = (outcome: Outcome): unknown => ('thrown' in outcome ? THREW : outcome.value);
const resultOf = (f: AnyFunction, args: unknown[]): unknown =>
  outcomeValue(call(f, structuredClone(args)));

function run(of: Exercise, yours: AnyFunction, name: string, args: unknown[]): Run {
  const own = structuredClone(args);
  const want = resultOf(of.reference, args);
  const outcome = call(yours, own);
  const changed = parameterNames(of).find((_, i) => difference(own[i], args[i]) !== undefined);
  const problem = problemOf(outcome, want, changed);
  return { name, args, got: outcomeValue(outcome), want, problem };
}

function problemOf(outcome: Outcome, want: unknown, changed?: string): string | undefined {
  if ('thrown' in outcome) return `your function threw "${outcome.thrown}"`;
  if (outcome.value instanceof Promise) {
    return 'your function gave a promise: leave out async, nothing here needs to be waited for';
  }
  if (describeShape(outcome.value) === 'a tensor') {
    return 'your function gave a tensor; give plain numbers, for example with x.arraySync()';
  }
  const wrong = difference(outcome.value, want);
  if (wrong || !changed) return wrong;
  return (
    `the result is right, but your function changed its input ${changed}: ` +
    'work on a copy, the caller still needs it'
  );
}

/** What `check` prints, as a value. */
export function examine(id: string, yours: AnyFunction | undefined): Verdict {
  const of = exercises.find((one) => one.id === id);
  if (of) return examineExercise(of, yours);
  const ofLesson = exercises.filter((one) => one.id.startsWith(id.slice(0, 2)));
  const ids = (ofLesson.length > 0 ? ofLesson : exercises).map((one) => one.id);
  return {
    id,
    state: 'unknown',
    text: `There is no exercise ${id}. There are ${ids.join(', ')}.`,
  };
}

/** The same for an exercise itself, which may have other cases than the catalogue's. */
export function examineExercise(of: Exercise, yours: AnyFunction | undefined): Verdict {
  const { id } = of;
  const heading = `${id} · ${of.title}${of.title.endsWith('?') ? '' : ':'}`;
  if (typeof yours !== 'function') {
    const call = `check('${id}', ${functionName(of)})`;
    const text = `check needs the function itself, as in ${call}; it got ${describeShape(yours)}.`;
    return { id, state: 'wrong', text: `✗ ${heading} ${text}` };
  }
  const missing = notBegun(of, yours);
  if (missing) {
    const [name, args] = Object.entries(of.cases)[0];
    const first = `A good first case: ${name}, with ${described(of, args)}.`;
    return { id, state: 'not begun', text: `○ ${heading} waiting for you. ${missing} ${first}` };
  }

  const runs = Object.entries(of.cases).map(([name, args]) => run(of, yours, name, args));
  const failed = runs.filter(({ problem }) => problem);
  const properties = Object.entries(of.properties ?? {}).map(([name, holds]) => ({
    name,
    holds: outcomeValue(call(holds, [yours])) === true,
  }));
  if (failed.length === 0 && properties.every(({ holds }) => holds)) {
    const names = properties.map(({ name }) => name).join('; ');
    const also = names && `, and ${names}`;
    return { id, state: 'passed', text: `✓ ${heading} right in all ${runs.length} cases${also}.` };
  }

  const mistake = recognised(of, runs);
  const lines = [`✗ ${heading} ${runs.length - failed.length} of ${runs.length} cases right.`];
  for (const { name, problem } of runs) {
    lines.push(problem ? `  ✗ ${name}: ${problem}` : `  ✓ ${name}`);
  }
  for (const { name, holds } of properties) lines.push(`  ${holds ? '✓' : '✗'} property: ${name}`);
  if (failed[0]) lines.push(`  The first that fails: with ${described(of, failed[0].args)}.`);
  lines.push(`  Hint: ${mistake ? of.mistakes[mistake].hint : generalHint(failed)}`);
  return { id, state: 'wrong', text: lines.join('\n'), mistake };
}

/** Prints how your function does. Nothing is thrown, so the notebook goes on. */
export function check(id: string, yours: AnyFunction | undefined): void {
  console.log(examine(id, yours).text);
}

/** Why a function counts as a stub; undefined if it is one no more. */
function notBegun(of: Exercise, yours: AnyFunction): string | undefined {
  const [args] = Object.values(of.cases);
  const outcome = call(yours, structuredClone(args));
  if ('thrown' in outcome) {
    return /not yet/i.test(outcome.thrown) ? 'It still says "not yet".' : undefined;
  }
  return outcome.value === undefined
    ? 'It returns nothing so far: is a return missing?'
    : undefined;
}

/**
 * The known mistake that gives the reader's results in every case. If there is none, one that gives
 * them wherever they have the expected shape: with an empty list of keys, for example, the same
 * mistake may give [], NaN or an error, depending on how it is written.
 */
function recognised(of: Exercise, runs: Run[]): string | undefined {
  const complete = runs.filter(({ got, want }) => sameShape(got, want));
  for (const compared of [runs, complete]) {
    if (compared.every(({ problem }) => !problem)) continue;
    for (const [name, { wrong }] of Object.entries(of.mistakes)) {
      const forms: AnyFunction[] = [wrong].flat();
      const isThis = forms.some((form) =>
        compared.every(({ args, got }) => alike(got, resultOf(form, args))),
      );
      if (isThis) return name;
    }
  }
  return undefined;
}

/** For a mistake that is in no catalogue: what the numbers themselves show. */
function generalHint(failed: Run[]): string {
  if (failed.length === 0) {
    return (
      'Every case is right, but a property does not hold: does your function keep something ' +
      'from one call to the next?'
    );
  }
  if (failed.every(({ problem }) => problem?.includes('changed its input'))) {
    return 'A function gets the list of its caller, not a copy: [...list] makes a copy.';
  }
  const complete = failed.filter(({ got, want }) => sameShape(got, want));
  const factor = commonFactor(complete);
  if (factor !== undefined) {
    return (
      `Every wrong number is ${Number(factor.toPrecision(4))} times what it should be: ` +
      'look for a factor that is missing or counted twice.'
    );
  }
  if (failed.every(({ got, want }) => isTable(got) && isTable(want) && alike(turned(got), want))) {
    return 'The numbers are right, with rows and columns exchanged: which index comes first?';
  }
  if (complete.length > 0 && (complete.every(isShifted(1)) || complete.every(isShifted(-1)))) {
    return 'The numbers are right, but one place away: an index is off by one.';
  }
  if (failed.some(({ problem }) => problem?.includes('NaN'))) {
    return (
      'NaN comes from 0/0, ∞ − ∞, the logarithm of a negative number, or an entry that is not ' +
      'there (list[list.length]).'
    );
  }
  return (
    'No known mistake. Compute the first failing case on paper, and print what your function ' +
    'has at each step.'
  );
}

/** got / want, if it is the same for all numbers; undefined for a single one. */
function commonFactor(runs: Run[]): number | undefined {
  const ratios: number[] = [];
  for (const { got, want } of runs) {
    const expected = numbersIn(want);
    for (const [i, x] of numbersIn(got).entries()) {
      if (Math.abs(expected[i]) > 1e-9) ratios.push(x / expected[i]);
    }
  }
  const [first] = ratios;
  const same = ratios.length > 1 && ratios.every((ratio) => alike(ratio, first));
  return same && Math.abs(first) > 1e-9 ? first : undefined;
}
const isTable = (x: unknown): x is number[][] =>
  Array.isArray(x) && x.length > 1 && x.every((row) => Array.isArray(row) && row.length > 0);
const turned = (M: number[][]): number[][] => M[0].map((_, j) => M.map((row) => row[j]));
/** Whether all numbers but one are those of the place before (by = 1) or behind (by = −1). */
const isShifted =
  (by: 1 | -1) =>
  ({ got, want }: Run): boolean => {
    const [a, b] = by > 0 ? [numbersIn(got), numbersIn(want)] : [numbersIn(want), numbersIn(got)];
    return a.length > 1 && alike(a.slice(1), b.slice(0, -1));
  };

/** The arguments by name: their numbers where these are few, otherwise their shapes. */
function described(of: Exercise, args: unknown[]): string {
  const names = parameterNames(of);
  const short = (_: string, x: unknown): unknown => {
    if (typeof x !== 'number') return x;
    return Number.isFinite(x) ? Number(digits(x)) : String(x);
  };
  const numbers = args.map((arg, i) => `${names[i]} = ${JSON.stringify(arg, short)}`).join(', ');
  if (numbers.length <= 240) return numbers;
  return args.map((arg, i) => `${names[i]}: ${describeShape(arg)}`).join('; ');
}
