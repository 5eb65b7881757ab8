/** One sitting of training at the terminal: prepare, run with a progress bar, save, measure, show what was learned. */
import { createHash } from 'node:crypto';
import { SingleBar } from 'cli-progress';
import { type EngineName, useEngine } from '../engine/use-engine';
import { BigramModel } from '../evaluation/bigram';
import { measureLoss } from '../evaluation/perplexity';
import { generate } from '../inference/generate';
import { createModel } from '../models/create-model';
import { filesOf, loadRun, removeRun, saveModel, saveRun } from '../training/checkpoint';
import { readCorpus, splitText } from '../training/corpus';
import type { ModelCard } from '../training/model-card';
import { configOf, type Recipe, trainerOptionsOf } from '../training/recipe';
import { CharacterTokenizer, type Tokenizer } from '../training/tokenizer';
import { Trainer } from '../training/trainer';

export interface SessionOptions {
  /** Folder and name of the files, without an ending. */
  name: string;
  recipe: Recipe;
  resume: boolean;
  corpus?: string;
  engine?: EngineName;
  validateEvery: number;
  command: string;
}

/** Characters rarer than this are not worth a token. */
const rarest = 10;
/** Tokens of held-out text that are measured on the way; the whole of it is measured at the end. */
const glance = 16_384;

interface Session {
  trainer: Trainer;
  tokenizer: Tokenizer;
  card: ModelCard;
  train: Int32Array;
  heldOut: Int32Array;
  heldOutBytes: number;
}

async function prepare(options: SessionOptions): Promise<Session> {
  const engine = await useEngine(options.engine);
  console.log(`Engine: ${engine.name}, ${engine.device}.`);
  const resumed = options.resume ? loadRun(options.name) : undefined;
  const path = options.corpus ?? resumed?.card.corpus.path;
  const { name: corpusName, text } = readCorpus(path);
  const sha256 = createHash('sha256').update(text).digest('hex');
  if (resumed && resumed.card.corpus.sha256 !== sha256)
    throw new RangeError(`The run was on ${resumed.card.corpus.name}, whose text was another; a run resumes on the same text. Start a new one.`);
  const split = splitText(text);
  const tokenizer = resumed?.tokenizer ?? CharacterTokenizer.fit(split.train, rarest);
  const recipe = resumed?.card.recipe ?? options.recipe;
  const model = resumed?.model ?? createModel(configOf(recipe, tokenizer.vocabSize), { seed: recipe.seed });
  const train = tokenizer.encode(split.train);
  const trainer = new Trainer(model, train, trainerOptionsOf(recipe));
  if (resumed) trainer.restore(resumed.optimizer, resumed.card.curve);
  const card: ModelCard = {
    format: 'cache-once model 1',
    config: model.config,
    tokenizer: tokenizer.toJSON(),
    corpus: { name: corpusName, ...(path === undefined ? {} : { path }), characters: text.length, sha256 },
    recipe,
    command: resumed?.card.command ?? options.command,
    engine: `${engine.name}: ${engine.device}`,
    parameters: model.parameters.count,
    seconds: resumed?.card.seconds ?? 0,
    tokensSeen: 0,
    curve: trainer.curve,
  };
  return { trainer, tokenizer, card, train, heldOut: tokenizer.encode(split.validation), heldOutBytes: Buffer.byteLength(split.validation) };
}

