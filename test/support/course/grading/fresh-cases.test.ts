/** Fresh cases are within what an exercise allows, and tell right functions from wrong ones. */
import { describe, expect, it } from 'vitest';
import { exercises } from '../../../../src/support/course/exercises/catalogue';
import { examineExercise } from '../../../../src/support/course/exercises/check';
import { numbersIn } from '../../../../src/support/course/exercises/compare';
import {
  type AnyFunction,
  type Exercise,
  parameterNames,
} from '../../../../src/support/course/exercises/exercise';
import { freshCases } from '../../../../src/support/course/grading/fresh-cases';

const SEEDS = Array.from({ length: 25 }, (_, seed) => seed);
/** The exercise with nothing but fresh cases. */
const onlyFresh = (of: Exercise, seed: number): Exercise => ({
  ...of,
  cases: freshCases(of.id, seed),
});
const call = (f: AnyFunction, args: unknown[]): unknown =>
  (f as (...args: unknown[]) => unknown)(...structuredClone(args));

describe.each(exercises.map((one) => [one.id, one] as const))('%s', (id, one) => {
  it('has arguments for each parameter and finite answers', () => {
    for (const seed of SEEDS) {
      for (const args of Object.values(freshCases(id, seed))) {
        expect(args).toHaveLength(parameterNames(one).length);
        const numbers = numbersIn([args, call(one.reference, args)]);
        expect(numbers.every(Number.isFinite), JSON.stringify(args)).toBe(true);
      }
    }
  });
  it('the reference passes', () => {
    for (const seed of SEEDS) {
      expect(examineExercise(onlyFresh(one, seed), one.reference).state).toBe('passed');
    }
  });
  it('are not the same for another seed, and the same for the same', () => {
    const [a, b] = [freshCases(id, 1), freshCases(id, 2)];
    expect(a).not.toEqual(b);
    expect(a).toEqual(freshCases(id, 1));
  });
  it('a function that knows the cases of the catalogue fails', () => {
    const known = new Map<string, unknown>();
    for (const args of Object.values(one.cases)) {
      known.set(JSON.stringify(args), call(one.reference, args as unknown[]));
    }
    const byHeart = (...args: unknown[]): unknown => known.get(JSON.stringify(args)) ?? 0;
    const withFresh = { ...one, cases: { ...one.cases, ...freshCases(id, 3) } };
    expect(examineExercise(withFresh, byHeart).state).toBe('wrong');
  });
});

it('known mistakes are noticed by fresh cases alone', () => {
  const unnoticed: string[] = [];
  for (const one of exercises) {
    for (const [name, { wrong }] of Object.entries(one.mistakes)) {
      const noticed = SEEDS.some(
        (seed) =>
          examineExercise(onlyFresh(one, seed), [wrong].flat()[0] as AnyFunction).state === 'wrong',
      );
      if (!noticed) unnoticed.push(`${one.id}: ${name}`);
    }
  }
  expect(unnoticed).toEqual([]);
});

it('an exercise without fresh cases is an error that says where they belong', () => {
  expect(() => freshCases('99-new', 1)).toThrow(/none of exercise 99-new; add them here/);
});
