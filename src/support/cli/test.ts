/**
 * `npm test`: types, style, the direction of imports, then every test on the engine that is here.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { root } from '../notebook/python-environment';
import { runInForeground } from '../notebook/run-command';

/** The script of a tool, run by this Node: no shell, the same on every system. */
function tool(name: string, bin = name): string {
  const manifest = join(root, 'node_modules', name, 'package.json');
  const { bin: bins }: { bin: string | Record<string, string> } = JSON.parse(
    readFileSync(manifest, 'utf8'),
  );
  return join(dirname(manifest), typeof bins === 'string' ? bins : bins[bin]);
}

interface Step {
  heading: string;
  script: string;
  args: string[];
}

function stepsWith(report: string, vitestOptions: string[]): Step[] {
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile=${report}`];
  return [
    { heading: 'types', script: tool('typescript', 'tsc'), args: ['--noEmit'] },
    {
      heading: 'style',
      script: tool('@biomejs/biome', 'biome'),
      args: ['check', '--error-on-warnings', '.'],
    },
    {
      heading: 'direction of imports',
      script: tool('dependency-cruiser', 'depcruise'),
      args: ['--config', '.config/dependency-cruiser.cjs', 'src'],
    },
    {
      heading: 'tests',
      script: tool('vitest'),
      args: ['run', '--config', 'test/vitest.config.ts', ...reporters, ...vitestOptions],
    },
  ];
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'cache-once-test-'));
  const report = join(folder, 'report.json');
  const failed: string[] = [];
  process.chdir(root);
  for (const { heading, script, args } of stepsWith(report, process.argv.slice(2))) {
    console.log(`\n=== ${heading}`);
    const code = await runInForeground(process.execPath, [script, ...args]);
    if (code === 0) continue;
    console.log(`=== ${heading}: failed`);
    failed.push(heading);
  }
  const counts = readCounts(report);
  rmSync(folder, { recursive: true, force: true });
  console.log(`\n${counts.passed} passed, ${Math.max(counts.failed, failed.length)} failed`);
  // Last, because the tests' own lines have scrolled an early failure away.
  if (failed.length > 0) console.log(`failed: ${failed.join(', ')}`);
  process.exitCode = failed.length > 0 ? 1 : 0;
}

function readCounts(report: string): { passed: number; failed: number } {
  try {
    const { numPassedTests = 0, numFailedTests = 0 } = JSON.parse(readFileSync(report, 'utf8'));
    return { passed: numPassedTests, failed: numFailedTests };
  } catch {
    return { passed: 0, failed: 1 };
  }
}

void main();
