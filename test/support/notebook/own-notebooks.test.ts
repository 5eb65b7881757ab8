import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { copyNotebooks, inWords } from '../../../src/support/notebook/own-notebooks';

let at: string;
const write = (path: string, text: string): void => {
  mkdirSync(dirname(join(at, path)), { recursive: true });
  writeFileSync(join(at, path), text);
};
const read = (path: string): string => readFileSync(join(at, path), 'utf8');

beforeEach(() => {
  at = mkdtempSync(join(tmpdir(), 'cache-once-own-'));
  write('notebooks/00.ipynb', 'lesson');
  write('notebooks/exercises/00.ipynb', 'exercise');
  write('notebooks/models/yoco.json', 'no notebook');
  write('notebooks/.ipynb_checkpoints/00.ipynb', 'a checkpoint');
});
afterEach(() => rmSync(at, { recursive: true }));

describe('my-notebooks', () => {
  it('is a copy of every notebook, and of nothing else', () => {
    const all = ['00.ipynb', 'exercises/00.ipynb'];
    expect(copyNotebooks(at)).toEqual({ copied: all, updated: [], kept: [] });
    expect(read('my-notebooks/exercises/00.ipynb')).toBe('exercise');
    expect(copyNotebooks(at)).toEqual({ copied: [], updated: [], kept: [] });
  });

  it('what the reader wrote stays, and the course is not changed', () => {
    copyNotebooks(at);
    write('my-notebooks/00.ipynb', 'my work');
    expect(copyNotebooks(at)).toEqual({ copied: [], updated: [], kept: [] });
    expect(read('my-notebooks/00.ipynb')).toBe('my work');
    expect(read('notebooks/00.ipynb')).toBe('lesson');
  });

  it('follows the course where the reader has written nothing, and says so', () => {
    copyNotebooks(at);
    write('my-notebooks/00.ipynb', 'my work');
    write('notebooks/00.ipynb', 'a better lesson');
    write('notebooks/exercises/00.ipynb', 'a better exercise');
    const report = copyNotebooks(at);
    expect(report).toEqual({ copied: [], updated: ['exercises/00.ipynb'], kept: ['00.ipynb'] });
    expect(read('my-notebooks/00.ipynb')).toBe('my work');
    expect(read('my-notebooks/exercises/00.ipynb')).toBe('a better exercise');
    expect(inWords(report)).toMatch(/1 updated[\s\S]*newer version of 00\.ipynb; yours is kept/);
  });

  it('a copy that was deleted is made again; without its record nothing is overwritten', () => {
    copyNotebooks(at);
    rmSync(join(at, 'my-notebooks/00.ipynb'));
    expect(copyNotebooks(at).copied).toEqual(['00.ipynb']);
    rmSync(join(at, 'my-notebooks/.copied.json'));
    write('my-notebooks/00.ipynb', 'my work');
    expect(copyNotebooks(at).kept).toContain('00.ipynb');
    expect(read('my-notebooks/00.ipynb')).toBe('my work');
  });
});
