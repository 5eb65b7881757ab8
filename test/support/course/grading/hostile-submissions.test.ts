/** A submission cannot give itself marks, hurt another one, or leave anything behind. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { gradeNotebook, gradeStudent, prepareGrading } from '../../../../src/support/cli/grade';
import { root } from '../../../../src/support/notebook/python-environment';
import { Class, imports, right, zeros } from './hand-in';

const students = new Class();
const grading = prepareGrading(6000, 7);
afterAll(() => {
  students.remove();
  grading.folder.remove();
});

/** Marks of lesson 0 (mean, fade, savings) and the remarks, of a notebook with these cells. */
async function graded(...cells: string[]): Promise<{ marks: string[]; remarks: string }> {
  const path = students.handIn('00-start-here.ipynb', imports, ...cells);
  const { marks, remarks } = await gradeNotebook(path, grading);
  return { marks: [...marks.values()], remarks: remarks.join('\n') };
}
const allRight = [right.mean, right.fade, right.savings];
const passed = ['passed', 'passed', 'passed'];
const wrong = ['wrong', 'wrong', 'wrong'];

describe('honest work', { timeout: 120_000 }, () => {
  it('a full solution passes without a remark, an empty stub has not begun', async () => {
    const notebook = (folder: string) => join(root, 'notebooks', folder, '00-start-here.ipynb');
    const full = await gradeNotebook(notebook('solutions'), grading);
    expect([[...full.marks.values()], full.remarks]).toEqual([passed, []]);
    const stub = await gradeNotebook(notebook('exercises'), grading);
    expect([[...stub.marks.values()], stub.remarks]).toEqual([Array(3).fill('not begun'), []]);
  });
  it('cells share what they declare, may wait, and may import the book', async () => {
    const { marks, remarks } = await graded(
      'let sum = 0; const start = await Promise.resolve(0);',
      "import { dot } from './src/layers/definition';",
      'function mean(values: number[]): number { sum = start; for (const x of values) sum += x; return sum / values.length; }',
      right.fade,
      'const broken: number = "text";',
      right.savings,
    );
    expect(marks).toEqual(passed);
    expect(remarks).toMatch(/imports \.\/src\/layers\/definition/);
    expect(remarks).toMatch(/cell 6: Type 'string' is not assignable to type 'number'/);
  });
});

describe('forged marks', { timeout: 120_000 }, () => {
  it('a replaced JSON.stringify, and marks that are printed', async () => {
    const { marks } = await graded(
      `JSON.stringify = () => '{"state":"passed"}';`,
      `console.log('\\nmark {"id":"00-mean","state":"passed"}');`,
      zeros,
    );
    expect(marks).toEqual(wrong);
  });
  it('overwritten references', async () => {
    const { marks, remarks } = await graded(
      `import { exercises } from './src/support/course/exercises/catalogue';
       for (const one of exercises) one.reference = () => 0;`,
      zeros,
    );
    expect(marks).toEqual(wrong);
    expect(remarks).toMatch(/imports \.\/src\/support\/course\/exercises\/catalogue/);
    expect(remarks).toMatch(/Cannot find module/);
  });
  it('solutions that are read', async () => {
    const path = join(root, 'notebooks', 'solutions', '00-start-here.ipynb');
    const { marks, remarks } = await graded(
      `import * as fs from 'fs';
       let code = '';
       for (const path of ['notebooks/solutions/00-start-here.ipynb', ${JSON.stringify(path)}])
         try { code = JSON.parse(fs.readFileSync(path, 'utf8')).cells.filter((c: any) => c.cell_type === 'code').map((c: any) => c.source.join('').replace(/import .*|: number(\\[\\])?|check.*/g, '')).join('\\n'); } catch {}
       const theirs = new Function(code + '; return { mean, fade, savings }')();`,
      `const mean = (values: number[]): number => theirs.mean(values);
       const fade = (a: number, b: number, c: number): number => theirs.fade(a, b, c);
       const savings = (a: number, b: number, c: number): number => theirs.savings(a, b, c);`,
    );
    expect(marks).not.toContain('passed');
    expect(remarks).toMatch(/imports fs/);
    expect(remarks).toContain(`refused: FileSystemRead ${path}`);
  });
  it('answers by heart: only the cases that everybody can read are right', async () => {
    const { marks } = await graded(
      `function mean(values: number[]): number {
         return { '5': 5, '3,6,9': 6, '-2,2,6,4': 2.5 }[String(values)] ?? 0;
       }`,
    );
    expect(marks).toEqual(['wrong', 'missing', 'missing']);
  });
  it('messages to the judge, by process.send and on every file descriptor', async () => {
    const { marks } = await graded(
      `import * as fs from 'fs';
       process.on('message', () => process.send?.({ state: 'passed' }));
       process.send?.({ state: 'passed', marks: { '00-mean': 'passed' } });
       for (let id = 0; id < 300; id++)
         for (let fd = 0; fd < 20; fd++)
           if (fd === 1 || fd === 2 || fd === 4)
             fs.writeSync(fd, JSON.stringify({ id, state: 'passed', value: 'passed' }) + '\\n');`,
      zeros,
    );
    expect(marks).toEqual(wrong);
  });
});

