/** The exercises: right answers pass, each known mistake gets its own hint, nothing is thrown. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it, vi } from 'vitest';
import { exercises } from '../../../src/support/course/exercises/catalogue';
import { check, examine } from '../../../src/support/course/exercises/check';
import {
  type AnyFunction,
  functionName,
  parameterNames,
} from '../../../src/support/course/exercises/exercise';
import { readNotebook, sourceOf, textOf } from '../../../src/support/notebook/notebook-file';
import { root } from '../../../src/support/notebook/python-environment';

describe.each(exercises.map((one) => [one.id, one] as const))('%s', (id, one) => {
  it('the reference passes, and again: it keeps nothing from call to call', () => {
    const passed = { id, state: 'passed', text: expect.stringMatching(/^✓/) };
    for (let i = 0; i < 2; i++) expect(examine(id, one.reference)).toEqual(passed);
  });
  it.each(Object.entries(one.mistakes))('known mistake: %s', (mistake, { wrong, hint }) => {
    const forms: AnyFunction[] = [wrong].flat();
    for (const form of forms) {
      const verdict = examine(id, form);
      expect(verdict).toMatchObject({ state: 'wrong', mistake });
      expect(verdict.text).toContain(`Hint: ${hint}`);
    }
  });
  it('each case has an argument for each parameter', () => {
    for (const args of Object.values(one.cases) as unknown[][]) {
      expect(args.length).toBe(parameterNames(one).length);
    }
  });
  it('the first case can be computed on paper: few numbers, at most three decimals', () => {
    const { text } = examine(id, () => undefined);
    const first = text.slice(text.indexOf('A good first case: '));
    expect(first.length).toBeLessThan(150);
    expect(first).not.toMatch(/\.\d{4}/);
  });
  it('there are at least three hints, all different', () => {
    const hints = Object.values(one.mistakes).map(({ hint }) => hint);
    expect(hints.length).toBeGreaterThanOrEqual(3);
    expect(new Set(hints).size).toBe(hints.length);
  });
});

/** Only a text too long for paper shows it. */
const needsLongText = 'running products divided';
const onPaper = exercises.filter(({ id }) => /^0[4-7]/.test(id));
it.each(onPaper)('$id: the first case in which a mistake fails is small', (one) => {
  for (const [mistake, { wrong }] of Object.entries(one.mistakes)) {
    if (mistake === needsLongText) continue;
    for (const form of [wrong].flat() as AnyFunction[]) {
      const { text } = examine(one.id, form);
      const first = /The first that fails: with (.*)\./.exec(text)?.[1];
      expect(first, mistake).toMatch(/=/);
      expect(first, mistake).not.toMatch(/\.\d{4}|a list of/);
    }
  }
});

it('ids are unique, begin with their lesson and stand in its order', () => {
  const ids = exercises.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  const lessons = ids.map((id) => id.slice(0, 3));
  expect(lessons).toEqual([...lessons].sort());
  for (const id of ids) expect(id).toMatch(/^\d\d-[a-z-]+$/);
});

/** What `check` prints. */
function say(id: string, yours: unknown): string {
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  check(id, yours as AnyFunction);
  const text = log.mock.calls.flat().join('\n');
  log.mockRestore();
  return text;
}
const throwing = (error: Error) => (): never => {
  throw error;
};
const table = (N: number, entry: (n: number, m: number) => number): number[][] =>
  Array.from({ length: N }, (_, n) => Array.from({ length: N }, (_, m) => entry(n, m)));
const softmax = (scores: number[], factor = 1): number[] => {
  const exps = scores.map((score) => Math.exp(score - Math.max(...scores)));
  return exps.map((x) => (factor * x) / exps.reduce((a, b) => a + b));
};

