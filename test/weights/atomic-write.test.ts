/** Files are old or new, and never incomplete. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { atomicWrite } from '../../src/weights/atomic-write';

const folder = mkdtempSync(join(tmpdir(), 'durable-'));
afterAll(() => rmSync(folder, { recursive: true }));
const read = (path: string): string => readFileSync(path, 'utf8');

describe('atomicWrite', () => {
  it('writes the whole file, in a new folder, and leaves nothing else there', () => {
    const path = join(folder, 'deep', 'down', 'a');
    atomicWrite(path, 'one');
    atomicWrite(path, Uint8Array.of(116, 119, 111));
    expect(read(path)).toBe('two');
    expect(readdirSync(join(folder, 'deep', 'down'))).toEqual(['a']);
  });
  it('moves the replaced file to where it is told', () => {
    const [path, old] = [join(folder, 'b'), join(folder, 'b.old')];
    atomicWrite(path, 'one', old);
    expect(existsSync(old)).toBe(false);
    atomicWrite(path, 'two', old);
    atomicWrite(path, 'three', old);
    expect([read(path), read(old)]).toEqual(['three', 'two']);
  });
  it('leaves no temporary file if it fails', () => {
    const path = join(folder, 'occupied');
    mkdirSync(join(path, 'by a folder'), { recursive: true });
    expect(() => atomicWrite(path, 'one')).toThrow();
    expect(readdirSync(folder).filter((name) => name.endsWith('.writing'))).toEqual([]);
  });
});
