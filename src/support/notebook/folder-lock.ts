/**
 * A lock between processes, as a folder: who can make it holds the lock, and works inside it.
 *
 * The holder changes the folder's time every second. A process that waits and sees no change for
 * 15 seconds takes the holder for dead (killed, or the power went), and removes the folder with the
 * unfinished work in it. It compares no clocks, so that the processes may run in two containers.
 */
import { existsSync, mkdirSync, renameSync, statSync, utimesSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/**
 * Runs `work` while no other process holds the lock, and removes the folder afterwards.
 * `onWait` is called about once a second while another process holds it, with the seconds so far.
 */
export async function withFolderLock(
  folder: string,
  work: () => Promise<void>,
  onWait: (seconds: number) => void,
  { beatMs = 1000, deadAfterMs = 15_000 } = {},
): Promise<void> {
  mkdirSync(dirname(folder), { recursive: true });
  await acquire(folder, onWait, beatMs, deadAfterMs);
  const beat = setInterval(() => {
    if (existsSync(folder)) utimesSync(folder, new Date(), new Date());
  }, beatMs);
  try {
    await work();
  } finally {
    clearInterval(beat);
    await rm(folder, { recursive: true, force: true });
  }
}

async function acquire(
  folder: string,
  onWait: (seconds: number) => void,
  beatMs: number,
  deadAfterMs: number,
): Promise<void> {
  const started = performance.now();
  let lastBeat: number | undefined;
  let unchangedSince = started;
  while (!made(folder)) {
    const now = performance.now();
    const beat = timeOf(folder);
    if (beat !== lastBeat) {
      lastBeat = beat;
      unchangedSince = now;
    } else if (now - unchangedSince > deadAfterMs) {
      await removeDead(folder, beat);
      continue;
    }
    onWait((now - started) / 1000);
    await pause(beatMs);
  }
}

function made(folder: string): boolean {
  try {
    mkdirSync(folder);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

const timeOf = (folder: string): number | undefined =>
  statSync(folder, { throwIfNoEntry: false })?.mtimeMs;

/** Moves the folder away first: of two processes that wait only one can do that. */
async function removeDead(folder: string, beat: number | undefined): Promise<void> {
  const aside = `${folder}-${process.pid}`;
  try {
    renameSync(folder, aside);
  } catch {
    return; // another process was faster
  }
  if (timeOf(aside) === beat) await rm(aside, { recursive: true, force: true });
  else renameSync(aside, folder); // it was not dead, or another process has just taken over
}