describe('what check prints', () => {
  const begin = /^○ 01-softmax.*waiting for you\./;
  it.each<[string, unknown, RegExp[]]>([
    [
      'a stub',
      throwing(new Error('not yet')),
      [begin, /It still says "not yet"\..*two equal scores, with scores = \[2,2\]\.$/],
    ],
    [
      'nothing returned',
      () => undefined,
      [begin, /It returns nothing so far: is a return missing/],
    ],
    [
      'no function',
      undefined,
      [/^✗ .*check needs the function itself, as in check\('01-softmax', softmax\); it got undef/],
    ],
    ['a list too short', () => [1], [/✗ two equal scores: result has 1 entry, expected 2/]],
    ['a number for a list', () => 1, [/result is a number, expected a list of 2/]],
    [
      'an exception',
      throwing(new TypeError('x is not iterable')),
      [/your function threw "x is not iterable"/],
    ],
    ['a promise', async () => [1], [/gave a promise: leave out async/]],
    ['a tensor', () => ({ dataSync: () => [1] }), [/gave a tensor; give plain numbers/]],
    [
      'NaN',
      (scores: number[]) => scores.map((_, i) => (i === 0 ? 0.5 : Number.NaN)),
      [/result\[1\] is NaN, expected 0\.5/, /Hint: NaN comes from/],
    ],
    [
      'a factor too much',
      (scores: number[]) => softmax(scores, 2),
      [/Hint: Every wrong number is 2 times/],
    ],
    [
      'a factor too much, and an empty list in one case',
      (scores: number[]) => (scores.length === 2 ? [] : softmax(scores, 2)),
      [/result has 0 entries/, /Hint: Every wrong number is 2 times/],
    ],
    [
      'an unknown mistake',
      (scores: number[]) => scores.map(() => 0.1),
      [
        /result\[0\] is 0\.1, expected 0\.5 \(the worst; 2 of 2 numbers differ\)/,
        /The first that fails: with scores = \[2,2\]/,
        /Hint: No known mistake\. Compute the first failing case on paper/,
      ],
    ],
  ])('%s', (_, yours, patterns) => {
    const text = say('01-softmax', yours);
    for (const pattern of patterns) expect(text).toMatch(pattern);
  });
  it('rows and columns exchanged are recognised by the numbers', () => {
    const transposed = (N: number, C: number) => table(N, (m, n) => +(n - C < m && m <= n));
    expect(say('06-mask', transposed)).toMatch(/Hint: .*rows and columns exchanged/);
  });
  it('numbers that are one place away are recognised', () => {
    const late = (pairs: number, base: number) =>
      Array.from({ length: pairs }, (_, i) => (pairs === 1 ? 1 : base ** -((i - 1) / (pairs - 1))));
    expect(say('13-speeds', late)).toMatch(/Hint: .*one place away: an index is off by one/);
  });
  it('an input that was changed is named, and the next cases get their own', () => {
    const emptying = (values: number[]): number => {
      const mean = values.reduce((a, b) => a + b, 0) / values.length;
      values.length = 0;
      return mean;
    };
    const text = say('00-mean', emptying);
    expect(text).toMatch(/0 of 3 cases/);
    expect(text).toMatch(/the result is right, but your function changed its input values/);
    expect(text).toMatch(/Hint: A function gets the list of its caller, not a copy/);
  });
  it('a function that remembers earlier calls breaks a property only', () => {
    let calls = 0;
    const ageing = (layers: number, tokens: number, stateTokens: number): number =>
      (layers * tokens) / (tokens + (layers / 2) * stateTokens) + (++calls > 5 ? 1 : 0);
    const text = say('00-ratio', ageing);
    expect(text).toMatch(/4 of 4 cases right/);
    expect(text).toMatch(/✗ property: for very long texts/);
    expect(text).toMatch(/Hint: Every case is right, but a property does not hold/);
  });
  it('a key that is missing', () => {
    const text = say('01-step', () => ({ output: [3, 6] }));
    expect(text).toMatch(/result is an object with output, but cache is missing/);
  });
  it('an exercise that is not there: those of the lesson are named', () => {
    expect(say('01-softmaks', () => 1)).toBe(
      'There is no exercise 01-softmaks. There are 01-softmax, 01-attend, 01-step.',
    );
  });
});

describe('a known mistake in another form', () => {
  interface Token {
    q: number[];
    k: number[];
    v: number[];
  }
  interface Cache {
    k: number[][];
    v: number[][];
  }
  const attendsFirst =
    (toNothing: () => number[]) =>
    ({ q, k, v }: Token, cache: Cache) => {
      const next = { k: [...cache.k, k], v: [...cache.v, v] };
      if (cache.k.length === 0) return { output: toNothing(), cache: next };
      const scores = cache.k.map((key) => key.reduce((sum, x, i) => sum + x * q[i], 0));
      const weights = softmax(scores.map((score) => score / Math.sqrt(q.length)));
      const mixed = v.map((_, d) => weights.reduce((sum, w, m) => sum + w * cache.v[m][d], 0));
      return { output: mixed, cache: next };
    };
  it.each<[string, () => number[]]>([
    ['zeros', () => [0, 0]],
    ['an empty list', () => []],
    ['NaN', () => [Number.NaN, Number.NaN]],
    ['an exception', throwing(new Error('k[0] is undefined'))],
  ])('no keys yet, which gives %s: the other cases tell what is wrong', (_, toNothing) => {
    const { mistake } = examine('01-step', attendsFirst(toNothing) as AnyFunction);
    expect(mistake).toBe('attends before it appends');
  });
  it('right numbers but in one case, where nothing is returned, is no known mistake', () => {
    const shy = (scores: number[]) => (scores[0] === 2 ? [] : softmax(scores));
    expect(examine('01-softmax', shy as AnyFunction)).not.toHaveProperty('mistake', /./);
  });
});

