/**
 * `npm run train`: a small language model from a book, in minutes, without a GPU. `npm run train -- --help` lists all.
 *
 * Ctrl-C is no accident: the run is saved where it stands, and `--resume` goes on as if nothing had happened.
 */
import { Command, InvalidArgumentError, Option } from 'commander';
import { type Recipe, recipe, recipes } from '../../training/recipe';
import { decays } from '../../training/schedule';
import { tokenizerKinds } from '../../training/tokenizer';
import { type EngineName, engineNames } from '../backends/use-engine';
import { runTraining } from './training-session';

const wholeNumber =
  (least: number) =>
  (text: string): number => {
    const n = Number(text);
    if (text.trim() === '' || !Number.isInteger(n) || n < least)
      throw new InvalidArgumentError(`Give a whole number, ${least} or more.`);
    return n;
  };
const above0 = (text: string): number => {
  const n = Number(text);
  if (!(n > 0 && Number.isFinite(n))) throw new InvalidArgumentError('Give a number above 0.');
  return n;
};
const share = (text: string): number => {
  const n = Number(text);
  if (text.trim() === '' || !(n >= 0 && n <= 1))
    throw new InvalidArgumentError('Give a number from 0 to 1.');
  return n;
};
const count = wholeNumber(1);
const vocabulary = (text: string): number => {
  const n = wholeNumber(256)(text);
  if (n > 65_536) throw new InvalidArgumentError('Give a whole number from 256 to 65536.');
  return n;
};
const worthSaying = ({
  model,
  layers,
  dim,
  ffnDim,
  context,
  batch,
  steps,
  learningRate,
  tokenizer,
}: Recipe): string =>
  `${model}, ${layers} layers of ${dim} (FFN ${ffnDim}), ${tokenizer}, ${steps} steps of ${batch} × ${context} tokens, rate ${learningRate}`;

const program = new Command('npm run train --')
  .description(
    'Trains a small YOCO or Transformer on real text and keeps the weights with the story of how they came to be.',
  )
  .addOption(
    new Option('--preset <name>', 'start from this recipe; the options below change it')
      .choices(Object.keys(recipes))
      .default('small'),
  )
  .addOption(new Option('--model <kind>', 'what to train').choices(['yoco', 'transformer']))
  .addOption(
    new Option('--self-decoder <kind>', "YOCO's lower half").choices([
      'gated-retention',
      'retention',
      'sliding-window',
    ]),
  )
  .option('--window-size <tokens>', 'of a sliding-window self-decoder', count)
  .addOption(
    new Option('--tokenizer <kind>', "what a token is; cl100k_base is YOCO's own").choices([
      ...tokenizerKinds,
    ]),
  )
  .option(
    '--vocab-size <tokens>',
    'most tokens that byte-pair may make of the text, 256 to 65536',
    vocabulary,
  )
  .option('--layers <count>', 'all layers; a YOCO has half of them in each decoder', count)
  .option('--dim <width>', 'of the model', count)
  .option('--ffn-dim <width>', 'inside each SwiGLU', count)
  .option('--heads <count>', 'query heads of attention', count)
  .option('--kv-heads <count>', 'key and value heads of attention', count)
  .option('--self-heads <count>', "heads of YOCO's lower half", count)
  .option('--steps <count>', 'updates of the weights', count)
  .option('--batch <windows>', 'windows of text per step', count)
  .option('--context <tokens>', 'tokens per window', count)
  .option(
    '--accumulate <batches>',
    'batches per step, one after the other: a larger batch for the same memory',
    count,
  )
  .option(
    '--chunk <tokens>',
    'take a window in pieces of so many tokens; the gradient stops at the start of each',
    count,
  )
  .option('--lr, --learning-rate <rate>', 'at its peak', above0)
  .option('--warm-up-steps <count>', 'until the peak', wholeNumber(0))
  .addOption(new Option('--decay <kind>', 'after the peak').choices([...decays]))
  .option('--floor <share>', 'of the peak, where the decay ends', share)
  .option('--weight-decay <share>', 'of AdamW', share)
  .option('--seed <number>', 'of the first weights and of the order of the text', wholeNumber(0))
  .option('--corpus <path>', 'a text file, or a folder of .txt and .md files (default: Moby Dick)')
  .option(
    '--out <folder>',
    'where the files go (default: trained, or notebooks/models for a notebook preset)',
  )
  .option('--name <name>', 'what they are called (default: the kind of model)')
  .addOption(
    new Option('--engine <name>', 'what computes (default: the best that works)').choices([
      ...engineNames,
    ]),
  )
  .option('--validate-every <steps>', 'measure held-out text and save (default: 100)', count)
  .option(
    '--patience <times>',
    'stop when so many measurements in a row brought nothing new; the best weights are kept',
    count,
  )
  .option(
    '--sample-every <times>',
    'show what the model writes, at every so many measurements',
    count,
  )
  .option(
    '--resume [name]',
    'go on with an interrupted run: its name with its folder (default: the one of --out and --name)',
  )
  .option('--restart', 'give up an interrupted run of the same name')
  .addHelpText(
    'after',
    `
Examples:
  npm run train                                             a YOCO on Moby Dick
  npm run train -- --preset notebook-transformer            the Transformer of the notebooks, as it was made
  npm run train -- --self-decoder sliding-window --window-size 64 --corpus my-texts/
  npm run train -- --tokenizer byte-pair --vocab-size 1024 --patience 3 --sample-every 2
  npm run train -- --context 1024 --chunk 256 --batch 2 --accumulate 4
  npm run train -- --resume trained/yoco                    after Ctrl-C

Recipes (--preset), and what is not said above:
${Object.entries(recipes)
  .map(([name, values]) => `  ${name.padEnd(22)}${worthSaying(values)}`)
  .join('\n')}

Files: FOLDER/NAME.safetensors and .json when it is done; until then NAME.resume.safetensors, written at every measurement
and at Ctrl-C, and the one before it, NAME.resume.previous.safetensors, in case that one is damaged.`,
  )
  .allowExcessArguments()
  .showHelpAfterError('(npm run train -- --help lists all options)');

