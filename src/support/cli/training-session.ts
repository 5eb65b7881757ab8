/** One training session at the terminal: prepare, train with a progress bar, save, measure. */
import { createHash } from 'node:crypto';
import { SingleBar } from 'cli-progress';
import { BigramModel } from '../../evaluation/bigram';
import { measureLoss } from '../../evaluation/perplexity';
import { generate } from '../../inference/generate';
import { createModel } from '../../models/presets';
import type { ModelCard } from '../../training/checkpoint';
import { filesOf, saveModel } from '../../training/checkpoint';
import { readCorpus, splitText } from '../../training/corpus';
import { fitTokenizer } from '../../training/fit-tokenizer';
import { configOf, type Recipe, trainerOptionsOf } from '../../training/recipe';
import type { Tokenizer } from '../../training/tokenizer';
import { bestOf, Trainer } from '../../training/trainer';
import { isInterrupted, loadRun, removeRun, saveRun } from '../../training/training-checkpoint';
import { loadStateDict, type StateDict, toStateDict } from '../../weights/state-dict';
import { type EngineName, useEngine } from '../backends/use-engine';
import { lockRun } from './run-lock';
import { checkFits, checkWritable, memoryOf } from './training-limits';

export interface SessionOptions {
  /** Folder and name of the files, without an ending. */
  name: string;
  recipe: Recipe;
  resume: boolean;
  /** Delete an interrupted run of this name. */
  restart: boolean;
  corpus?: string;
  engine?: EngineName;
  /** Measurements from one sample of text to the next; none if absent. */
  sampleEvery?: number;
  command: string;
}

/** Held-out tokens that are measured during the run; at its end all are. */
const validationTokens = 16_384;
/** The bigram table of a larger vocabulary would not fit into memory. */
const maxBigramVocabulary = 4096;

interface Session {
  trainer: Trainer;
  tokenizer: Tokenizer;
  card: ModelCard;
  /** The weights of the best measurement so far, if they are kept. */
  best?: StateDict;
  train: Int32Array;
  heldOut: Int32Array;
  heldOutBytes: number;
}

/** @throws RangeError for a recipe, a text, a folder or a saved run that is not allowed. */
export async function runTraining(options: SessionOptions): Promise<void> {
  const files = filesOf(options.name);
  checkWritable(files.stem);
  const unlock = await lockRun(files.stem);
  try {
    const session = await prepare(options);
    announce(session);
    if (await trainUntilStopped(session, options)) return await finish(session, options.name);
    const { trainer, card } = session;
    console.log(
      `\nStopped after ${trainer.step} of ${card.recipe.steps} steps and saved ${files.run}. ` +
        `Go on with\n  npm run train -- --resume ${files.stem}`,
    );
  } finally {
    unlock();
  }
}

async function prepare(options: SessionOptions): Promise<Session> {
  if (!options.resume && isInterrupted(options.name)) {
    if (!options.restart)
      throw new RangeError(
        `There is an interrupted run ${options.name}. --resume continues it, --restart deletes ` +
          `it, --name names another.`,
      );
    removeRun(options.name);
  }
  const engine = await useEngine(options.engine);
  console.log(`Engine: ${engine.name}, ${engine.device}.`);
  if (!options.resume) checkFits(options.recipe, memoryOf(engine.name));
  const resumed = options.resume ? loadRun(options.name) : undefined;
  if (resumed?.note) console.log(`\n${resumed.note}\n`);

  const path = options.corpus ?? resumed?.card.corpus.path;
  const { name, text } = readCorpus(path);
  const sha256 = createHash('sha256').update(text).digest('hex');
  if (resumed && resumed.card.corpus.sha256 !== sha256)
    throw new RangeError(
      `The run was on ${resumed.card.corpus.name}, with another text; a run resumes on the same ` +
        `text. Start a new one.`,
    );
  const split = splitText(text);

  const recipe = resumed?.card.recipe ?? options.recipe;
  const tokenizer =
    resumed?.tokenizer ?? fitTokenizer(recipe.tokenizer, split.train, recipe.vocabSize);
  const config = resumed?.card.config ?? configOf(recipe, tokenizer.vocabSize);
  const model = resumed?.model ?? createModel(config, { seed: recipe.seed });
  const train = tokenizer.encode(split.train);
  const trainer = new Trainer(model, train, trainerOptionsOf(recipe));
  if (resumed) trainer.restore(resumed.optimizer, resumed.card.curve);

  const card: ModelCard = {
    format: 'cache-once model 1',
    config: model.config,
    tokenizer: tokenizer.toJSON(),
    corpus: { name, ...(path !== undefined && { path }), characters: text.length, sha256 },
    recipe,
    command: resumed?.card.command ?? options.command,
    engine: `${engine.name}: ${engine.device}`,
    parameters: model.parameters.count,
    seconds: resumed?.card.seconds ?? 0,
    tokensSeen: 0,
    curve: trainer.curve,
  };
  const heldOut = tokenizer.encode(split.validation);
  const heldOutBytes = Buffer.byteLength(split.validation);
  return { trainer, tokenizer, card, best: resumed?.best, train, heldOut, heldOutBytes };
}

