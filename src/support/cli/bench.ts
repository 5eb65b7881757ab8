/**
 * `npm run bench`: the performance tables, what is compared side by side in one run, as text and as
 * JSON.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Command, Option } from 'commander';
import type { EngineTable, Setting, Table } from '../../../test/bench/measure';
import {
  describeEngine,
  type EngineName,
  type EngineReport,
  engineNames,
  useEngine,
} from '../backends/use-engine';

interface Options {
  only?: string[];
  json: string;
  quick?: boolean;
  engine?: EngineName[];
  peers?: boolean;
  large?: boolean;
}

function readOptions(tables: Table[]): Options {
  const known = tables.map(({ name }) => name);
  const titles = tables.map(({ name, title }) => `  ${name.padEnd(14)} ${title}`).join('\n');
  const engines = new Option(
    '--engine <names...>',
    'engines to measure, side by side (default: CACHE_ONCE_ENGINE, or the best that works)',
  ).choices([...engineNames]);
  const program = new Command('npm run bench --')
    .description('Measures in turns (A B A B …), after a warm-up, and prints medians and ratios.')
    .option('--only <names...>', `tables to run: ${known.join(', ')} (default: all)`)
    .option('--quick', 'fewer rounds: rough numbers in a fraction of the time')
    .addOption(engines)
    .option('--large', 'models of width 1024 and prompts up to 65,536 tokens: for a graphics card')
    .option(
      '--peers',
      'compare with plain PyTorch, and alone unless --only names tables; installs it into .venv/ ' +
        '(0.9 to 3 GB) if it is not there',
    )
    .option(
      '--json <file>',
      'where the numbers are written',
      join('.cache', 'bench', 'latest.json'),
    )
    .addHelpText(
      'after',
      `\nTables:\n${titles}\n\nExample: npm run bench -- --only matmul --quick`,
    );
  const options = program.parse().opts<Options>();
  const unknown = options.only?.filter((name) => !known.includes(name)) ?? [];
  if (unknown.length > 0) {
    throw new RangeError(
      `--only ${unknown.join(' ')}: no such table; there are ${known.join(', ')}.`,
    );
  }
  return options;
}

async function main(): Promise<void> {
  // The tables are among the tests, because they measure what the tests check.
  const { tables } = await import('../../../test/bench/index');
  const options = readOptions(tables);
  const engines: (EngineName | undefined)[] = options.engine ?? [undefined];
  const settingOn = (engine: EngineName): Setting => ({
    quick: options.quick ?? false,
    large: options.large ?? false,
    engine,
  });

  const report = await useEngine(engines[0]);
  console.log(`${describeEngine(report)}\n`);
  const results: EngineTable[] = [];
  // With --peers, the comparison alone; --only names tables to have as well.
  const wanted = options.only ?? (options.peers ? [] : tables.map(({ name }) => name));
  for (const table of tables) {
    if (wanted.includes(table.name)) results.push(...(await measure(table, engines, settingOn)));
  }
  if (options.peers) results.push(...(await measurePeers(engines, settingOn)));
  save(options.json, report, results);
}

type SettingOn = (engine: EngineName) => Setting;

/** Measures one table on each engine and prints it. */
async function measure(
  table: Table,
  engines: (EngineName | undefined)[],
  settingOn: SettingOn,
): Promise<EngineTable[]> {
  const { formatTable, runTable, sideBySide } = await import('../../../test/bench/measure');
  const results: EngineTable[] = [];
  for (const engine of engines) {
    const { name } = await useEngine(engine);
    const setting = { ...settingOn(name), progress: process.stderr };
    const result = { ...(await runTable(table, setting)), engine: name };
    const title = engines.length > 1 ? `${result.title}, ${name}` : result.title;
    console.log(`${formatTable({ ...result, title })}\n`);
    results.push(result);
  }
  if (results.length > 1) console.log(`${formatTable(sideBySide(results))}\n`);
  return results;
}

/** Compares with PyTorch on each engine; empty if there is no PyTorch. */
async function measurePeers(
  engines: (EngineName | undefined)[],
  settingOn: SettingOn,
): Promise<EngineTable[]> {
  const { formatTable } = await import('../../../test/bench/measure');
  const { preparePeer } = await import('../../../test/bench/peers/process');
  const { runPeers } = await import('../../../test/bench/peers/index');
  const say = (line: string): void => console.error(line);
  let python: string;
  try {
    python = await preparePeer(say);
  } catch (error) {
    // Only a PyTorch that cannot be had is left out; one that computes otherwise ends the run.
    console.log(`PyTorch was left out: ${(error as Error).message}.\n`);
    return [];
  }
  const results: EngineTable[] = [];
  for (const engine of engines) {
    const { name } = await useEngine(engine);
    const result = await runPeers(python, settingOn(name), say);
    console.log(`${formatTable(result)}\n`);
    results.push({ ...result, engine: name });
  }
  return results;
}

function save(path: string, engine: EngineReport, tables: EngineTable[]): void {
  const content = { engine, node: process.version, date: new Date().toISOString(), tables };
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(content, null, 2)}\n`);
  console.log(`Numbers as JSON: ${path}`);
}

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
