/** npm test: types, style, the direction of imports, then every test on the engine that is here. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { root } from '../notebook/python-environment';
import { runInForeground } from '../notebook/run-command';

/** The script behind a tool's name, run by this Node: no shell, the same on every system. */
function tool(name: string, bin: string = name): string {
  const manifest = join(root, 'node_modules', name, 'package.json');
  const { bin: bins } = JSON.parse(readFileSync(manifest, 'utf8')) as {
    bin: string | Record<string, string>;
  };
  return join(dirname(manifest), typeof bins === 'string' ? bins : bins[bin]);
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'cache-once-test-'));
  const report = join(folder, 'report.json');
  const steps: [string, string, string[]][] = [
    ['types', tool('typescript', 'tsc'), ['--noEmit']],
    ['style', tool('@biomejs/biome', 'biome'), ['check', '--error-on-warnings', '.']],
    [
      'imports go down only',
      tool('dependency-cruiser', 'depcruise'),
      ['--config', '.config/dependency-cruiser.cjs', 'src'],
    ],
    [
      'tests',
      tool('vitest'),
      [
        'run',
        '--config',
        'test/vitest.config.ts',
        '--reporter=default',
        '--reporter=json',
        `--outputFile=${report}`,
        ...process.argv.slice(2),
      ],
    ],
  ];
  const failed: string[] = [];
  process.chdir(root);
  for (const [heading, script, args] of steps) {
    console.log(`\n=== ${heading}`);
    if ((await runInForeground(process.execPath, [script, ...args])) !== 0) {
      console.log(`=== ${heading}: failed`);
      failed.push(heading);
    }
  }
  const counts = readCounts(report);
  rmSync(folder, { recursive: true, force: true });
  console.log(`\n${counts.passed} passed, ${Math.max(counts.failed, failed.length)} failed`);
  // Said last, because the tests' own lines have scrolled an early failure away.
  if (failed.length > 0) console.log(`failed: ${failed.join(', ')}`);
  process.exitCode = failed.length > 0 ? 1 : 0;
}

function readCounts(report: string): { passed: number; failed: number } {
  try {
    const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(report, 'utf8')) as Record<
      string,
      number
    >;
    return { passed: numPassedTests ?? 0, failed: numFailedTests ?? 0 };
  } catch {
    return { passed: 0, failed: 1 };
  }
}

void main();