function announce({ card, tokenizer, trainer, train }: Session): void {
  const { model, tokenizer: kind, batch, context, accumulate, steps, patience } = card.recipe;
  const { name, characters } = card.corpus;
  const perToken = ((0.9 * characters) / train.length).toFixed(1);
  const batches = accumulate > 1 ? `${accumulate} × ` : '';
  const until = patience ? `, or until ${patience} measurements without a new lowest one` : '';
  console.log(
    `Text:   ${name}, ${characters} characters, the last tenth held out.\n` +
      `Tokens: ${kind}, a vocabulary of ${tokenizer.vocabSize}; one is ${perToken} characters ` +
      `of the text, on average.\n` +
      `Model:  ${model}, ${card.parameters} weights; ${steps} steps of ${batches}${batch} ` +
      `windows of ${context} tokens${until}.`,
  );
  console.log(trainer.step > 0 ? `        ${trainer.step} of them are done.\n` : '');
}

/** Trains, measures and saves until the run is done (true) or Ctrl-C is pressed (false). */
async function trainUntilStopped(session: Session, options: SessionOptions): Promise<boolean> {
  const { trainer, card } = session;
  const { batch, context, accumulate, steps, validateEvery, patience } = card.recipe;
  const { validation } = trainer.curve;
  const tokensPerStep = batch * context * accumulate;
  const firstStep = trainer.step;
  const secondsBefore = card.seconds;
  const started = performance.now();
  const elapsed = () => (performance.now() - started) / 1000;

  const stop = new AbortController();
  const onInterrupt = () => {
    if (stop.signal.aborted) process.exit(130); // the second Ctrl-C ends at once
    stop.abort();
  };
  const bar = new SingleBar({
    format:
      '{bar} {value}/{total} · loss {loss} · held out {heldOut} · {speed} tokens/s · {left} left',
    hideCursor: true,
  });
  const shown = { loss: '…', heldOut: '…', speed: '…', left: '…' };
  const lastMeasurement = validation.at(-1);
  if (lastMeasurement) shown.heldOut = lastMeasurement.loss.toFixed(3);
  const save = () => {
    card.seconds = secondsBefore + elapsed();
    card.tokensSeen = trainer.step * tokensPerStep;
    saveRun(options.name, trainer, card, session.best);
  };

  process.on('SIGINT', onInterrupt);
  bar.start(steps, firstStep, shown);
  try {
    const done = await trainer.run({
      signal: stop.signal,
      validateEvery,
      patience,
      async validate() {
        const loss = await heldOutLoss(session, validationTokens);
        const { sampleEvery } = options;
        if (sampleEvery !== undefined && (validation.length + 1) % sampleEvery === 0) {
          const sample = await sampleText(session, 24, 60);
          bar.stop();
          console.log(`step ${trainer.step} writes: ${JSON.stringify(sample)}`);
          bar.start(steps, trainer.step, shown);
        }
        return loss.loss;
      },
      onStep({ step, loss }) {
        const secondsPerStep = elapsed() / (step - firstStep);
        shown.loss = loss.toFixed(3);
        shown.speed = (tokensPerStep / secondsPerStep).toFixed(0);
        shown.left = duration(secondsPerStep * (steps - step));
        bar.update(step, shown);
      },
      onValidation({ step, loss }) {
        shown.heldOut = loss.toFixed(3);
        const isBest = bestOf(trainer.curve.validation)?.step === step;
        if (patience !== undefined && isBest) session.best = toStateDict(trainer.model.parameters);
        save();
        if (process.stdout.isTTY) return; // the bar shows it
        console.log(
          `step ${step}: loss ${shown.loss}, held out ${shown.heldOut}, ${shown.speed} tokens/s, ` +
            `${duration(elapsed())}`,
        );
      },
    });
    if (!done) save();
    return done;
  } finally {
    bar.stop();
    process.off('SIGINT', onInterrupt);
  }
}

