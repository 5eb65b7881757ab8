/** The exercises: right answers pass, each known mistake is recognised and gets its own hint, and nothing ever throws. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it, vi } from 'vitest';
import { exercises } from '../../../src/support/course/exercises/catalogue';
import { check, examine } from '../../../src/support/course/exercises/check';
import { functionName, parameterNames } from '../../../src/support/course/exercises/exercise';
import { readNotebook, sourceOf, textOf } from '../../../src/support/notebook/notebook-file';
import { root } from '../../../src/support/notebook/python-environment';

describe.each(exercises.map((one) => [one.id, one] as const))('%s', (id, one) => {
  it('the reference passes, laws included, and again: it keeps nothing from call to call', () => {
    for (let i = 0; i < 2; i++)
      expect(examine(id, one.reference)).toEqual({
        id,
        state: 'passed',
        text: expect.stringMatching(/^✓/),
      });
  });
  it.each(Object.entries(one.mistakes))('known mistake: %s', (name, { wrong, hint }) => {
    const verdict = examine(id, wrong);
    expect(verdict).toMatchObject({ state: 'wrong', mistake: name });
    expect(verdict.text).toContain(`Hint: ${hint}`);
  });
  it('has parameters that fit its cases, mistakes enough, and hints that do not repeat each other', () => {
    for (const args of Object.values(one.cases))
      expect((args as unknown[]).length).toBe(parameterNames(one).length);
    const hints = Object.values(one.mistakes).map(({ hint }) => hint);
    expect(hints.length).toBeGreaterThanOrEqual(3);
    expect(new Set(hints).size).toBe(hints.length);
  });
});

it('ids are unique, begin with their lesson and stand in its order', () => {
  const ids = exercises.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  const lessons = ids.map((id) => id.slice(0, 3));
  expect(lessons).toEqual([...lessons].sort());
  for (const id of ids) expect(id).toMatch(/^\d\d-[a-z-]+$/);
});

describe('what check answers', () => {
  const say = (id: string, f: unknown): string => {
    const lines: string[] = [];
    const spy = vi
      .spyOn(console, 'log')
      .mockImplementation((line: string) => void lines.push(line));
    check(id, f as never);
    spy.mockRestore();
    return lines.join('\n');
  };
  it.each<[string, unknown, RegExp]>([
    ['a stub', () => { throw new Error('not yet'); }, /^○ 01-softmax.*waiting for you\. It still says "not yet".*two equal scores, with scores = \[2,2\]\.$/],
    ['nothing returned', () => undefined, /^○ .*gives back nothing so far: is a return missing\?/],
    ['no function', undefined, /^✗ .*check needs the function itself, as in check\('01-softmax', softmax\); it got undefined\./],
    ['a list too short', () => [1], /✗ two equal scores: result has 1 entry, expected 2/],
    ['a number for a list', () => 1, /result is a number, expected a list of 2/],
    ['an exception', () => { throw new TypeError('x is not iterable'); }, /your function threw "x is not iterable"/],
    ['a promise', async () => [1], /gave a promise: leave out async/],
    ['a tensor', () => ({ dataSync: () => [1] }), /gave a tensor; give plain numbers/],
    ['NaN', (s: number[]) => s.map((_, i) => (i === 0 ? 0.5 : Number.NaN)), /result\[1\] is NaN, expected 0\.5[\s\S]*Hint: NaN comes from/],
    ['a missing factor', (s: number[]) => { const e = s.map((x) => Math.exp(x - Math.max(...s))); return e.map((x) => (2 * x) / e.reduce((a, b) => a + b)); }, /Hint: Every wrong number is 2 times/],
    ['an unknown mistake', (s: number[]) => s.map(() => 0.1), /result\[0\] is 0\.1, expected 0\.5 \(the worst; 2 of 2 numbers differ\)[\s\S]*The first that fails: with scores = \[2,2\][\s\S]*Hint: No known mistake\./],
  ])('%s', (_, f, word) => expect(say('01-softmax', f)).toMatch(word)); // biome-ignore format: a table
  it('rows and columns exchanged, and one place away, are read off the numbers', () => {
    const upright = (N: number, C: number) =>
      Array.from({ length: N }, (_, m) =>
        Array.from({ length: N }, (_, n) => (n - C < m && m <= n ? 1 : 0)),
      );
    expect(say('06-mask', upright)).toMatch(/Hint: .*rows and columns exchanged/);
    const late = (pairs: number, base: number) =>
      Array.from({ length: pairs }, (_, i) => (pairs === 1 ? 1 : base ** -((i - 1) / (pairs - 1))));
    expect(say('13-speeds', late)).toMatch(/Hint: .*one place away: an index is off by one/);
  });
  it('an input that was changed is named, and the cases that follow are not spoilt by it', () => {
    const sorting = (values: number[]): number => {
      const sum = values.reduce((a, b) => a + b, 0) / values.length;
      values.length = 0;
      return sum;
    };
    expect(say('00-mean', sorting)).toMatch(
      /0 of 3 cases[\s\S]*the result is right, but your function changed its input values: work on a copy[\s\S]*Hint: Lists are handed over, not copied/,
    );
  });
  it('a key that is missing', () => {
    expect(say('01-step', () => ({ output: [1, 2] }))).toMatch(
      /result is an object with output, but cache is missing/,
    );
  });
  it('an exercise that is not there: those of the lesson are named', () => {
    expect(say('01-softmaks', () => 1)).toBe(
      'There is no exercise 01-softmaks. There are 01-softmax, 01-attend, 01-step.',
    );
  });
});

/** As the formatter writes it where the line is wide enough: no breaks, no commas before them. */
const onOneLine = (source: string): string =>
  source.replace(/\s+/g, ' ').replace(/\( /g, '(').replace(/,? \)/g, ')').replace(/; }/g, ' }');
