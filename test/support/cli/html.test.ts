/** npm run html: what it refuses before it builds. What it builds: test/browser/book.test.ts. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../../../src/support/notebook/python-environment';
import { runQuietly } from '../../../src/support/notebook/run-command';

it('never replaces a folder that is no book', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cache-once-html-'));
  try {
    writeFileSync(join(folder, 'thesis.txt'), 'years of work');
    const tsx = createRequire(__filename).resolve('tsx/cli');
    const command = join(root, 'src', 'support', 'cli', 'html.ts');
    const { code, lines } = await runQuietly(process.execPath, [tsx, command, '--out', folder]);
    expect(code).toBe(1);
    expect(lines.join('\n')).toMatch(/holds files that are no book .* Name an empty folder/);
    expect(lines.join('\n')).not.toMatch(/ at .*\.ts:/);
    expect(readFileSync(join(folder, 'thesis.txt'), 'utf8')).toBe('years of work');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
