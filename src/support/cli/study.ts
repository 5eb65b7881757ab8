/**
 * `npm run study -- recall`: trains every kind of model under one budget and stores what was
 * measured in notebooks/results/, from which the notebooks draw their figures.
 *
 * A study takes minutes to hours. Ctrl-C loses the run in progress; the same command resumes.
 */
import { join } from 'node:path';
import { SingleBar } from 'cli-progress';
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { convertStudy } from '../../evaluation/convert-study';
import { needleStudy } from '../../evaluation/needle-study';
import { ratesStudy } from '../../evaluation/rates-study';
import { recallStudy } from '../../evaluation/recall-study';
import { scalingStudy } from '../../evaluation/scaling-study';
import { splitsStudy } from '../../evaluation/splits-study';
import { commandOf, openStudy, type Study, type StudyRun, saveStudy } from '../../evaluation/study';
import { type EngineName, engineNames, useEngine } from '../backends/use-engine';
import { root } from '../notebook/python-environment';

type AnyStudy = Study<{ steps: number }>;
const studies = new Map<string, AnyStudy>();
const all = [recallStudy, needleStudy, ratesStudy, scalingStudy, splitsStudy, convertStudy];
for (const study of all) {
  studies.set(study.name, study as AnyStudy); // each is run with its own settings only
}

function wholeNumber(text: string): number {
  const n = Number(text);
  if (text.trim() === '' || !Number.isInteger(n) || n < 0)
    throw new InvalidArgumentError('Give whole numbers, 0 or more.');
  return n;
}
const wholeNumbers = (text: string, before: number[] = []) => [...before, wholeNumber(text)];

const studyList: string[] = [];
for (const { name, about, kinds } of studies.values()) {
  studyList.push(`  ${name.padEnd(10)} ${about}`, `             ${kinds.join('; ')}`);
}
const engineOption = new Option('--engine <name>', 'what computes (default: the best that works)');
const program = new Command('npm run study --')
  .description(
    'Trains every kind of model under one budget, for several seeds, and stores what was measured.',
  )
  .addArgument(new Argument('<study>', 'which').choices([...studies.keys()]))
  .option(
    '--seeds <numbers...>',
    'of the initial weights and of the questions (default: 1 2 3)',
    wholeNumbers,
  )
  .option('--kinds <names...>', 'kinds of model (default: all of the study)')
  .option(
    '--steps <count>',
    'updates per run, instead of the study’s own: for a quick look, with --out',
    wholeNumber,
  )
  .option('--out <file>', 'default: notebooks/results/STUDY.json')
  .addOption(engineOption.choices([...engineNames]))
  .addHelpText('after', `\nStudies:\n${studyList.join('\n')}`)
  .showHelpAfterError('(npm run study -- --help lists all options)');

interface StudyArguments {
  seeds?: number[];
  kinds?: string[];
  steps?: number;
  out?: string;
  engine?: EngineName;
}

async function main(): Promise<void> {
  program.parse();
  const [name] = program.processedArgs as [string];
  const { seeds = [1, 2, 3], kinds, steps, out, engine: wanted } = program.opts<StudyArguments>();
  const study = studies.get(name)!;
  const unknown = kinds?.filter((kind) => !study.kinds.includes(kind)) ?? [];
  if (unknown.length > 0)
    program.error(
      `error: ${unknown.join(', ')} is not a kind of this study; ` +
        `there are ${study.kinds.join('; ')}`,
    );
  const settings = steps === undefined ? study.settings : { ...study.settings, steps };
  const path = out ?? join(root, 'notebooks', 'results', `${name}.json`);
  const shorter = steps === undefined ? '' : ` --steps ${steps}`;
  const file = openStudy(path, { study: name, command: '', settings });
  const { name: engineName, device } = await useEngine(wanted);
  const engine = `${engineName}: ${device}`;
  console.log(`Engine: ${engineName}, ${device}. The results go to ${path}.`);

  for (const seed of seeds) {
    for (const kind of kinds ?? study.kinds) {
      const isSame = (run: StudyRun) => run.kind === kind && run.seed === seed;
      if (file.runs.some(isSame)) continue;
      const run = await runWithBar(study, kind, seed, settings, engine);
      // Another process may have added runs meanwhile: read the file again before writing it.
      const { runs } = openStudy(path, file);
      file.runs = [...runs.filter((other) => !isSame(other)), run];
      file.command = `${commandOf(study, file.runs)}${shorter}`;
      saveStudy(path, file);
    }
  }
}

/** One run, with a progress bar while it trains. */
async function runWithBar(
  study: AnyStudy,
  kind: string,
  seed: number,
  settings: { steps: number },
  engine: string,
): Promise<StudyRun> {
  const bar = new SingleBar({
    format: `${kind}, seed ${seed} {bar} {value}/{total} · loss {loss} · {eta_formatted} left`,
    hideCursor: true,
  });
  const started = performance.now();
  bar.start(settings.steps, 0, { loss: '…' });
  try {
    const measured = await study.run(kind, seed, settings, ({ step, loss }) =>
      bar.update(step, { loss: loss.toFixed(3) }),
    );
    bar.stop();
    const seconds = Math.round((performance.now() - started) / 1000);
    const shown = JSON.stringify({ ...measured, losses: undefined });
    console.log(`${kind}, seed ${seed}: ${seconds} s ${shown}`);
    return { kind, seed, ...measured, seconds, engine };
  } finally {
    bar.stop();
  }
}

main().catch((error: Error) => {
  console.error(`\n${error.message}`);
  process.exitCode = 1;
});