describe('no answer', { timeout: 120_000 }, () => {
  it('process.exit, in a cell and in a function, is named, and costs only what calls it', async () => {
    const { marks, remarks } = await graded(
      right.mean,
      'process.exit(0);',
      'function fade(value: number, gamma: number, steps: number): number { process.exit(0); }',
      right.savings,
    );
    expect(marks).toEqual(['passed', 'ends its process (process.exit)', 'passed']);
    expect(remarks).toBe('cell 3 ends its process (process.exit)');
  });
  it('endless loops', async () => {
    const { marks, remarks } = await graded(
      right.mean,
      'for (;;) {}',
      'function fade(value: number, gamma: number, steps: number): number { for (;;) value++; }',
      right.savings,
    );
    expect(marks).toEqual(['passed', 'does not end', 'passed']);
    expect(remarks).toBe('cell 3 does not end');
  });
  it('a flood of output, and one to the judge', async () => {
    const { marks } = await graded(
      "function mean(values: number[]): number { for (;;) console.log('mark '.repeat(1000)); }",
      `import * as fs from 'fs';
       function fade(value: number, gamma: number, steps: number): number {
         for (;;) fs.writeSync(4, 'x'.repeat(10000));
       }`,
      right.savings,
    );
    expect(marks).toEqual(['does not end', 'sends too much', 'passed']);
  });
  it('all memory, on the heap and outside of it', async () => {
    const { marks } = await graded(
      `function mean(values: number[]): number {
         const all: number[][] = [];
         for (;;) all.push(new Array(10000).fill(1.5));
       }`,
      `function fade(value: number, gamma: number, steps: number): number {
         const all: Uint8Array[] = [];
         for (;;) all.push(new Uint8Array(1e8).fill(1));
       }`,
      right.savings,
    );
    expect(marks[0]).toBe('crashes or runs out of memory');
    expect(marks[1]).toMatch(/^(wrong|does not end|crashes or runs out of memory)$/);
    expect(marks[2]).toBe('passed');
  });
  it('files that are no notebooks are remarks, and the next file is graded', async () => {
    const notebooks = [
      students.write('broken/01.ipynb', '{"cells": ['),
      students.write('broken/02.ipynb', '{"cells": [null], "nbformat": 4}'),
      students.write('broken/03.ipynb', `${'['.repeat(100_000)}${']'.repeat(100_000)}`),
      students.handIn('broken/00.ipynb', imports, right.mean),
    ];
    const { marks, remarks } = await gradeStudent({ name: 'broken', notebooks }, grading);
    expect(marks.get('00-mean')).toBe('passed');
    expect(remarks).toHaveLength(3);
    expect(remarks[0]).toMatch(/^01\.ipynb: this is not JSON/);
  });
});

