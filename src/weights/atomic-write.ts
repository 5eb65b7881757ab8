/**
 * Files that survive a power cut: whoever reads sees the old one or the new one, whole.
 *
 *   write NAME.writing   →   fsync: it is on the disk   →   rename to NAME   →   fsync the folder: so is its name
 *
 * Without the first fsync the new name may, after a crash, stand for an empty file: the disk orders its work as it likes.
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';

export const exists = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false }) !== undefined;

/** `keepOldAs`: where the file that is replaced goes. @throws Error if the folder cannot be written; the old file then stands. */
export function writeDurably(
  path: string,
  contents: Uint8Array | string,
  { keepOldAs }: { keepOldAs?: string } = {},
): void {
  mkdirSync(dirname(path), { recursive: true });
  const half = `${path}.writing`;
  try {
    const file = openSync(half, 'w');
    try {
      writeFileSync(file, contents);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    // A crash between these two leaves only the old file, under the other name: its readers look there too.
    if (keepOldAs && exists(path)) renameSync(path, keepOldAs);
    renameSync(half, path);
  } catch (error) {
    rmSync(half, { force: true });
    throw error;
  }
  syncFolder(dirname(path));
}

/** Windows, and some file systems on a network, know no fsync of a folder; there the rename is as safe as they make it. */
function syncFolder(path: string): void {
  try {
    const folder = openSync(path, 'r');
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  } catch {
    // the file itself is on the disk
  }
}
