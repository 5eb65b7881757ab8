/** The direction of imports, checked by dependency-cruiser; and that its rules can fail. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { root } from '../../src/support/notebook/python-environment';

const folder = mkdtempSync(join(tmpdir(), 'cache-once-house-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const cruiser = join(root, 'node_modules', 'dependency-cruiser', 'bin', 'dependency-cruise.mjs');
interface Finding {
  from: string;
  to: string;
  rule: { name: string };
}
function broken(where: string): string[] {
  const args = [
    cruiser,
    '--config',
    '.config/dependency-cruiser.cjs',
    '--output-type',
    'json',
    'src',
  ];
  const { stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: where,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (!stdout) throw new Error(stderr);
  return (JSON.parse(stdout) as { summary: { violations: Finding[] } }).summary.violations.map(
    ({ from, to, rule }) => `${rule.name}: ${from} → ${to}`,
  );
}

describe('the house', { timeout: 60_000 }, () => {
  it('imports go down only', () => {
    expect(broken(root)).toEqual([]);
  });
  it('negative controls: each forbidden import is named by its rule', () => {
    const file = (path: string, text: string): void => {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    };
    mkdirSync(join(folder, '.config'), { recursive: true });
    copyFileSync(
      join(root, '.config', 'dependency-cruiser.cjs'),
      join(folder, '.config', 'dependency-cruiser.cjs'),
    );
    copyFileSync(join(root, 'tsconfig.json'), join(folder, 'tsconfig.json'));
    const uses = (path: string, name: string, from: string): void =>
      file(path, `import { ${name} } from '${from}';\nexport const used = ${name};\n`);
    file('src/models/high.ts', 'export const high = 1;\n');
    file('src/attention/a.ts', 'export const a = 1;\n');
    file('src/retention/s.ts', 'export const s = 1;\n');
    file('src/support/backends/use-engine.ts', 'export const useEngine = 1;\n');
    file('src/support/backends/other.ts', 'export const other = 1;\n');
    file('src/support/cli/start.ts', 'export const start = 1;\n');
    uses('src/tensor/low.ts', 'high', '../models/high');
    uses('src/retention/r.ts', 'a', '../attention/a');
    uses('src/attention/b.ts', 's', '../retention/s');
    uses('src/support/figures/f.ts', 'high', '../../models/high');
    uses('src/support/figures/g.ts', 'start', '../cli/start');
    uses('src/layers/one.ts', 'used', './two');
    uses('src/layers/two.ts', 'used', './one');
    uses('src/training/engine.ts', 'useEngine', '../support/backends/use-engine');
    uses('src/training/wall.ts', 'other', '../support/backends/other');
    uses('src/support/course/fine.ts', 'high', '../../models/high');
    expect(broken(folder).sort()).toEqual([
      'attention-imports-only-down: src/attention/b.ts → src/retention/s.ts',
      'figures-imports-only-down: src/support/figures/g.ts → src/support/cli/start.ts',
      'figures-know-nothing-of-ours: src/support/figures/f.ts → src/models/high.ts',
      'figures-know-nothing-of-ours: src/support/figures/g.ts → src/support/cli/start.ts',
      expect.stringMatching(/^no-circles: src\/layers\/(one|two)/),
      'retention-knows-no-attention: src/retention/r.ts → src/attention/a.ts',
      'tensor-imports-only-down: src/tensor/low.ts → src/models/high.ts',
      'the-book-knows-no-support: src/training/wall.ts → src/support/backends/other.ts',
    ]);
  });
});
