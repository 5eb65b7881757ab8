/**
 * `npm run convert`: PyTorch checkpoints of the official code as safetensors, which need no Python
 * to be read.
 */
import { Command } from 'commander';
import { type ConvertOptions, convertCheckpoint } from './pth-conversion';

/** Node reads files of less than 2 GiB. */
const SHARD_BYTES = 1e9;

const program = new Command('npm run convert --')
  .description('Turns PyTorch checkpoints of the official YOCO code into safetensors.')
  .argument('<files...>', 'the .pth files of one model: one, or its parts in order')
  .requiredOption('--out <name>', 'NAME.safetensors, or shards with NAME.safetensors.index.json')
  .option('--params <file>', 'params.json of the model (default: the one beside the first file)')
  .option('--python <program>', 'a Python with PyTorch (default: .venv, python3 or python)')
  .option('--shard-bytes <n>', 'of one file, at most', Number, SHARD_BYTES)
  .showHelpAfterError('(npm run convert -- --help lists all options)');

program.action(async (files: string[], options: ConvertOptions) => {
  console.log(await convertCheckpoint(files, options));
});
program.parseAsync().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