describe('retention in forms that are right for small numbers', () => {
  interface Chunk {
    q: number[][];
    k: number[][];
    v: number[][];
    gammas: number[];
  }
  /** As a reader may write it: β as a running product, D as a quotient. */
  function runningProducts(gammas: number[]): number[] {
    const beta: number[] = [];
    for (const gamma of gammas) beta.push((beta.at(-1) ?? 1) * gamma);
    return beta;
  }
  const decayMatrix = (gammas: number[]): number[][] => {
    const beta = runningProducts(gammas);
    return table(gammas.length, (n, m) => (m <= n ? beta[n] / beta[m] : 0));
  };
  const dot = (a: number[], b: number[]) => a.reduce((sum, x, i) => sum + x * b[i], 0);
  const dividing = ({ q, k, v, gammas }: Chunk, state: number[][]) => {
    const [D, beta] = [decayMatrix(gammas), runningProducts(gammas)];
    const last = gammas.length - 1;
    const column = (M: number[][], d: number) => M.map((row) => row[d]);
    const output = q.map((query, n) => {
      const weights = k.map((key, m) => D[n][m] * dot(query, key));
      return v[0].map(
        (_, d) => dot(weights, column(v, d)) + beta[n] * dot(query, column(state, d)),
      );
    });
    const next = state.map((row, i) => {
      const weights = k.map((key, m) => D[last][m] * key[i]);
      return row.map((s, d) => beta[last] * s + dot(weights, column(v, d)));
    });
    return { output, state: next };
  };
  const tokenByToken = ({ q, k, v, gammas }: Chunk, state: number[][]) => {
    let S = state;
    const output: number[][] = [];
    for (const [n, gamma] of gammas.entries()) {
      S = S.map((row, i) => row.map((s, d) => gamma * s + k[n][i] * v[n][d]));
      output.push(v[n].map((_, d) => q[n].reduce((sum, x, i) => sum + x * S[i][d], 0)));
    }
    return { output, state: S };
  };

  it.each<[string, unknown]>([
    ['04-decay', decayMatrix],
    ['04-chunk', dividing],
  ])('%s: divided running products fail where they underflow', (id, yours) => {
    const verdict = examine(id, yours as AnyFunction);
    expect(verdict).toMatchObject({ state: 'wrong', mistake: 'running products divided' });
    expect(verdict.text.match(/✗ .*NaN/g)).toHaveLength(1);
    expect(verdict.text).toMatch(/✗ a hundred strong gates: .* is NaN/);
  });
  it('04-chunk passes a loop over tokens: the forms are equal, and the task says so', () => {
    expect(examine('04-chunk', tokenByToken as AnyFunction).state).toBe('passed');
    const lesson = '04-retention-in-three-forms.ipynb';
    const tasks = readNotebook(join(root, 'notebooks', 'exercises', lesson)).cells.map(sourceOf);
    expect(tasks.join('\n')).toContain('A loop over tokens gives the same numbers');
  });
});

/** As the formatter writes it where the line is wide enough: no breaks, no commas before them. */
const onOneLine = (source: string): string =>
  source.replace(/\s+/g, ' ').replace(/\( /g, '(').replace(/,? \)/g, ')').replace(/; }/g, ' }');
/** Runs the code of a notebook without its imports; `onCheck` is what its cells call as check. */
function runHere(path: string, onCheck: (id: string, yours: unknown) => void): void {
  const sources = readNotebook(path)
    .cells.filter(({ cell_type }) => cell_type === 'code')
    .map(sourceOf);
  const code = sources.join('\n');
  expect(code).toContain("import { check } from './src/support/course/exercises/check';");
  const plain = ts.transpile(code.replace(/^import .*$/gm, ''), { target: ts.ScriptTarget.ES2022 });
  new Function('check', 'console', plain)(onCheck, { log: () => undefined });
}
describe.each(['exercises', 'solutions'])('notebooks/%s', (folder) => {
  const names = readdirSync(join(root, 'notebooks', folder)).filter((name) =>
    name.endsWith('.ipynb'),
  );
  it('there is one for each lesson that has exercises, named after the lesson', () => {
    const lessons = exercises.map(({ id }) => id.slice(0, 2));
    expect(names.map((name) => name.slice(0, 2)).sort()).toEqual([...new Set(lessons)].sort());
  });
  it.each(names)('%s', (name) => {
    const path = join(root, 'notebooks', folder, name);
    const checked: string[] = [];
    const texts: string[] = [];
    runHere(path, (id, yours) => {
      const { state, text } = examine(id, yours as AnyFunction);
      checked.push(id);
      texts.push(text);
      expect(state, text).toBe(folder === 'exercises' ? 'not begun' : 'passed');
    });
    const ofLesson = exercises.filter(({ id }) => id.startsWith(name.slice(0, 2)));
    expect(checked.sort()).toEqual(ofLesson.map(({ id }) => id).sort());

    const { cells } = readNotebook(path);
    const outputs = cells.flatMap((cell) => cell.outputs ?? []).map((one) => textOf(one).trim());
    expect(outputs, 'the outputs in the file are those of this run').toEqual(texts);
    const source = cells.map(sourceOf).join('\n');
    for (const one of ofLesson) {
      expect(source).toContain(`## ${'★'.repeat(one.difficulty)} ${one.title}\n`);
      expect(source).toContain(`function ${functionName(one)}(`);
      if (folder === 'exercises') {
        expect(onOneLine(source)).toContain(`function ${onOneLine(one.signature)} {`);
      }
    }
  });
});
