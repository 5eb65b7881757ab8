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

/** @throws RangeError naming the file if it is not a notebook. */
export function readNotebook(path: string): Notebook {
  const text = readFileSync(path, 'utf8');
  let notebook: Partial<Notebook>;
  try {
    notebook = JSON.parse(text) as Partial<Notebook>;
  } catch (error) {
    throw new RangeError(
      `${path}: this is not JSON (${(error as Error).message}). ` +
        `Was it cut short, or does it hold a merge conflict?`,
    );
  }
  if (!Array.isArray(notebook.cells) || notebook.nbformat !== 4)
    throw new RangeError(
      `${path}: this is no notebook of format 4 (nbformat is ${notebook.nbformat}).`,
    );
  return notebook as Notebook;
}
const joined = (text: unknown): string =>
  Array.isArray(text) ? text.join('') : String(text ?? '');
const lines = (text: string): string[] => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];

export const sourceOf = ({ source }: Cell): string => joined(source);
/** The sources of the code cells, in order. */
export const codeOf = ({ cells }: Notebook): string[] =>
  cells.filter(({ cell_type }) => cell_type === 'code').map(sourceOf);

/** The text of an output, which is compared; pictures are not. */
export const textOf = (output: Output): string =>
  joined(output.text ?? output.data?.['text/plain'] ?? '');

/**
 * Where the outputs of a committed cell and of a fresh run differ, or `undefined`. Times and engine
 * names are masked, and numbers may differ by rounding, so that another machine passes.
 */
export function staleness(committed: Output[] = [], fresh: Output[]): string | undefined {
  if (committed.length !== fresh.length)
    return `the file holds ${committed.length} outputs, this run printed ${fresh.length}`;
  for (const [i, output] of fresh.entries()) {
    const inFile = mask(textOf(committed[i]));
    const now = mask(textOf(output));
    if (equalUpToRounding(inFile, now)) continue;
    const shown = (text: string) => text.trim().slice(0, 300);
    return `the file says\n      ${shown(inFile)}\n    this run says\n      ${shown(now)}`;
  }
  return undefined;
}

const NUMBER = /[-+]?\d[\d,]*\.?\d*(?:e[-+]?\d+)?/gi;
/**
 * Times, rates, engines and differences that are only rounding depend on the machine. A number
 * after ≈ was learned in this run: over hundreds of steps small roundings grow, so another engine
 * ends elsewhere. A line that begins with ✎ was written by such a model.
 */
const mask = (text: string): string =>
  text
    .replace(/^✎ .*$/gm, '✎ …')
    .replace(/≈ ?[-+]?\d[\d.,]*(?:e[-+]?\d+)?/g, '≈ …')
    .replace(/[\d.,]+ ?(?:ms|s|min|µs|tokens\/s|GFLOP\/s)\b/g, '⏱')
    .replace(/engine:? (?:gpu|native|webgpu|wasm|cpu).*/gi, 'engine …')
    .replace(/^ *not (?:gpu|native|webgpu|wasm|cpu)\b.*\n?/gm, '')
    .replace(/(?:difference|differ by|error) [\d.e+-]+/g, 'difference …')
    .replace(/ {2,}/g, '  '); // columns of a table are as wide as what was masked

function equalUpToRounding(a: string, b: string): boolean {
  if (a.replace(NUMBER, '#') !== b.replace(NUMBER, '#')) return false;
  const numbersIn = (text: string): number[] =>
    (text.match(NUMBER) ?? []).map((n) => Number(n.replace(/,/g, '')));
  const numbersOfB = numbersIn(b);
  return numbersIn(a).every((n, i) => Math.abs(n - numbersOfB[i]) <= 0.01 * Math.abs(n) + 0.011);
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
    const metadata = cell.metadata ?? {};
    return { cell_type: 'code', execution_count: count, id, metadata, outputs, source };
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

/** An output with its texts as lists of lines, as Jupyter stores them. */
function storedOutput(output: Output, count: number): Output {
  const stored: Output = { ...output };
  if (output.text !== undefined) (stored as { text: unknown }).text = lines(joined(output.text));
  if (output.data) {
    const data: Record<string, unknown> = {};
    for (const [type, value] of Object.entries(output.data)) {
      const isText = typeof value === 'string' && !type.startsWith('image/');
      data[type] = isText ? lines(value) : value;
    }
    stored.data = data;
  }
  if (output.output_type === 'execute_result') stored.execution_count = count;
  return stored;
}

export function saveNotebook(path: string, notebook: Notebook): void {
  writeFileSync(`${path}.writing`, `${JSON.stringify(notebook, null, 1)}\n`);
  renameSync(`${path}.writing`, path);
}