/** The code of a notebook without its imports, as one function of `check` and what else it imports. */
function runHere(path: string, told: (id: string, f: unknown) => void): void {
  const code = readNotebook(path)
    .cells.filter(({ cell_type }) => cell_type === 'code')
    .map(sourceOf)
    .join('\n');
  expect(code).toContain("import { check } from './src/support/course/exercises/check';");
  const plain = ts.transpile(code.replace(/^import .*$/gm, ''), { target: ts.ScriptTarget.ES2022 });
  new Function('check', 'console', plain)(told, { log: () => undefined });
}
describe.each(['exercises', 'solutions'])('notebooks/%s', (folder) => {
  const names = readdirSync(join(root, 'notebooks', folder)).filter((name) =>
    name.endsWith('.ipynb'),
  );
  it('there is one for each lesson that has exercises, named after the lesson', () => {
    expect(names.map((name) => name.slice(0, 2)).sort()).toEqual(
      [...new Set(exercises.map(({ id }) => id.slice(0, 2)))].sort(),
    );
  });
  it.each(names)('%s', (name) => {
    const path = join(root, 'notebooks', folder, name);
    const told = new Map<string, string>();
    const texts: string[] = [];
    runHere(path, (id, f) => {
      const verdict = examine(id, f as never);
      told.set(id, verdict.state);
      texts.push(verdict.text);
      expect(verdict.state, verdict.text).toBe(folder === 'exercises' ? 'not begun' : 'passed');
    });
    expect([...told.keys()].sort()).toEqual(
      exercises
        .map(({ id }) => id)
        .filter((id) => id.startsWith(name.slice(0, 2)))
        .sort(),
    );
    const cells = readNotebook(path).cells;
    const committed = cells
      .flatMap(({ outputs }) => outputs ?? [])
      .map((output) => textOf(output).trim());
    expect(committed, 'the outputs in the file are those of this run').toEqual(texts);
    const source = cells.map(sourceOf).join('\n');
    for (const one of exercises.filter(({ id }) => told.has(id))) {
      expect(source).toContain(`function ${functionName(one)}(`);
      if (folder === 'exercises')
        expect(onOneLine(source)).toContain(`function ${onOneLine(one.signature)} {`);
    }
  });
});
