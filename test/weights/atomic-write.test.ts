/** Files that are old or new, and never half. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { writeDurably } from '../../src/weights/atomic-write';

const folder = mkdtempSync(join(tmpdir(), 'durable-'));
afterAll(() => rmSync(folder, { recursive: true }));
const read = (path: string): string => readFileSync(path, 'utf8');

describe('a durable file', () => {
  it('is written whole, in a folder made for it, and nothing else is left there', () => {
    const path = join(folder, 'deep', 'down', 'a');
    writeDurably(path, 'one');
    writeDurably(path, Uint8Array.of(116, 119, 111));
    expect(read(path)).toBe('two');
    expect(readdirSync(join(folder, 'deep', 'down'))).toEqual(['a']);
  });
  it('moves what it replaces to where it is told, once there is something', () => {
    const [path, old] = [join(folder, 'b'), join(folder, 'b.old')];
    writeDurably(path, 'one', { keepOldAs: old });
    expect(existsSync(old)).toBe(false);
    writeDurably(path, 'two', { keepOldAs: old });
    writeDurably(path, 'three', { keepOldAs: old });
    expect([read(path), read(old)]).toEqual(['three', 'two']);
  });
  it('that cannot be put in its place leaves no half behind', () => {
    const path = join(folder, 'taken');
    mkdirSync(join(path, 'by a folder'), { recursive: true });
    expect(() => writeDurably(path, 'one')).toThrow();
    expect(readdirSync(folder).filter((name) => name.endsWith('.writing'))).toEqual([]);
  });
});
