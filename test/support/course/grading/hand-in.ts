/** Notebooks of made-up students, in a folder of their own. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export class Class {
  readonly folder = mkdtempSync(join(tmpdir(), 'cache-once-class-'));

  /** Writes a notebook with these cells and gives its path. */
  handIn(path: string, ...sources: string[]): string {
    const cells = sources.map((source, i) => ({
      cell_type: 'code',
      id: `cell-${i}`,
      metadata: {},
      outputs: [],
      source,
    }));
    return this.write(
      path,
      JSON.stringify({ cells, metadata: {}, nbformat: 4, nbformat_minor: 5 }),
    );
  }

  write(path: string, text: string): string {
    const file = join(this.folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export const imports = "import { check } from './src/support/course/exercises/check';";
/** Right answers to the exercises of lesson 0. */
export const right = {
  mean: 'function mean(values: number[]): number { return values.reduce((a, b) => a + b, 0) / values.length; }',
  fade: 'function fade(value: number, gamma: number, steps: number): number { return value * gamma ** steps; }',
  savings:
    'function savings(layers: number, tokens: number, stateTokens: number): number { return (layers * tokens) / (tokens + (layers / 2) * stateTokens); }',
};
/** Wrong ones, which know nothing but 0. */
export const zeros = `
function mean(values: number[]): number { return 0; }
function fade(value: number, gamma: number, steps: number): number { return 0; }
function savings(layers: number, tokens: number, stateTokens: number): number { return 0; }`;
