/**
 * The reader's own copy of the notebooks, in my-notebooks/, which git ignores: JupyterLab saves by
 * itself what a reader runs and writes, and the files of the repository must not change by that.
 *
 * The copy follows the course as long as the reader has not touched a notebook. One that was
 * touched is never overwritten; if the course's has changed since, the reader is told.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { atomicWrite } from '../../weights/atomic-write';
import { root } from './python-environment';

export const OWN_FOLDER = 'my-notebooks';
/** What each notebook of the course was when it was copied: its path → SHA-256 of its text. */
const RECORD = '.copied.json';

export interface CopyReport {
  copied: string[];
  updated: string[];
  /** Changed by the reader and, since it was copied, by the course too: the reader's is kept. */
  kept: string[];
}

/** Brings my-notebooks/ up to date. @throws Error if a file cannot be written. */
export function copyNotebooks(at = root): CopyReport {
  const own = (path: string) => join(at, OWN_FOLDER, path);
  const record = readRecord(own(RECORD));
  const report: CopyReport = { copied: [], updated: [], kept: [] };
  for (const path of notebooksIn(join(at, 'notebooks'))) {
    const text = readFileSync(join(at, 'notebooks', path), 'utf8');
    const before = record[path];
    if (!existsSync(own(path))) {
      report.copied.push(path);
    } else {
      if (sha(text) === before) continue; // the course's has not changed
      const isTouched = sha(readFileSync(own(path), 'utf8')) !== before;
      (isTouched ? report.kept : report.updated).push(path);
      if (isTouched) continue;
    }
    atomicWrite(own(path), text);
    record[path] = sha(text);
  }
  atomicWrite(own(RECORD), `${JSON.stringify(record, null, 2)}\n`);
  return report;
}

/** One or two lines for the reader. */
export function inWords({ copied, updated, kept }: CopyReport): string {
  const counts = [];
  if (copied.length > 0) counts.push(`${copied.length} new`);
  if (updated.length > 0) counts.push(`${updated.length} updated`);
  const news = counts.length > 0 ? ` (${counts.join(', ')})` : '';
  const lines = [`Your own copy of the notebooks is in ${OWN_FOLDER}/${news}.`];
  if (kept.length > 0)
    lines.push(
      `The course has a newer version of ${kept.join(', ')}; yours is kept. To get the newer ` +
        'one, rename or delete yours and start again.',
    );
  return lines.join('\n');
}

/** Paths of all notebooks below a folder. */
function notebooksIn(folder: string): string[] {
  const paths: string[] = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.name.startsWith('.')) continue; // Jupyter's checkpoints
    if (entry.isDirectory())
      paths.push(...notebooksIn(join(folder, entry.name)).map((path) => `${entry.name}/${path}`));
    else if (entry.name.endsWith('.ipynb')) paths.push(entry.name);
  }
  return paths.sort();
}

function readRecord(file: string): Record<string, string> {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return {}; // nothing was copied yet; what is there counts as the reader's
  }
}

const sha = (text: string): string => createHash('sha256').update(text).digest('hex');
