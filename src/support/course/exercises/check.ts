/**
 * Judges a reader's function: `check('01-softmax', softmax)`.
 *
 * A wrong answer is a sentence, never an exception: what is right, what is not, the worst element, and a hint. If all
 * outputs are those of a known mistake, the hint is that mistake's; else it follows from how the numbers differ.
 */
import { exercises } from './catalogue';
import { alike, copied, describeShape, difference, digits, numbersIn } from './compare';
import { type AnyFunction, type Exercise, functionName, parameterNames } from './exercise';

export interface Verdict {
  id: string;
  state: 'passed' | 'wrong' | 'not begun' | 'unknown';
  /** What the reader reads. */
  text: string;
  /** Which known mistake it was. */
  mistake?: string;
}

interface Run {
  name: string;
  args: unknown[];
  got: unknown;
  want: unknown;
  /** What is wrong, in words; absent if all is well. */
  problem?: string;
}
type Called = { value: unknown } | { thrown: string };

function call(f: AnyFunction, args: unknown[]): Called {
  try {
    return { value: (f as (...args: unknown[]) => unknown)(...args) };
  } catch (error) {
    return { thrown: error instanceof Error ? error.message : String(error) };
  }
}
const outcome = (called: Called): unknown => ('thrown' in called ? 'it threw' : called.value);

function runCase(of: Exercise, yours: AnyFunction, name: string, given: unknown[]): Run {
  const args = copied(given);
  const want = (of.reference as (...args: unknown[]) => unknown)(...copied(given));
  const called = call(yours, args);
  const run: Run = { name, args: given, got: outcome(called), want };
  const touched = parameterNames(of).find((_, i) => difference(args[i], given[i]) !== undefined);
  if ('thrown' in called) run.problem = `your function threw "${called.thrown}"`;
  else if (called.value instanceof Promise)
    run.problem = 'your function gave a promise: leave out async, nothing here needs waiting';
  else if (describeShape(called.value) === 'a tensor')
    run.problem = 'your function gave a tensor; give plain numbers, for example with x.arraySync()';
  else run.problem = difference(called.value, want);
  if (!run.problem && touched)
    run.problem = `the result is right, but your function changed its input ${touched}: work on a copy, the caller still needs it`;
  return run;
}

/** What `check` prints, as a value. */
export function examine(id: string, yours: AnyFunction | undefined): Verdict {
  const of = exercises.find((one) => one.id === id);
  if (!of) {
    const near = exercises.filter((one) => one.id.startsWith(id.slice(0, 2)));
    return {
      id,
      state: 'unknown',
      text: `There is no exercise ${id}. There are ${(near.length > 0 ? near : exercises).map((one) => one.id).join(', ')}.`,
    };
  }
  const heading = `${id} · ${of.title}${of.title.endsWith('?') ? '' : ':'}`;
  const [firstName, firstArgs] = Object.entries(of.cases)[0] as [string, unknown[]];
  if (typeof yours !== 'function')
    return {
      id,
      state: 'wrong',
      text: `✗ ${heading} check needs the function itself, as in check('${id}', ${functionName(of)}); it got ${describeShape(yours)}.`,
    };
  const first = call(yours, copied(firstArgs));
  if ('thrown' in first ? /not yet/i.test(first.thrown) : first.value === undefined) {
    const how =
      'thrown' in first
        ? 'It still says "not yet".'
        : 'It gives back nothing so far: is a return missing?';
    return {
      id,
      state: 'not begun',
      text: `○ ${heading} waiting for you. ${how} A good first case: ${firstName}, ${given(of, firstArgs)}.`,
    };
  }
  const runs = Object.entries(of.cases).map(([name, args]) => runCase(of, yours, name, args));
  const failed = runs.filter(({ problem }) => problem);
  const laws = Object.entries(of.laws ?? {}).map(([name, holds]) => ({
    name,
    holds: outcome(call(holds, [yours])) === true,
  }));
  const broken = laws.filter(({ holds }) => !holds);
  if (failed.length === 0 && broken.length === 0) {
    const also = laws.length > 0 ? `, and ${laws.map(({ name }) => name).join('; ')}` : '';
    return { id, state: 'passed', text: `✓ ${heading} right in all ${runs.length} cases${also}.` };
  }
  const mistake = recognised(of, runs);
  const text = [
    `✗ ${heading} ${runs.length - failed.length} of ${runs.length} cases right.`,
    ...runs.map(({ name, problem }) => (problem ? `  ✗ ${name}: ${problem}` : `  ✓ ${name}`)),
    ...laws.map(({ name, holds }) => `  ${holds ? '✓' : '✗'} law: ${name}`),
    ...(failed[0] ? [`  The first that fails: ${given(of, failed[0].args)}.`] : []),
    `  Hint: ${mistake ? of.mistakes[mistake].hint : generalHint(failed)}`,
  ];
  return { id, state: 'wrong', text: text.join('\n'), mistake };
}

