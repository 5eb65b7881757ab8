/** What the walkthrough reports beyond outputs, which test/notebooks checks. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { walk } from '../../../src/support/cli/walkthrough';
import { root } from '../../../src/support/notebook/python-environment';

const folder = mkdtempSync(join(tmpdir(), 'cache-once-walkthrough-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
function notebook(...sources: string[]): string {
  const cells = sources.map((source, i) => ({
    cell_type: 'code',
    id: `cell-${i}`,
    metadata: {},
    outputs: [],
    source,
  }));
  const path = join(folder, 'notebook.ipynb');
  const metadata = {};
  writeFileSync(path, JSON.stringify({ cells, metadata, nbformat: 4, nbformat_minor: 5 }));
  return path;
}

it('reports work that fails after its cell has ended', { timeout: 120_000 }, async () => {
  const path = notebook(
    'const one = 1;',
    "void setTimeout(() => { throw new Error('late'); }, 10);",
    'await new Promise((resolve) => setTimeout(resolve, 500));',
  );
  const { failures } = await walk(path, 100_000);
  expect(failures).toEqual([
    // Cell 3, if it had begun by then.
    expect.stringMatching(/^cell [23] failed[\s\S]*Nothing waited for this[\s\S]*Error: late$/),
  ]);
});
it('gives the end of a long complaint, where the message stands', {
  timeout: 120_000,
}, async () => {
  const path = notebook("console.error('x'.repeat(5000)); throw new Error('the reason');");
  const { failures } = await walk(path, 100_000);
  expect(failures).toEqual([expect.stringMatching(/^cell 1 failed:[\s\S]*Error: the reason$/)]);
});
it('by default only a cell that hangs takes too long: 30 minutes', () => {
  const script = join(root, 'src', 'support', 'cli', 'walkthrough.ts');
  const args = ['--import', 'tsx', script, '--help'];
  const { stdout } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  expect(stdout).toMatch(/--timeout <seconds>.*\n?.*\(default:\s+"1800"\)/);
});
