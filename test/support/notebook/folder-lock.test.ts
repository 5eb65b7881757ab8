/** The lock between processes: one at a time, and a killed holder does not block for ever. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { withFolderLock } from '../../../src/support/notebook/folder-lock';

const home = mkdtempSync(join(tmpdir(), 'folder-lock-'));
const folder = join(home, 'deep', 'lock');
const quick = { beatMs: 30, deadAfterMs: 600 };
const waits: number[] = [];
const onWait = (seconds: number): void => void waits.push(seconds);
beforeEach(() => {
  waits.length = 0;
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

it('of three that want it, each works alone; all get it; nothing is left', async () => {
  let inside = 0;
  let most = 0;
  const work = async (): Promise<void> => {
    inside++;
    most = Math.max(most, inside);
    writeFileSync(join(folder, 'draft'), 'x');
    await pause(100);
    inside--;
  };
  await Promise.all([1, 2, 3].map(() => withFolderLock(folder, work, onWait, quick)));
  expect([most, existsSync(folder)]).toEqual([1, false]);
  expect(waits.length).toBeGreaterThan(0);
});
it('a holder that works for long is not taken for dead', async () => {
  const order: string[] = [];
  const slow = async (): Promise<void> => {
    await pause(3 * quick.deadAfterMs);
    order.push('slow');
  };
  const first = withFolderLock(folder, slow, onWait, quick);
  await pause(20);
  await withFolderLock(folder, async () => void order.push('second'), onWait, quick);
  await first;
  expect(order).toEqual(['slow', 'second']);
});
it('what a killed process left is removed, with the unfinished work in it', async () => {
  mkdirSync(join(folder, 'draft'), { recursive: true });
  let draft = true;
  const work = async (): Promise<void> => {
    draft = existsSync(join(folder, 'draft'));
  };
  await withFolderLock(folder, work, onWait, quick);
  expect([draft, existsSync(folder)]).toEqual([false, false]);
});
it('work that fails gives the lock back', async () => {
  const failing = async (): Promise<void> => {
    throw new Error('no network');
  };
  await expect(withFolderLock(folder, failing, onWait, quick)).rejects.toThrow('no network');
  expect(existsSync(folder)).toBe(false);
});
