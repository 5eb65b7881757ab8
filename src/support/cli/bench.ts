/** `npm run bench`: the performance tables, rivals side by side in one run, as text and as JSON. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Command } from 'commander';
import type { EngineTable } from '../../../test/bench/measure';
import { describeEngine, type EngineName, engineNames, useEngine } from '../backends/use-engine';

interface Options {
  only?: string[];
  json: string;
  quick?: boolean;
  engine?: EngineName[];
  peers?: boolean;
  large?: boolean;
}

async function main(): Promise<void> {
  // The tables live with the tests, because they measure what the tests check; nothing in the library imports them.
  const { tables } = await import('../../../test/bench/index');
  const { formatTable, runTable, sideBySide } = await import('../../../test/bench/measure');
  const known = tables.map(({ name }) => name);
  const options = new Command('npm run bench --')
    .description(
      'Measures rivals in turns (A B A B …), after a warm-up, and prints medians and ratios.',
    )
    .option('--only <names...>', `tables to run: ${known.join(', ')} (default: all)`)
    .option('--quick', 'fewer rounds: rough numbers in a fraction of the time')
    .option(
      '--engine <names...>',
      `engines to measure, several side by side: ${engineNames.join(', ')} (default: CACHE_ONCE_ENGINE, or the best that works)`,
    )
    .option('--large', 'models of width 1024 and prompts up to 65,536 tokens: for a graphics card')
    .option(
      '--peers',
      'compare with plain PyTorch, and alone unless --only names tables; installs it into .venv/ (0.9 to 3 GB) if it is not there',
    )
    .option(
      '--json <file>',
      'where the numbers are written',
      join('.cache', 'bench', 'latest.json'),
    )
    .addHelpText(
      'after',
      `\nTables:\n${tables.map(({ name, title }) => `  ${name.padEnd(14)} ${title}`).join('\n')}\n\nExample: npm run bench -- --only matmul --quick`,
    )
    .parse()
    .opts<Options>();
  const unknown = options.only?.filter((name) => !known.includes(name)) ?? [];
  if (unknown.length)
    throw new RangeError(
      `--only ${unknown.join(' ')}: no such table; there are ${known.join(', ')}.`,
    );

  const wanted: (EngineName | undefined)[] = options.engine ?? [undefined];
  let report = await useEngine(wanted[0]);
  console.log(`${describeEngine(report)}\n`);
  const results = [];
  for (const table of tables) {
    if (options.peers && !options.only) break; // the comparison alone; name tables with --only to have them as well
    if (options.only && !options.only.includes(table.name)) continue;
    const onEach: EngineTable[] = [];
    for (const name of wanted) {
      report = await useEngine(name);
      const result = await runTable(table, {
        quick: options.quick ?? false,
        large: options.large ?? false,
        engine: report.name,
        progress: process.stderr,
      });
      onEach.push({ ...result, engine: report.name });
      console.log(
        `${formatTable(wanted.length > 1 ? { ...result, title: `${result.title}, ${report.name}` } : result)}\n`,
      );
    }
    if (wanted.length > 1) console.log(`${formatTable(sideBySide(onEach))}\n`);
    results.push(...onEach);
  }
  if (options.peers) {
    const { preparePeer } = await import('../../../test/bench/peers/process');
    const { runPeers } = await import('../../../test/bench/peers/index');
    const say = (line: string) => console.error(line);
    // Only a PyTorch that cannot be had is left out; one that computes something else ends the run.
    const python = await preparePeer(say).catch((error: Error) => {
      console.log(`PyTorch was left out: ${error.message}.\n`);
      return undefined;
    });
    for (const name of python === undefined ? [] : wanted) {
      report = await useEngine(name);
      const setting = {
        quick: options.quick ?? false,
        large: options.large ?? false,
        engine: report.name,
      };
      const result = await runPeers(python!, setting, say);
      console.log(`${formatTable(result)}\n`);
      results.push({ ...result, engine: report.name });
    }
  }
  mkdirSync(dirname(options.json), { recursive: true });
  writeFileSync(
    options.json,
    `${JSON.stringify({ engine: report, node: process.version, date: new Date().toISOString(), tables: results }, null, 2)}\n`,
  );
  console.log(`Numbers as JSON: ${options.json}`);
}

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
