/** One sitting of training at the terminal: prepare, run with a progress bar, save, measure, show what was learned. */
import { createHash } from 'node:crypto';
import { SingleBar } from 'cli-progress';
import { BigramModel } from '../../evaluation/bigram';
import { measureLoss } from '../../evaluation/perplexity';
import { generate } from '../../inference/generate';
import { createModel } from '../../models/create-model';
import { filesOf, saveModel } from '../../training/checkpoint';
import { readCorpus, splitText } from '../../training/corpus';
import { bestOf } from '../../training/early-stop';
import type { ModelCard } from '../../training/model-card';
import { configOf, type Recipe, trainerOptionsOf } from '../../training/recipe';
import { fitTokenizer, type Tokenizer } from '../../training/tokenizer';
import { Trainer } from '../../training/trainer';
import { isInterrupted, loadRun, removeRun, saveRun } from '../../training/training-checkpoint';
import { loadStateDict, type StateDict, toStateDict } from '../../weights/state-dict';
import { type EngineName, useEngine } from '../backends/use-engine';

export interface SessionOptions {
  /** Folder and name of the files, without an ending. */
  name: string;
  recipe: Recipe;
  resume: boolean;
  /** Give up an interrupted run of this name. */
  restart: boolean;
  corpus?: string;
  engine?: EngineName;
  /** Measurements from one sample of its writing to the next; none if absent. */
  sampleEvery?: number;
  command: string;
}

/** Tokens of held-out text that are measured on the way; the whole of it is measured at the end. */
const glance = 16_384;
/** Windows measured at once: eight, or as many as have 2²⁴ logits (64 MB). */
const together = (context: number, vocabSize: number): number =>
  Math.max(1, Math.min(8, Math.floor(2 ** 24 / (context * vocabSize))));
/** A table of pairs beyond this many tokens would not fit into memory. */
const largestBigram = 4096;

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

async function prepare(options: SessionOptions): Promise<Session> {
  if (!options.resume && isInterrupted(options.name)) {
    if (!options.restart)
      throw new RangeError(
        `There is an interrupted run ${options.name}. --resume goes on with it, --restart gives it up, --name names another.`,
      );
    removeRun(options.name);
  }
  const engine = await useEngine(options.engine);
  console.log(`Engine: ${engine.name}, ${engine.device}.`);
  const resumed = options.resume ? loadRun(options.name) : undefined;
  if (resumed?.note) console.log(`\n${resumed.note}\n`);
  const path = options.corpus ?? resumed?.card.corpus.path;
  const { name: corpusName, text } = readCorpus(path);
  const sha256 = createHash('sha256').update(text).digest('hex');
  if (resumed && resumed.card.corpus.sha256 !== sha256)
    throw new RangeError(
      `The run was on ${resumed.card.corpus.name}, whose text was another; a run resumes on the same text. Start a new one.`,
    );
  const split = splitText(text);
  const recipe = resumed?.card.recipe ?? options.recipe;
  const tokenizer =
    resumed?.tokenizer ?? fitTokenizer(recipe.tokenizer, split.train, recipe.vocabSize);
  const model =
    resumed?.model ?? createModel(configOf(recipe, tokenizer.vocabSize), { seed: recipe.seed });
  const train = tokenizer.encode(split.train);
  const trainer = new Trainer(model, train, trainerOptionsOf(recipe));
  if (resumed) trainer.restore(resumed.optimizer, resumed.card.curve);
  const card: ModelCard = {
    format: 'cache-once model 1',
    config: model.config,
    tokenizer: tokenizer.toJSON(),
    corpus: {
      name: corpusName,
      ...(path === undefined ? {} : { path }),
      characters: text.length,
      sha256,
    },
    recipe,
    command: resumed?.card.command ?? options.command,
    engine: `${engine.name}: ${engine.device}`,
    parameters: model.parameters.count,
    seconds: resumed?.card.seconds ?? 0,
    tokensSeen: 0,
    curve: trainer.curve,
  };
  const heldOut = tokenizer.encode(split.validation);
  return {
    trainer,
    tokenizer,
    card,
    best: resumed?.best,
    train,
    heldOut,
    heldOutBytes: Buffer.byteLength(split.validation),
  };
}

const duration = (seconds: number): string =>
  seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;

function announce({ card, tokenizer, trainer, train }: Session): void {
  const { model, tokenizer: kind, batch, context, accumulate, steps, patience } = card.recipe;
  const characters = (0.9 * card.corpus.characters) / train.length;
  const rounds = accumulate > 1 ? `${accumulate} × ` : '';
  const until =
    patience === undefined ? '' : `, or until ${patience} measurements brought nothing new`;
  console.log(
    `Text:   ${card.corpus.name}, ${card.corpus.characters} characters, the last tenth held out.`,
  );
  console.log(
    `Tokens: ${kind}, ${tokenizer.vocabSize} of them; one is ${characters.toFixed(1)} characters of the text, on average.`,
  );
  console.log(
    `Model:  ${model}, ${card.parameters} weights; ${steps} steps of ${rounds}${batch} windows of ${context} tokens${until}.`,
  );
  console.log(trainer.step > 0 ? `        ${trainer.step} of them are done.\n` : '');
}

