/**
 * `npm run test:engines`: the reference numbers and the equivalences on every engine that works
 * here, side by side.
 *
 * Each engine is tested in processes of its own, one after another. The table says how much of the
 * allowed error each kind of operation uses; it is printed and, with --write, put into
 * docs/engines.md.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { type EngineFinding, probeEngines } from '../backends/probe';
import { engineNames } from '../backends/use-engine';
import { root } from '../notebook/python-environment';
import { runQuietly } from '../notebook/run-command';

/** What the golden tests write about one file of reference numbers. */
export interface FileReport {
  file: string;
  compared: number;
  /** The worst error as a share of what is allowed, and where. */
  share: number;
  tensor: string;
}
export interface EngineResult {
  engine: string;
  device: string;
  passed: number;
  failed: string[];
  files: FileReport[];
}

/** The part of Vitest's JSON report that is read here. */
interface VitestReport {
  numPassedTests?: number;
  testResults?: {
    name: string;
    message: string;
    assertionResults: { status: string; fullName: string }[];
  }[];
}

async function testOn(
  { name, detail }: EngineFinding,
  folder: string,
  filters: string[],
): Promise<EngineResult> {
  const report = join(folder, `${name}.json`);
  const golden = join(folder, `${name}-golden.json`);
  process.env.CACHE_ONCE_ENGINE = name;
  process.env.GOLDEN_REPORT = golden;
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const options = ['--config', 'test/vitest.config.ts', '--reporter=json'];
  const args = [vitest, 'run', ...options, `--outputFile=${report}`, ...filters];
  await runQuietly(process.execPath, args);

  const vitestReport = readJson<VitestReport>(report, {});
  const passed = vitestReport.numPassedTests ?? 0;
  const failed = failedTests(vitestReport);
  if (passed === 0 && failed.length === 0) failed.push('the tests did not start');
  return { engine: name, device: detail, passed, failed, files: readJson(golden, []) };
}

function failedTests({ testResults = [] }: VitestReport): string[] {
  const failed: string[] = [];
  for (const { name, message, assertionResults } of testResults) {
    const didNotLoad = message && assertionResults.length === 0;
    if (didNotLoad) failed.push(`${name}: ${message.split('\n')[0]}`);
    for (const { status, fullName } of assertionResults) {
      if (status === 'failed') failed.push(fullName);
    }
  }
  return failed;
}

function readJson<T>(path: string, otherwise: T): T {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch {
    return otherwise;
  }
}

/** A Markdown table: one line per file of reference numbers, one column per engine. */
export function parityTable(results: readonly EngineResult[]): string {
  const files = new Set<string>();
  for (const result of results) {
    for (const { file } of result.files) files.add(file);
  }
  const rows = [
    ['reference numbers', ...results.map(({ engine }) => `\`${engine}\``)],
    ['---', ...results.map(() => '---')],
  ];
  for (const file of [...files].sort()) {
    const shares = results.map((result) => shareOf(result, file));
    rows.push([file.replace(/\.safetensors$/, ''), ...shares]);
  }
  rows.push(
    ['comparisons', ...results.map(comparisonsOf)],
    ['tests passed', ...results.map(({ passed }) => String(passed))],
    ['tests failed', ...results.map(({ failed }) => String(failed.length))],
  );
  return rows.map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function shareOf({ files }: EngineResult, file: string): string {
  const found = files.find((entry) => entry.file === file);
  if (!found) return 'not compared';
  return `${(100 * found.share).toFixed(found.share < 0.1 ? 1 : 0)} %`;
}

function comparisonsOf({ files }: EngineResult): string {
  let sum = 0;
  for (const { compared } of files) sum += compared;
  return sum.toLocaleString('en');
}

const BEGIN = '<!-- parity: written by npm run test:engines -- --write -->';
const END = '<!-- /parity -->';

/** Puts `text` between the marks. @throws Error if they are not there. */
export function betweenMarks(document: string, text: string): string {
  const from = document.indexOf(BEGIN);
  const to = document.indexOf(END);
  if (from < 0 || to < from) {
    throw new Error(
      `docs/engines.md has lost its marks ${BEGIN} and ${END}; put them back where the table ` +
        'belongs.',
    );
  }
  return `${document.slice(0, from + BEGIN.length)}\n\n${text}\n\n${document.slice(to)}`;
}

/** The table with the sentences above it. */
function reportOf(results: readonly EngineResult[]): string {
  const devices = results.map(({ engine, device }) => `\`${engine}\`: ${device}`).join('; ');
  const processor = cpus()[0]?.model ?? 'an unknown processor';
  const sentences = [
    'Worst error as a share of what the rule in [test/golden/README.md](../test/golden/README.md)',
    'allows (four times the rule on webgpu, whose exp is coarser by specification); 100 % would',
    `be a failure. ${devices}. Node ${process.versions.node}, ${processor}, TensorFlow.js 4.22.0.`,
  ];
  return `${sentences.join(' ')}\n\n${parityTable(results)}`;
}

interface Options {
  engines?: string[];
  tests: string[];
  write?: boolean;
}

async function testAll({ engines, tests }: Options): Promise<EngineResult[]> {
  const folder = mkdtempSync(join(tmpdir(), 'cache-once-engines-'));
  const results: EngineResult[] = [];
  try {
    for (const finding of await probeEngines()) {
      if (engines && !engines.includes(finding.name)) continue;
      if (!finding.works) {
        console.log(`${finding.name}: left out. ${finding.detail}`);
        continue;
      }
      const started = performance.now();
      const result = await testOn(finding, folder, tests);
      const seconds = ((performance.now() - started) / 1000).toFixed(0);
      const counts = `${result.passed} passed, ${result.failed.length} failed`;
      console.log(`${finding.name}: ${counts}, ${seconds} s (${finding.detail})`);
      for (const name of result.failed) console.log(`  ✗ ${name}`);
      results.push(result);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return results;
}

async function main(): Promise<void> {
  const program = new Command('npm run test:engines --')
    .description(
      'Reference numbers and equivalences on every engine that works here, as one table.',
    )
    .addOption(new Option('--engines <names...>', 'only these').choices([...engineNames]))
    .option('--tests <files...>', 'which tests', ['test/golden', 'test/equivalence'])
    .option('--write', 'put the table into docs/engines.md');
  const options = program.parse().opts<Options>();

  const results = await testAll(options);
  console.log(`\n${parityTable(results)}`);
  if (options.write) {
    const path = join(root, 'docs', 'engines.md');
    writeFileSync(path, betweenMarks(readFileSync(path, 'utf8'), reportOf(results)));
  }
  const isWell = results.length > 0 && results.every(({ failed }) => failed.length === 0);
  if (!isWell) process.exitCode = 1;
}

if (require.main === module) {
  main().catch((error: Error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