const duration = (seconds: number): string =>
  seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;

/** Of the first `tokens` of the held-out text, or of all. */
function heldOutLoss(
  { trainer, tokenizer, card, heldOut, heldOutBytes }: Session,
  tokens?: number,
) {
  const { context } = card.recipe;
  const windows = Math.floor(2 ** 24 / (context * tokenizer.vocabSize)); // 2²⁴ logits are 64 MB
  const batch = Math.max(1, Math.min(8, windows));
  const text = tokens === undefined ? heldOut : heldOut.subarray(0, tokens + 1);
  const bytes = tokens === undefined ? heldOutBytes : undefined;
  return measureLoss(trainer.model, text, { context, batch, bytes });
}

/** How the model continues the beginning of the held-out text. */
async function sampleText(
  { trainer, tokenizer, card, heldOut }: Session,
  promptTokens: number,
  maxNewTokens: number,
): Promise<string> {
  const prompt = Array.from(heldOut.subarray(0, promptTokens));
  const { seed } = card.recipe;
  const options = { maxNewTokens, temperature: 0.7, seed };
  const { tokens } = await generate(trainer.model, [prompt], options);
  return tokenizer.decode(tokens[0]);
}

/** Keeps the best weights, measures all held-out text, saves the model and shows a sample. */
async function finish(session: Session, name: string): Promise<void> {
  const { trainer, tokenizer, card, train, heldOut, heldOutBytes } = session;
  const { context, steps } = card.recipe;
  if (trainer.step < steps)
    console.log(
      `\nStopped after ${trainer.step} of ${steps} steps: the held-out loss no longer fell.`,
    );
  const best = bestOf(trainer.curve.validation);
  if (session.best && best && best.step < trainer.step) {
    loadStateDict(trainer.model.parameters, session.best);
    card.kept = best;
    console.log(
      `\nThe weights of step ${best.step} are kept: they had the lowest held-out loss, ` +
        `${best.loss.toFixed(3)}.`,
    );
  }

  const model = await heldOutLoss(session);
  const { loss, tokens, bitsPerByte = Number.NaN } = model;
  card.heldOut = { tokens, bytes: heldOutBytes, context, loss, bitsPerByte };
  const results = [`  this model       ${inWords(loss, bitsPerByte)}`];
  if (tokenizer.vocabSize <= maxBigramVocabulary) {
    const table = new BigramModel(train, tokenizer.vocabSize);
    const bigram = table.loss(heldOut, { bytes: heldOutBytes });
    card.heldOut.bigramLoss = bigram.loss;
    card.heldOut.bigramBitsPerByte = bigram.bitsPerByte;
    results.push(`  bigram baseline  ${inWords(bigram.loss, bigram.bitsPerByte)}`);
  }
  saveModel(name, trainer.model, card);
  removeRun(name);

  console.log(`\nHeld-out text, ${tokens} tokens:\n${results.join('\n')}`);
  console.log(`Saved ${filesOf(name).weights} and ${filesOf(name).card}.\n`);
  const promptTokens = Math.min(heldOut.length, Math.floor(context / 2) || 1);
  const prompt = tokenizer.decode(heldOut.subarray(0, promptTokens).slice(-60));
  console.log(`After\n  …${prompt}\nit writes (temperature 0.7, not selected):\n`);
  console.log(await sampleText(session, promptTokens, 300));
}

const inWords = (nats: number, bitsPerByte = Number.NaN): string =>
  `${nats.toFixed(3)} nats per token, ${bitsPerByte.toFixed(3)} bits per byte`;