/** Says how your function does. Nothing is thrown, so the notebook goes on. */
export function check(id: string, yours: AnyFunction | undefined): void {
  console.log(examine(id, yours).text);
}

/** The known mistake that gives, case by case, exactly what the reader's function gave. */
function recognised(of: Exercise, runs: Run[]): string | undefined {
  const same = ({ args, got }: Run, wrong: AnyFunction): boolean =>
    alike(got, outcome(call(wrong, copied(args))));
  return Object.keys(of.mistakes).find((name) =>
    runs.every((run) => same(run, of.mistakes[name].wrong as AnyFunction)),
  );
}

/** For a mistake that is in no catalogue: what the numbers themselves betray. */
function generalHint(failed: Run[]): string {
  const last = failed.at(-1);
  if (!last)
    return 'Every case is right but a law is broken: does your function remember something from one call to the next?';
  if (failed.every(({ problem }) => problem!.includes('changed its input')))
    return 'Lists are handed over, not copied: [...list] makes a copy.';
  const pairs = failed.flatMap(({ got, want }) => {
    const [a, b] = [numbersIn(got), numbersIn(want)];
    return a.length === b.length
      ? a.map((x, i): [number, number] => [x, b[i]])
      : [[Number.NaN, 1] as [number, number]];
  });
  const ratios = pairs.filter(([, want]) => Math.abs(want) > 1e-9).map(([got, want]) => got / want);
  if (
    ratios.length > 1 &&
    alike(
      ratios,
      ratios.map(() => ratios[0]),
    ) &&
    Math.abs(ratios[0]) > 1e-9
  )
    return `Every wrong number is ${Number(ratios[0].toPrecision(4))} times what it should be: look for a factor that is missing or counted twice.`;
  if (failed.every(({ got, want }) => isTable(got) && isTable(want) && alike(turned(got), want)))
    return 'The numbers are right, with rows and columns exchanged: which index comes first?';
  const shifted = (by: number) =>
    failed.every(({ got, want }) => isShift(numbersIn(got), numbersIn(want), by));
  if (shifted(1) || shifted(-1))
    return 'The numbers are right, but one place away: an index is off by one.';
  if (
    pairs.some(([got]) => Number.isNaN(got)) &&
    failed.some(({ problem }) => problem!.includes('NaN'))
  )
    return 'NaN comes from 0/0, ∞ − ∞, the logarithm of a negative number, or an entry that is not there (list[list.length]).';
  return `No known mistake. Do the first failing case on paper, and print what your function holds at each step.`;
}
const isTable = (x: unknown): x is number[][] =>
  Array.isArray(x) && x.length > 1 && x.every((row) => Array.isArray(row) && row.length > 0);
const turned = (M: number[][]): number[][] => M[0].map((_, j) => M.map((row) => row[j]));
const isShift = (a: number[], b: number[], by: number): boolean =>
  a.length === b.length &&
  a.length > 1 &&
  (by > 0 ? alike(a.slice(1), b.slice(0, -1)) : alike(a.slice(0, -1), b.slice(1)));

/** The arguments by name, short enough to be read. */
function given(of: Exercise, args: unknown[]): string {
  const names = parameterNames(of);
  const short = (x: unknown): string =>
    JSON.stringify(x, (_, y: unknown) =>
      typeof y !== 'number' ? y : Number.isFinite(y) ? Number(digits(y)) : String(y),
    ) ?? 'undefined';
  const text = args
    .map((arg, i) => `${names[i] ?? `argument ${i + 1}`} = ${short(arg)}`)
    .join(', ');
  return text.length <= 240
    ? `with ${text}`
    : `with ${args.map((arg, i) => `${names[i]}: ${describeShape(arg)}`).join('; ')}`;
}
