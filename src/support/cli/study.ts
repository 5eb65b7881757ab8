/**
 * `npm run study -- recall`: trains every kind of model under one budget and writes what came out to notebooks/results/.
 *
 * The notebooks draw these files, and train one small point of each live. A study takes minutes to hours; Ctrl-C loses the
 * run that is at work, and the same command goes on after it.
 */
import { join } from 'node:path';
import { SingleBar } from 'cli-progress';
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { studies } from '../../evaluation/studies';
import { openStudy, saveStudy } from '../../evaluation/study';
import { type EngineName, engineNames, useEngine } from '../backends/use-engine';
import { root } from '../notebook/python-environment';

const wholeNumber = (text: string, before: number[] = []): number[] => {
  const n = Number(text);
  if (text.trim() === '' || !Number.isInteger(n) || n < 0)
    throw new InvalidArgumentError('Give whole numbers, 0 or more.');
  return [...before, n];
};

const program = new Command('npm run study --')
  .description(
    'Trains every kind of model under one budget, for several seeds, and stores what was measured.',
  )
  .addArgument(new Argument('<study>', 'which').choices(Object.keys(studies)))
  .option(
    '--seeds <numbers...>',
    'of the first weights and of the questions (default: 1 2 3)',
    wholeNumber,
  )
  .option('--kinds <names...>', 'kinds of model (default: all of the study)')
  .option(
    '--steps <count>',
    'updates per run, instead of the study’s own: for a quick look, with --out',
    (text) => wholeNumber(text)[0],
  )
  .option('--out <file>', 'default: notebooks/results/STUDY.json')
  .addOption(
    new Option('--engine <name>', 'what computes (default: the best that works)').choices([
      ...engineNames,
    ]),
  )
  .addHelpText(
    'after',
    `\nStudies:\n${Object.values(studies)
      .map(
        ({ name, about, kinds }) =>
          `  ${name.padEnd(10)} ${about}\n             ${kinds.join('; ')}`,
      )
      .join('\n')}`,
  )
  .showHelpAfterError('(npm run study -- --help lists all options)');

async function main(): Promise<void> {
  program.parse();
  const [name] = program.processedArgs as [string];
  const typed = program.opts<{
    seeds?: number[];
    kinds?: string[];
    steps?: number;
    out?: string;
    engine?: EngineName;
  }>();
  const study = studies[name];
  const unknown = typed.kinds?.filter((kind) => !study.kinds.includes(kind)) ?? [];
  if (unknown.length > 0)
    program.error(
      `error: ${unknown.join(', ')} is no kind of this study; there are ${study.kinds.join('; ')}`,
    );
  const settings =
    typed.steps === undefined ? study.settings : { ...study.settings, steps: typed.steps };
  const path = typed.out ?? join(root, 'notebooks', 'results', `${name}.json`);
  const file = openStudy(path, { study: name, command: `npm run study -- ${name}`, settings });
  const { name: engine, device } = await useEngine(typed.engine);
  console.log(`Engine: ${engine}, ${device}. What is measured goes to ${path}.`);

  for (const seed of typed.seeds ?? [1, 2, 3])
    for (const kind of typed.kinds ?? study.kinds) {
      if (file.runs.some((run) => run.kind === kind && run.seed === seed)) continue;
      const bar = new SingleBar({
        format: `${kind}, seed ${seed} {bar} {value}/{total} · loss {loss} · {eta_formatted} left`,
        hideCursor: true,
      });
      const started = performance.now();
      bar.start(Number(settings.steps), 0, { loss: '…' });
      try {
        const measured = await study.run(kind, seed, settings, ({ step, loss }) =>
          bar.update(step, { loss: loss.toFixed(3) }),
        );
        bar.stop();
        const seconds = Math.round((performance.now() - started) / 1000);
        const run = { kind, seed, ...measured, seconds, engine: `${engine}: ${device}` };
        console.log(
          `${kind}, seed ${seed}: ${seconds} s ${JSON.stringify({ ...measured, losses: undefined })}`,
        );
        // Another process may have added runs of its own meanwhile: read again before writing.
        const latest = openStudy(path, file);
        file.runs = [
          ...latest.runs.filter((other) => other.kind !== kind || other.seed !== seed),
          run,
        ];
        saveStudy(path, file);
      } finally {
        bar.stop();
      }
    }
}

main().catch((error: Error) => {
  console.error(`\n${error.message}`);
  process.exitCode = 1;
});