/** What was typed changes the recipe; what was not is left to it. */
function recipeOf(typed: Record<string, unknown>): Recipe {
  const chosen = recipe(typed.preset as string) as unknown as Record<string, unknown>;
  for (const field in chosen) if (typed[field] !== undefined) chosen[field] = typed[field];
  return chosen as unknown as Recipe;
}

interface Typed extends Record<string, unknown> {
  preset: string;
  out?: string;
  name?: string;
  corpus?: string;
  engine?: EngineName;
  sampleEvery?: number;
  resume?: string | true;
  restart?: true;
}

async function main(): Promise<void> {
  program.parse();
  const typed = program.opts<Typed>();
  if (program.args.length > 0)
    program.error(`error: ${program.args.join(' ')} is no option; options begin with --`);
  const chosen = recipeOf(typed);
  const resume = typed.resume !== undefined;
  if (resume) {
    const clash = [...Object.keys(chosen), 'restart'].filter(
      (field) => program.getOptionValueSource(field) === 'cli',
    );
    if (clash.length > 0)
      program.error(
        `error: --resume goes on with the recipe of the run; leave out ${clash.join(', ')}, or start a new run`,
      );
  }
  if (typed.vocabSize !== undefined && chosen.tokenizer !== 'byte-pair')
    program.error(
      `error: --vocab-size is for --tokenizer byte-pair; the size of ${chosen.tokenizer} is not a choice`,
    );
  const folder =
    typed.out ?? (typed.preset.startsWith('notebook-') ? 'notebooks/models' : 'trained');
  await runTraining({
    name:
      typeof typed.resume === 'string' ? typed.resume : `${folder}/${typed.name ?? chosen.model}`,
    recipe: chosen,
    resume,
    restart: typed.restart ?? false,
    corpus: typed.corpus,
    engine: typed.engine,
    sampleEvery: typed.sampleEvery,
    command: `npm run train -- ${process.argv.slice(2).join(' ')}`.trim(),
  });
}

main().catch((error: Error) => {
  console.error(`\n${error.message}`);
  process.exitCode = 1;
});