const duration = (seconds: number): string => (seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`);

/** @throws RangeError for a recipe, a text or a saved run that is not allowed. */
export async function runTraining(options: SessionOptions): Promise<void> {
  const session = await prepare(options);
  const { trainer, card, heldOut } = session;
  const { recipe } = card;
  const { batch, context, steps } = recipe;
  console.log(`Text:   ${card.corpus.name}, ${card.corpus.characters} characters, the last tenth held out.`);
  console.log(`Model:  ${recipe.model}, ${card.parameters} weights; ${steps} steps of ${batch} windows of ${context} tokens.\n`);

  const stop = new AbortController();
  const onInterrupt = () => {
    if (stop.signal.aborted) process.exit(130); // the second Ctrl-C means it
    stop.abort();
  };
  process.on('SIGINT', onInterrupt);

  const first = trainer.step;
  const secondsBefore = card.seconds;
  const started = performance.now();
  const elapsed = () => (performance.now() - started) / 1000;
  const save = () => {
    card.seconds = secondsBefore + elapsed();
    card.tokensSeen = trainer.step * batch * context;
    saveRun(options.name, trainer, card);
  };
  const bar = new SingleBar({
    format: '{bar} {value}/{total} · loss {loss} · held out {heldOut} · {speed} tokens/s · {left} left',
    hideCursor: true,
  });
  let heldOutLoss = trainer.curve.validation.at(-1)?.loss.toFixed(3) ?? '…';
  bar.start(steps, first, { loss: '…', heldOut: heldOutLoss, speed: '…', left: '…' });
  let finished = false;
  try {
    finished = await trainer.run({
      signal: stop.signal,
      validateEvery: options.validateEvery,
      validate: async () => (await measureLoss(trainer.model, heldOut.subarray(0, glance + 1), { context })).loss,
      onStep: ({ step, loss }) => {
        const perStep = elapsed() / (step - first);
        bar.update(step, {
          loss: loss.toFixed(3),
          heldOut: heldOutLoss,
          speed: Math.round((batch * context) / perStep),
          left: duration(perStep * (steps - step)),
        });
      },
      onValidation: ({ step, loss }) => {
        heldOutLoss = loss.toFixed(3);
        if (!process.stdout.isTTY)
          console.log(`step ${step}: loss ${trainer.curve.losses.at(-1)!.toFixed(3)}, held out ${heldOutLoss}, ${duration(elapsed())}`);
        save();
      },
    });
  } finally {
    bar.stop();
    process.off('SIGINT', onInterrupt);
  }
  save();
  if (!finished) {
    console.log(`\nStopped after ${trainer.step} of ${steps} steps and saved. Go on with\n  npm run train -- --resume ${options.name}`);
    return;
  }
  await report(session, options.name);
}

async function report({ trainer, tokenizer, card, train, heldOut, heldOutBytes }: Session, name: string): Promise<void> {
  const { context } = card.recipe;
  const model = await measureLoss(trainer.model, heldOut, { context, bytes: heldOutBytes });
  const bigram = new BigramModel(train, tokenizer.vocabSize).loss(heldOut, { bytes: heldOutBytes });
  card.heldOut = {
    tokens: model.tokens,
    bytes: heldOutBytes,
    context,
    loss: model.loss,
    bitsPerByte: model.bitsPerByte!,
    bigramLoss: bigram.loss,
    bigramBitsPerByte: bigram.bitsPerByte!,
  };
  saveModel(name, trainer.model, card);
  removeRun(name);
  console.log(`\nHeld-out text, ${model.tokens} tokens:`);
  console.log(`  this model       ${model.loss.toFixed(3)} nats per token, ${model.bitsPerByte!.toFixed(3)} bits per byte`);
  console.log(`  bigram baseline  ${bigram.loss.toFixed(3)} nats per token, ${bigram.bitsPerByte!.toFixed(3)} bits per byte`);
  console.log(`Saved ${filesOf(name).weights} and ${filesOf(name).card}.\n`);
  const prompt = Array.from(heldOut.subarray(0, Math.min(heldOut.length, context / 2)));
  console.log(`It is given\n  …${tokenizer.decode(prompt.slice(-60))}\nand goes on (temperature 0.7, as it comes):\n`);
  const { tokens } = await generate(trainer.model, [prompt], { maxNewTokens: 300, temperature: 0.7, seed: card.recipe.seed });
  console.log(tokenizer.decode(tokens[0]!));
}
