/** The direction of imports, held by dependency-cruiser; and proof that the rules catch what they forbid. */
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
  it('can it fail? each forbidden import is named by its rule', () => {
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
    file(
      'src/support/backends/low.ts',
      "import { high } from '../models/high';\nexport const low = high;\n",
    );
    file('src/models/high.ts', 'export const high = 1;\n');
    file('src/retention/r.ts', "import { a } from '../attention/a';\nexport const r = a;\n");
    file('src/attention/a.ts', 'export const a = 1;\n');
    file('src/attention/b.ts', "import { s } from '../retention/s';\nexport const b = s;\n");
    file('src/retention/s.ts', 'export const s = 1;\n');
    file(
      'src/support/figures/f.ts',
      "import { high } from '../models/high';\nexport const f = high;\n",
    );
    file(
      'src/layers/one.ts',
      "import { two } from './two';\nexport const one = (): number => two();\n",
    );
    file(
      'src/layers/two.ts',
      "import { one } from './one';\nexport const two = (): number => one();\n",
    );
    file(
      'src/support/course/fine.ts',
      "import { high } from '../models/high';\nexport const fine = high;\n",
    );
    expect(broken(folder).sort()).toEqual([
      'attention-imports-only-down: src/attention/b.ts → src/retention/s.ts',
      'engine-imports-only-down: src/support/backends/low.ts → src/models/high.ts',
      'figures-know-nothing-of-ours: src/support/figures/f.ts → src/models/high.ts',
      expect.stringMatching(/^no-circles: src\/blocks\/(one|two)/),
      'retention-knows-no-attention: src/retention/r.ts → src/attention/a.ts',
    ]);
  });
});
