/**
 * `npm run train`: a small language model from a book, in minutes, without a GPU.
 *
 * Ctrl-C saves the run where it stands; `--resume` continues it as if it had never stopped.
 */
import { Command, InvalidArgumentError, Option } from 'commander';
import { selfDecoderKinds } from '../../models/config';
import { type Recipe, recipe, recipes } from '../../training/recipe';
import { decays } from '../../training/schedule';
import { tokenizerKinds } from '../../training/tokenizer';
import { type EngineName, engineNames } from '../backends/use-engine';
import { runTraining } from './training-session';

/** A parser of numbers for commander; `allowed` says what the test accepts. */
const number = (allowed: string, isAllowed: (n: number) => boolean) => (text: string) => {
  const n = Number(text);
  if (text.trim() === '' || !isAllowed(n)) throw new InvalidArgumentError(`Give ${allowed}.`);
  return n;
};
const wholeFrom = (least: number, most = Number.MAX_SAFE_INTEGER) => {
  const range = most < Number.MAX_SAFE_INTEGER ? `from ${least} to ${most}` : `${least} or more`;
  const isAllowed = (n: number) => Number.isInteger(n) && n >= least && n <= most;
  return number(`a whole number, ${range}`, isAllowed);
};
const count = wholeFrom(1);
const fraction = number('a number from 0 to 1', (n) => n >= 0 && n <= 1);
const above0 = number('a number above 0', (n) => n > 0 && Number.isFinite(n));

function summaryOf(recipe: Recipe): string {
  const { model, layers, dim, ffnDim, context, batch, steps, learningRate, tokenizer } = recipe;
  return (
    `${model}, ${layers} layers of ${dim} (FFN ${ffnDim}), ${tokenizer}, ${steps} steps of ` +
    `${batch} × ${context} tokens, rate ${learningRate}`
  );
}
const recipeList = Object.entries(recipes).map(
  ([name, values]) => `  ${name.padEnd(22)}${summaryOf(values)}`,
);

const choice = (flags: string, about: string, choices: readonly string[]): Option =>
  new Option(flags, about).choices([...choices]);

const program = new Command('npm run train --')
  .description('Trains a small YOCO or Transformer on real text; keeps the weights and a card.')
  .addOption(
    choice('--preset <name>', 'start from this recipe', Object.keys(recipes)).default('small'),
  )
  .addOption(choice('--model <kind>', 'what to train', ['yoco', 'transformer']))
  .addOption(choice('--self-decoder <kind>', 'the self-decoder of YOCO', selfDecoderKinds))
  .option('--window-size <tokens>', 'of a sliding-window self-decoder', count)
  .addOption(choice('--tokenizer <kind>', 'cl100k_base is the one of YOCO', tokenizerKinds))
  .option('--vocab-size <tokens>', 'at most, of a byte-pair tokenizer', wholeFrom(256, 65_536))
  .option('--layers <count>', 'all layers; a YOCO has half of them in each decoder', count)
  .option('--dim <width>', 'of the model', count)
  .option('--ffn-dim <width>', 'inside each SwiGLU', count)
  .option('--heads <count>', 'query heads of attention', count)
  .option('--kv-heads <count>', 'key and value heads of attention', count)
  .option('--self-heads <count>', 'heads of the self-decoder', count)
  .option('--steps <count>', 'updates of the weights', count)
  .option('--batch <windows>', 'windows of text per batch', count)
  .option('--context <tokens>', 'tokens per window', count)
  .option('--accumulate <batches>', 'batches per step: a larger batch in the same memory', count)
  .option('--chunk <tokens>', 'read windows in chunks, at whose starts the gradient stops', count)
  .option('--lr, --learning-rate <rate>', 'at its peak', above0)
  .option('--warm-up-steps <count>', 'until the peak', wholeFrom(0))
  .addOption(choice('--decay <kind>', 'of the learning rate after the peak', decays))
  .option('--floor <fraction>', 'of the peak, where the decay ends', fraction)
  .option('--weight-decay <fraction>', 'of AdamW', fraction)
  .option('--seed <number>', 'of the first weights and of the order of the text', wholeFrom(0))
  .option('--corpus <path>', 'a text file, or a folder of .txt and .md files (default: Moby Dick)')
  .option(
    '--out <folder>',
    'where the files go (default: trained, or notebooks/models for a notebook preset)',
  )
  .option('--name <name>', 'what they are called (default: the kind of model)')
  .addOption(choice('--engine <name>', 'what computes (default: the best that works)', engineNames))
  .option('--validate-every <steps>', 'measure held-out text and save (default: 100)', count)
  .option(
    '--patience <times>',
    'stop after so many measurements without a new lowest one; the best weights are kept',
    count,
  )
  .option('--sample-every <times>', 'show a sample of text at every so many measurements', count)
  .option('--resume [name]', 'continue an interrupted run (default: the one of --out and --name)')
  .option('--restart', 'delete an interrupted run of the same name')
  .addHelpText(
    'after',
    `
Examples:
  npm run train                                             a YOCO on Moby Dick
  npm run train -- --preset notebook-transformer            the Transformer of the notebooks
  npm run train -- --self-decoder sliding-window --window-size 64 --corpus my-texts/
  npm run train -- --tokenizer byte-pair --vocab-size 1024 --patience 3 --sample-every 2
  npm run train -- --context 1024 --chunk 256 --batch 2 --accumulate 4
  npm run train -- --resume trained/yoco                    after Ctrl-C

Recipes (--preset), which the options above change:
${recipeList.join('\n')}

Files: FOLDER/NAME.safetensors and .json at the end; until then NAME.resume.safetensors, written
at every measurement and at Ctrl-C, and NAME.resume.previous.safetensors, the one before it, in
case the newer is damaged.`,
  )
  .allowExcessArguments()
  .showHelpAfterError('(npm run train -- --help lists all options)');

interface Typed extends Partial<Recipe> {
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
    program.error(`error: ${program.args.join(' ')} is not an option; options begin with --`);
  const preset = recipe(typed.preset);
  const fields = Object.keys(preset) as (keyof Recipe)[];
  const changes = fields.filter((field) => typed[field] !== undefined);
  const changed = Object.fromEntries(changes.map((field) => [field, typed[field]]));
  const chosen: Recipe = { ...preset, ...changed };

  if (typed.resume !== undefined) {
    const clash = typed.restart ? [...changes, 'restart'] : changes;
    if (clash.length > 0)
      program.error(
        `error: --resume continues with the recipe of the run; leave out ${clash.join(', ')}, or ` +
          `start a new run`,
      );
  }
  if (typed.vocabSize !== undefined && chosen.tokenizer !== 'byte-pair')
    program.error(
      `error: --vocab-size is for --tokenizer byte-pair; the size of ${chosen.tokenizer} is fixed`,
    );
  const isNotebook = typed.preset.startsWith('notebook-');
  const folder = typed.out ?? (isNotebook ? 'notebooks/models' : 'trained');
  const defaultName = `${folder}/${typed.name ?? chosen.model}`;
  await runTraining({
    name: typeof typed.resume === 'string' ? typed.resume : defaultName,
    recipe: chosen,
    resume: typed.resume !== undefined,
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