/** @throws RangeError for a recipe, a text or a saved run that is not allowed. */
export async function runTraining(options: SessionOptions): Promise<void> {
  const session = await prepare(options);
  const { trainer, card, heldOut } = session;
  const { batch, context, accumulate, steps, validateEvery, patience } = card.recipe;
  const { vocabSize } = session.tokenizer;
  announce(session);

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
  const tokensPerStep = batch * context * accumulate;
  const save = () => {
    card.seconds = secondsBefore + elapsed();
    card.tokensSeen = trainer.step * tokensPerStep;
    saveRun(options.name, trainer, card, session.best);
  };
  const bar = new SingleBar({
    format:
      '{bar} {value}/{total} · loss {loss} · held out {heldOut} · {speed} tokens/s · {left} left',
    hideCursor: true,
  });
  let shown = {
    loss: '…',
    heldOut: trainer.curve.validation.at(-1)?.loss.toFixed(3) ?? '…',
    speed: '…',
    left: '…',
  };
  const validate = async (): Promise<number> => {
    const { loss } = await measureLoss(trainer.model, heldOut.subarray(0, glance + 1), {
      context,
      batch: together(context, vocabSize),
    });
    const times = trainer.curve.validation.length + 1;
    if (options.sampleEvery !== undefined && times % options.sampleEvery === 0) {
      const writing = await sampleOf(session, 24, 60);
      bar.stop();
      console.log(`step ${trainer.step} writes: ${JSON.stringify(writing)}`);
      bar.start(steps, trainer.step, shown);
    }
    return loss;
  };
  bar.start(steps, first, shown);
  let finished = false;
  try {
    finished = await trainer.run({
      signal: stop.signal,
      validateEvery,
      patience,
      validate,
      onStep: ({ step, loss }) => {
        const perStep = elapsed() / (step - first);
        const speed = String(Math.round(tokensPerStep / perStep));
        shown = {
          ...shown,
          loss: loss.toFixed(3),
          speed,
          left: duration(perStep * (steps - step)),
        };
        bar.update(step, shown);
      },
      onValidation: ({ step, loss }) => {
        shown.heldOut = loss.toFixed(3);
        if (patience !== undefined && bestOf(trainer.curve.validation)!.step === step)
          session.best = toStateDict(trainer.model.parameters);
        save();
        if (!process.stdout.isTTY)
          console.log(
            `step ${step}: loss ${shown.loss}, held out ${shown.heldOut}, ${shown.speed} tokens/s, ${duration(elapsed())}`,
          );
      },
    });
  } finally {
    bar.stop();
    process.off('SIGINT', onInterrupt);
  }
  if (finished) return finish(session, options.name);
  save();
  console.log(
    `\nStopped after ${trainer.step} of ${steps} steps and saved ${filesOf(options.name).run}. Go on with\n  npm run train -- --resume ${filesOf(options.name).stem}`,
  );
}

/** What the model makes of the beginning of the held-out text. */
async function sampleOf(
  { trainer, tokenizer, card, heldOut }: Session,
  promptTokens: number,
  maxNewTokens: number,
): Promise<string> {
  const prompt = Array.from(heldOut.subarray(0, promptTokens));
  const { tokens } = await generate(trainer.model, [prompt], {
    maxNewTokens,
    temperature: 0.7,
    seed: card.recipe.seed,
  });
  return tokenizer.decode(tokens[0]);
}

async function finish(session: Session, name: string): Promise<void> {
  const { trainer, tokenizer, card, train, heldOut, heldOutBytes } = session;
  const { context, steps } = card.recipe;
  if (trainer.step < steps)
    console.log(
      `\nStopped after ${trainer.step} of ${steps} steps: the held-out text became no easier.`,
    );
  const best = bestOf(trainer.curve.validation);
  if (session.best && best && best.step < trainer.step) {
    loadStateDict(trainer.model.parameters, session.best);
    card.kept = best;
    console.log(
      `\nThe weights of step ${best.step} are kept: ${best.loss.toFixed(3)} on held-out text was the lowest.`,
    );
  }
  const model = await measureLoss(trainer.model, heldOut, {
    context,
    batch: together(context, tokenizer.vocabSize),
    bytes: heldOutBytes,
  });
  const bigram =
    tokenizer.vocabSize > largestBigram
      ? undefined
      : new BigramModel(train, tokenizer.vocabSize).loss(heldOut, { bytes: heldOutBytes });
  card.heldOut = {
    tokens: model.tokens,
    bytes: heldOutBytes,
    context,
    loss: model.loss,
    bitsPerByte: model.bitsPerByte!,
    ...(bigram ? { bigramLoss: bigram.loss, bigramBitsPerByte: bigram.bitsPerByte! } : {}),
  };
  saveModel(name, trainer.model, card);
  removeRun(name);
  console.log(`\nHeld-out text, ${model.tokens} tokens:`);
  console.log(
    `  this model       ${model.loss.toFixed(3)} nats per token, ${model.bitsPerByte!.toFixed(3)} bits per byte`,
  );
  if (bigram)
    console.log(
      `  bigram baseline  ${bigram.loss.toFixed(3)} nats per token, ${bigram.bitsPerByte!.toFixed(3)} bits per byte`,
    );
  console.log(`Saved ${filesOf(name).weights} and ${filesOf(name).card}.\n`);
  const promptTokens = Math.min(heldOut.length, Math.floor(context / 2) || 1);
  console.log(
    `It is given\n  …${tokenizer.decode(heldOut.subarray(0, promptTokens).slice(-60))}\nand goes on (temperature 0.7, as it comes):\n`,
  );
  console.log(await sampleOf(session, promptTokens, 300));
}
