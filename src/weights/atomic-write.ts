/**
 * Files that survive a crash: a reader finds the old file or the new one, complete.
 *
 *   write NAME.writing  →  fsync the file  →  rename it to NAME  →  fsync the folder
 *
 * Without the first fsync the disk may store the new name before the contents: after a crash the
 * file would be empty.
 */
import * as fs from 'node:fs';
import { dirname } from 'node:path';

/**
 * Writes a file; the one that it replaces moves to `keepOldAs`, or is lost.
 * @throws Error if the folder cannot be written; the old file then stays.
 */
export function atomicWrite(path: string, contents: Uint8Array | string, keepOldAs?: string): void {
  const folder = dirname(path);
  fs.mkdirSync(folder, { recursive: true });
  const temporary = `${path}.writing`;
  try {
    fs.writeFileSync(temporary, contents);
    sync(temporary, 'r+');
    // A crash between the two renames leaves the old file under its other name: look there too.
    if (keepOldAs && fs.existsSync(path)) fs.renameSync(path, keepOldAs);
    fs.renameSync(temporary, path);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw error;
  }
  try {
    sync(folder, 'r');
  } catch {
    // Windows and some network file systems cannot fsync a folder; the file itself is stored.
  }
}

/** Waits until a file or folder is on the disk. Windows needs `r+` for a file. */
function sync(path: string, flags: 'r' | 'r+'): void {
  const descriptor = fs.openSync(path, flags);
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}
