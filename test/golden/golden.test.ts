/**
 * Every reference number of every file in GOLDEN_DIR (default: data/ beside this test), under the
 * rule of README.md.
 */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useTestEngine } from '../helpers';
import { compareFile } from './compare-file';
import { GoldenFile } from './golden-file';

beforeAll(useTestEngine);
const directory = process.env.GOLDEN_DIR ?? join(__dirname, 'data');
const names = readdirSync(directory)
  .filter((name) => name.endsWith('.safetensors'))
  .sort();
const done: GoldenFile[] = [];

describe('the numbers of the official code', () => {
  it('there are files to compare', () => {
    expect(names, `no .safetensors in ${directory}`).not.toEqual([]);
  });
  // A minute is plenty; a program that plays a graphics card takes three for the largest file.
  it.each(names)('%s: every tensor within its tolerance', { timeout: 300_000 }, (name) => {
    const file = new GoldenFile(join(directory, name));
    compareFile(file);
    expect(file.compared).toBeGreaterThan(0);
    done.push(file);
  });
});

afterAll(() => {
  const report = done.map(({ path, compared, worst }) => ({
    file: path.split(/[\\/]/).at(-1),
    compared,
    ...worst,
  }));
  if (process.env.GOLDEN_REPORT) writeFileSync(process.env.GOLDEN_REPORT, JSON.stringify(report));
  const total = done.reduce((sum, file) => sum + file.compared, 0);
  const lines = done.map(
    ({ path, compared, worst }) =>
      `  ${path.split(/[\\/]/).at(-1)}: ${compared} comparisons, worst ${(100 * worst.share).toFixed(0)} % of the allowance (${worst.tensor})`,
  );
  console.log(
    `golden: ${total} comparisons in ${done.length} of ${names.length} files\n${lines.join('\n')}`,
  );
});
