/** A notebook on disk: read, compared with a fresh run, written the same way every time. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Output } from './kernel-client';

export interface Cell {
  cell_type: 'markdown' | 'code' | 'raw';
  id: string;
  metadata: Record<string, unknown>;
  source: string | string[];
  outputs?: Output[];
  execution_count?: number | null;
}
export interface Notebook {
  cells: Cell[];
  metadata: Record<string, unknown>;
  nbformat: number;
  nbformat_minor: number;
}

/** @throws RangeError naming the file if it is no notebook. */
export function readNotebook(path: string): Notebook {
  const text = readFileSync(path, 'utf8');
  let notebook: Partial<Notebook>;
  try {
    notebook = JSON.parse(text) as Partial<Notebook>;
  } catch (error) {
    throw new RangeError(
      `${path}: this is not JSON (${(error as Error).message}). Was it cut short, or does it hold a merge conflict?`,
    );
  }
  if (!Array.isArray(notebook.cells) || notebook.nbformat !== 4)
    throw new RangeError(
      `${path}: this is no notebook of format 4 (nbformat is ${notebook.nbformat}).`,
    );
  return notebook as Notebook;
}
export const sourceOf = ({ source }: Cell): string =>
  Array.isArray(source) ? source.join('') : source;
const joined = (text: unknown): string =>
  Array.isArray(text) ? text.join('') : String(text ?? '');
const lines = (text: string): string[] => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];

/** The words of an output, which are compared; pictures are not. */
export const textOf = (output: Output): string =>
  joined(output.text ?? output.data?.['text/plain'] ?? '');

/**
 * Where a committed cell and a fresh run say different things, or `undefined`. Times and engine names are masked, and
 * numbers may differ by rounding, so that another engine on another machine passes.
 */
export function staleness(committed: Output[] = [], fresh: Output[]): string | undefined {
  if (committed.length !== fresh.length)
    return `the file holds ${committed.length} outputs, this run printed ${fresh.length}`;
  for (let i = 0; i < fresh.length; i++) {
    const [a, b] = [mask(textOf(committed[i])), mask(textOf(fresh[i]))];
    if (!sameButForRounding(a, b))
      return `the file says\n      ${a.trim().slice(0, 300)}\n    this run says\n      ${b.trim().slice(0, 300)}`;
  }
  return undefined;
}

const NUMBER = /[-+]?\d[\d,]*\.?\d*(?:e[-+]?\d+)?/gi;
/**
 * Times, rates and engines differ from machine to machine; differences that are only rounding do too. Behind a ≈ stands
 * what was learned in this run: hundreds of steps make much of little roundings, so another engine ends elsewhere. A line
 * that begins with ✎ is what such a model writes.
 */
const mask = (text: string): string =>
  text
    .replace(/^✎ .*$/gm, '✎ …')
    .replace(/≈ ?[-+]?\d[\d.,]*(?:e[-+]?\d+)?/g, '≈ …')
    .replace(/[\d.,]+ ?(?:ms|s|min|µs|tokens\/s|GFLOP\/s)\b/g, '⏱')
    .replace(/engine:? (?:gpu|native|webgpu|wasm|cpu).*/gi, 'engine …')
    .replace(/^ *not (?:gpu|native|webgpu|wasm|cpu)\b.*\n?/gm, '')
    .replace(/(?:difference|differ by|error) [\d.e+-]+/g, 'difference …');

function sameButForRounding(a: string, b: string): boolean {
  if (a.replace(NUMBER, '#') !== b.replace(NUMBER, '#')) return false;
  const numbers = (text: string): number[] =>
    (text.match(NUMBER) ?? []).map((n) => Number(n.replace(/,/g, '')));
  const [x, y] = [numbers(a), numbers(b)];
  return x.every((n, i) => Math.abs(n - y[i]) <= 0.01 * Math.abs(n) + 0.011);
}

/** The notebook with fresh outputs, in the form that Jupyter itself writes. */
export function written(notebook: Notebook, fresh: Map<Cell, Output[]>): Notebook {
  let count = 0;
  const cells = notebook.cells.map((cell, i): Cell => {
    const source = lines(sourceOf(cell));
    const id = cell.id ?? `cell-${i}`;
    if (cell.cell_type !== 'code') return { cell_type: cell.cell_type, id, metadata: {}, source };
    count++;
    const outputs = (fresh.get(cell) ?? []).map((output) => storedOutput(output, count));
    return {
      cell_type: 'code',
      execution_count: count,
      id,
      metadata: cell.metadata ?? {},
      outputs,
      source,
    };
  });
  const metadata = {
    kernelspec: { display_name: 'TypeScript (cache-once)', language: 'typescript', name: 'tslab' },
    language_info: {
      codemirror_mode: { mode: 'typescript', name: 'javascript', typescript: true },
      file_extension: '.ts',
      mimetype: 'text/typescript',
      name: 'typescript',
    },
  };
  return { cells, metadata, nbformat: 4, nbformat_minor: 5 };
}

function storedOutput(output: Output, count: number): Output {
  const stored: Output = { ...output };
  if (output.text !== undefined) (stored as { text: unknown }).text = lines(joined(output.text));
  if (output.data)
    stored.data = Object.fromEntries(
      Object.entries(output.data).map(([type, value]) => [
        type,
        typeof value === 'string' && !type.startsWith('image/') ? lines(value) : value,
      ]),
    );
  if (output.output_type === 'execute_result') stored.execution_count = count;
  return stored;
}

export function saveNotebook(path: string, notebook: Notebook): void {
  writeFileSync(`${path}.writing`, `${JSON.stringify(notebook, null, 1)}\n`);
  renameSync(`${path}.writing`, path);
}
