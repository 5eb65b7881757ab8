/**
 * `npm run test:engines`: the reference numbers and the equivalences on every engine that works here, side by side.
 *
 * Each engine in processes of its own, one after another. The table says how much of the allowed error each kind of
 * operation uses; it goes to the console and, with --write, into docs/engines.md.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { type EngineFinding, surveyEngines } from '../backends/probe';
import { engineNames } from '../backends/use-engine';
import { root } from '../notebook/python-environment';
import { runQuietly } from '../notebook/run-command';

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

async function testOn(
  { name, detail }: EngineFinding,
  folder: string,
  filters: string[],
): Promise<EngineResult> {
  const [report, golden] = [join(folder, `${name}.json`), join(folder, `${name}-golden.json`)];
  process.env.CACHE_ONCE_ENGINE = name;
  process.env.GOLDEN_REPORT = golden;
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  await runQuietly(
    process.execPath,
    [
      vitest,
      'run',
      '--config',
      'test/vitest.config.ts',
      '--reporter=json',
      `--outputFile=${report}`,
      ...filters,
    ],
    () => undefined,
  );
  const { numPassedTests: passed = 0, testResults = [] } = read<{
    numPassedTests?: number;
    testResults?: {
      name: string;
      message: string;
      assertionResults: { status: string; fullName: string }[];
    }[];
  }>(report, {});
  const failed = testResults.flatMap(({ name: file, message, assertionResults }) => [
    ...(message && assertionResults.length === 0 ? [`${file}: ${message.split('\n')[0]}`] : []),
    ...assertionResults.filter(({ status }) => status === 'failed').map(({ fullName }) => fullName),
  ]);
  return {
    engine: name,
    device: detail,
    passed,
    failed: passed === 0 && failed.length === 0 ? ['the tests did not start'] : failed,
    files: read<FileReport[]>(golden, []),
  };
}
function read<T>(path: string, otherwise: T): T {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch {
    return otherwise;
  }
}

/** A Markdown table: one line per file of reference numbers, one column per engine. */
export function parityTable(results: readonly EngineResult[]): string {
  const files = [...new Set(results.flatMap(({ files }) => files.map(({ file }) => file)))].sort();
  const cells = (row: string[]) => `| ${row.join(' | ')} |`;
  const shareOf = ({ files }: EngineResult, file: string) => {
    const found = files.find((entry) => entry.file === file);
    return found ? `${(100 * found.share).toFixed(found.share < 0.1 ? 1 : 0)} %` : 'not compared';
  };
  return [
    cells(['reference numbers', ...results.map(({ engine }) => `\`${engine}\``)]),
    cells(['---', ...results.map(() => '---')]),
    ...files.map((file) =>
      cells([
        file.replace(/\.safetensors$/, ''),
        ...results.map((result) => shareOf(result, file)),
      ]),
    ),
    cells([
      'comparisons',
      ...results.map(({ files }) =>
        files.reduce((sum, { compared }) => sum + compared, 0).toLocaleString('en'),
      ),
    ]),
    cells(['tests passed', ...results.map(({ passed }) => String(passed))]),
    cells(['tests failed', ...results.map(({ failed }) => String(failed.length))]),
  ].join('\n');
}

const [begin, end] = [
  '<!-- parity: written by npm run test:engines -- --write -->',
  '<!-- /parity -->',
];
/** Puts `text` between the marks. @throws Error if they are not there. */
export function betweenMarks(document: string, text: string): string {
  const [from, to] = [document.indexOf(begin), document.indexOf(end)];
  if (from < 0 || to < from)
    throw new Error(
      `docs/engines.md has lost its marks ${begin} and ${end}; put them back where the table belongs.`,
    );
  return `${document.slice(0, from + begin.length)}\n\n${text}\n\n${document.slice(to)}`;
}

async function main(): Promise<void> {
  const options = new Command('npm run test:engines --')
    .description(
      'Reference numbers and equivalences on every engine that works here, as one table.',
    )
    .option('--engines <names...>', `only these: ${engineNames.join(', ')}`)
    .option('--tests <files...>', 'which tests', ['test/golden', 'test/equivalence'])
    .option('--write', 'put the table into docs/engines.md')
    .parse()
    .opts<{ engines?: string[]; tests: string[]; write?: boolean }>();
  const unknown =
    options.engines?.filter((name) => !(engineNames as readonly string[]).includes(name)) ?? [];
  if (unknown.length > 0)
    throw new RangeError(
      `--engines ${unknown.join(' ')}: no such engine; there are ${engineNames.join(', ')}.`,
    );
  const folder = mkdtempSync(join(tmpdir(), 'cache-once-engines-'));
  const results: EngineResult[] = [];
  try {
    for (const finding of await surveyEngines()) {
      if (options.engines && !options.engines.includes(finding.name)) continue;
      if (!finding.works) {
        console.log(`${finding.name}: left out. ${finding.detail}`);
        continue;
      }
      const started = performance.now();
      const result = await testOn(finding, folder, options.tests);
      console.log(
        `${finding.name}: ${result.passed} passed, ${result.failed.length} failed, ${((performance.now() - started) / 1000).toFixed(0)} s (${finding.detail})`,
      );
      for (const name of result.failed) console.log(`  ✗ ${name}`);
      results.push(result);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  const table = parityTable(results);
  const devices = results.map(({ engine, device }) => `\`${engine}\`: ${device}`).join('; ');
  const text = `Worst error as a share of what the rule in [test/golden/README.md](../test/golden/README.md) allows (four times the rule on webgpu, whose exp is coarser by specification); 100 % would be a failure. ${devices}. Node ${process.versions.node}, ${cpus()[0]?.model ?? 'an unknown processor'}, TensorFlow.js 4.22.0.\n\n${table}`;
  console.log(`\n${table}`);
  const document = join(root, 'docs', 'engines.md');
  if (options.write) writeFileSync(document, betweenMarks(readFileSync(document, 'utf8'), text));
  if (results.length === 0 || results.some(({ failed }) => failed.length > 0)) process.exitCode = 1;
}

if (require.main === module)
  main().catch((error: Error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