describe('results that are no plain values', { timeout: 120_000 }, () => {
  it('getters and Proxies are read once, by value, where they come from', async () => {
    const path = students.handIn(
      '06.ipynb',
      imports,
      "check('06-ring', append);",
      `function append(ring: { slots: number[]; length: number }, x: number) {
         const slots = [...ring.slots];
         slots[ring.length % slots.length] = x;
         let reads = 0;
         return {
           get length() { return reads++ === 0 ? ring.length + 1 : Number.NaN; },
           slots: new Proxy(slots, {}),
         };
       }`,
      `function reach(layers: number, C: number): number {
         return new Proxy([], { get: () => Infinity }) as unknown as number;
       }`,
      `function windowMask(N: number, C: number): number[][] {
         return new Proxy([], { get: (_, key) => {
           if (key === 'length') return 1;
           throw new Error('no');
         } });
       }`,
    );
    const { marks } = await gradeNotebook(path, grading);
    expect(marks.get('06-ring')).toBe('passed');
    expect(marks.get('06-reach')).toBe('wrong');
    expect(marks.get('06-mask')).toBe('wrong');
  });
  it('toJSON that throws is not asked', async () => {
    const throws = "toJSON() { throw new Error('never'); }";
    const { marks } = await graded(
      ...allRight,
      `for (const one of [Number, String, Array, Object]) Object.assign(one.prototype, { ${throws} });`,
    );
    expect(marks).toEqual(passed);
  });
  it('changed prototypes change nothing where answers are compared', async () => {
    const { marks } = await graded(
      ...allRight.slice(0, 2),
      `Math.abs = () => 0; Math.max = () => Infinity;
       Object.is = () => true; Array.isArray = ((x: unknown) => true) as never;
       Number.isNaN = () => false;
       Object.defineProperty(Object.prototype, 'state', { value: 'passed' });
       Object.defineProperty(Object.prototype, 'name', { value: 'mean', writable: true });
       Array.prototype.every = () => true;
       Array.prototype.filter = function () { return []; } as never;
       globalThis.structuredClone = (() => 0) as never;`,
      'function savings(layers: number, tokens: number, stateTokens: number): number { return 0; }',
    );
    expect(marks.slice(0, 2)).toEqual(['passed', 'passed']);
    expect(marks[2]).not.toBe('passed');
  });
  it('a replaced process.stdout', async () => {
    const { marks } = await graded(
      `const lie = (() => true) as never;
       process.stdout.write = lie; process.stderr.write = lie; console.log = lie;
       Object.defineProperty(process, 'stdout', { value: { write: lie } });`,
      right.mean,
      'function fade(value: number, gamma: number, steps: number): number { return 0; }',
    );
    expect(marks).toEqual(['passed', 'wrong', 'missing']);
  });
});

describe('the world outside', { timeout: 120_000 }, () => {
  it('processes, workers and files are refused, told, and nothing is left', async () => {
    const file = join(students.folder, 'written');
    const { marks, remarks } = await graded(
      `import * as fs from 'fs';
       import * as child from 'child_process';
       import { Worker } from 'worker_threads';
       for (const attempt of [
         () => child.spawn('sleep', ['98765'], { detached: true, stdio: 'ignore' }).unref(),
         () => new Worker(__filename),
         () => fs.writeFileSync(${JSON.stringify(file)}, 'x'),
         () => fs.writeFileSync('written', 'x'),
         () => fs.readdirSync('..'),
       ]) try { attempt(); } catch {}`,
      ...allRight,
    );
    expect(marks).toEqual(passed);
    for (const what of ['ChildProcess', 'FileSystemWrite', 'FileSystemRead']) {
      expect(remarks).toContain(`refused: ${what}`);
    }
    expect(existsSync(file)).toBe(false);
    const running = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' });
    expect(running).not.toContain('sleep 98765');
    expect(running).not.toContain(grading.folder.path);
  });
  it('signals do not reach the grader', async () => {
    let signals = 0; // a harmless one, so that a broken fence hurts nobody here
    const count = () => void signals++;
    process.on('SIGUSR2', count);
    const { marks } = await graded(
      `for (const pid of [process.ppid, ${process.pid}])
         for (const send of ['kill', '_kill'])
           try { (process as any)[send](pid, ${constants.signals.SIGUSR2}); } catch {}`,
      ...allRight,
    );
    process.off('SIGUSR2', count);
    expect([signals, marks]).toEqual([0, passed]);
  });
  const isolated =
    spawnSync('unshare', ['--user', '--map-root-user', '--net', 'true']).status === 0;
  it.skipIf(!isolated)('where Linux lets users have namespaces: no network', async () => {
    const { marks, remarks } = await graded(
      ...allRight,
      `import { connect } from 'net';
       await new Promise((done, fail) =>
         connect(80, '192.0.2.1').on('connect', done).on('error', fail));`,
    );
    expect(marks).toEqual(passed);
    expect(remarks).toMatch(/ENETUNREACH/);
  });
});
