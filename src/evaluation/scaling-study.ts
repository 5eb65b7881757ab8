/**
 * Does YOCO's loss fall with size as a Transformer's does? Five widths, three kinds, the same part of the book.
 *
 * Every model sees the same windows in the same order for the same number of steps, so a larger one costs more in
 * proportion to its size: loss against weights and loss against operations are two views of the same runs. The peak rate
 * falls with the root of the width, as wider models want.
 */
import { trainingFlops } from '../costs/operations';
import { readCorpus, splitText } from '../training/corpus';
import { CharacterTokenizer } from '../training/tokenizer';
import { Trainer, trainerDefaults } from '../training/trainer';
import { type ContestantName, createContestant } from './architectures';
import { measureLoss } from './perplexity';
import { everyFew } from './recall-study';
import type { StudyDefinition, StudyRun } from './study';

export const scalingKinds = [
  'Transformer',
  'YOCO, gated retention',
  'YOCO, window',
] as const satisfies readonly ContestantName[];
export const scalingWidths = [32, 48, 64, 96, 128] as const;
/** A kind at a width, as a name: `YOCO, window, 64 wide`. */
export const atWidth = (kind: string, dim: number): string => `${kind}, ${dim} wide`;

export const scalingSettings = {
  ...{ layers: 4, heads: 2, windowSize: 32, rareCharacters: 10 },
  ...{
    steps: 400,
    batch: 8,
    context: 256,
    learningRateAt64: 4e-3,
    warmUpSteps: 30,
    heldOutTokens: 65_536,
  },
};
export type ScalingSettings = typeof scalingSettings;
export interface ScalingRun extends StudyRun {
  /** Loss of the held-out text, nats per character. */
  loss: number;
  /** Weights without the embedding and the head: what scaling laws count. */
  inner: number;
  /** Operations of all training steps, by formula. */
  flops: number;
  losses: number[];
}

/** One point of the study; a notebook repeats the smallest. */
export async function scalingPoint(
  kind: ContestantName,
  dim: number,
  seed: number,
  settings: ScalingSettings,
  onStep?: (report: { step: number; loss: number }) => void,
): Promise<Omit<ScalingRun, 'kind' | 'seed' | 'seconds' | 'engine'>> {
  const { steps, batch, context, learningRateAt64, warmUpSteps, rareCharacters, heldOutTokens } =
    settings;
  const { train, validation } = splitText(readCorpus().text);
  const tokenizer = CharacterTokenizer.fit(train, rareCharacters);
  const model = createContestant(kind, { ...settings, dim, vocabSize: tokenizer.vocabSize }, seed);
  const trainer = new Trainer(model, tokenizer.encode(train), {
    ...{ ...trainerDefaults, batch, context, seed },
    schedule: {
      peak: learningRateAt64 * Math.sqrt(64 / dim),
      steps,
      warmUpSteps: Math.min(warmUpSteps, steps),
      floor: 0.05,
      decay: 'cosine',
    },
  });
  try {
    await trainer.run({ onStep });
    const { loss } = await measureLoss(
      model,
      tokenizer.encode(validation).subarray(0, heldOutTokens + 1),
      { context },
    );
    const parameters = model.parameters.count;
    const flops = steps * trainingFlops(model.config, context, { batch }).computed;
    return {
      parameters,
      loss,
      inner: parameters - 2 * dim * tokenizer.vocabSize,
      flops,
      losses: everyFew(trainer.curve.losses, 25),
    };
  } finally {
    trainer.dispose();
    model.dispose();
  }
}

export const scalingStudy: StudyDefinition<ScalingSettings, ScalingRun> = {
  name: 'scaling',
  about: 'loss against weights and operations: five widths of three kinds, on the book',
  kinds: scalingWidths.flatMap((dim) => scalingKinds.map((kind) => atWidth(kind, dim))),
  settings: scalingSettings,
  run(name, seed, settings, onStep) {
    const { kind, dim } = fromName(name);
    return scalingPoint(kind as ContestantName, dim, seed, settings, onStep);
  },
};
/** The two halves of `atWidth`. */
export function fromName(name: string): { kind: string; dim: number } {
  const [, kind, dim] = /^(.*), (\d+) wide$/.exec(name) ?? [];
  if (kind === undefined)
    throw new RangeError(
      `scaling: ${JSON.stringify(name)} is no kind at a width; one is ${atWidth(scalingKinds[0], 64)}.`,
    );
  return { kind, dim: Number(dim) };
}
