/**
 * Does YOCO's loss fall with size as a Transformer's does? Five widths, two kinds, one book.
 *
 * Every model reads as many windows of the book for the same number of steps, so a larger model
 * costs more operations: loss against weights and loss against operations are two views of the
 * same runs. A seed draws the initial weights and the windows. The peak learning rate falls with
 * the square root of the width, from the rate that is best for the kind (rates-study.ts).
 */
import { trainingFlops } from '../costs/operations';
import type { ArchitectureName } from './architectures';
import { measureLoss } from './perplexity';
import { bookInCharacters, newTrainer, type RunOf, type Study, trainAndMeasure } from './study';

export const scalingKinds = [
  'Transformer',
  'YOCO, gated retention',
] as const satisfies readonly ArchitectureName[];
export const scalingWidths = [16, 24, 32, 48, 64] as const;

const sizes = { layers: 4, heads: 2, windowSize: 32, rareCharacters: 10 };
const training = { steps: 300, batch: 8, context: 128, warmUpSteps: 30, heldOutTokens: 32_768 };
/** All that decides the loss of a model, apart from its kind, its width and its rate. */
export const scalingBudget = { ...sizes, ...training };
export type ScalingBudget = typeof scalingBudget;

/** The peak learning rate of a kind, at a width of 64: the best of `npm run study -- rates`. */
const learningRateAt64: Record<string, number> = {
  Transformer: 16e-3,
  'YOCO, gated retention': 8e-3,
};
export const scalingSettings = { ...scalingBudget, learningRateAt64 };

/**
 * `loss` of the held-out text in nats per character; `inner`: weights without the embedding and the
 * head, which scaling laws count; `flops`: operations of all training steps, by formula.
 */
export type ScalingRun = RunOf<typeof scalingStudy>;

/** The name of a kind at a width: `Transformer, 64 wide`. */
export const atWidth = (kind: string, dim: number): string => `${kind}, ${dim} wide`;

/** The kind and the width in a name that `atWidth` made. @throws RangeError for other names. */
export function fromName(name: string): { kind: string; dim: number } {
  const [, kind, dim] = /^(.*), (\d+) wide$/.exec(name) ?? [];
  if (kind === undefined)
    throw new RangeError(`"${name}" is not a kind at a width; give one like Transformer, 64 wide.`);
  return { kind, dim: Number(dim) };
}

/** Trains one model on the book and measures it on the held-out part. */
export function trainOnBook(
  { kind, dim, rateAt64 }: { kind: string; dim: number; rateAt64: number },
  seed: number,
  budget: ScalingBudget,
  onStep?: Parameters<Study<ScalingBudget>['run']>[3],
) {
  const { steps, batch, context } = budget;
  const { vocabSize, train, heldOut } = bookInCharacters(budget);
  const learningRate = rateAt64 * Math.sqrt(64 / dim);
  const trainer = newTrainer(kind, train, { ...budget, dim, vocabSize, learningRate }, seed);
  const { model } = trainer;
  return trainAndMeasure(trainer, { stepsPerLoss: 25, onStep }, async () => {
    const { loss } = await measureLoss(model, heldOut, { context });
    const inner = model.parameters.count - 2 * dim * vocabSize;
    const flops = steps * trainingFlops(model.config, context, { batch }).computed;
    return { loss, inner, flops };
  });
}

export const scalingStudy = {
  name: 'scaling',
  about: 'loss against weights and operations: five widths of two kinds, on the book',
  kinds: scalingWidths.flatMap((dim) => scalingKinds.map((kind) => atWidth(kind, dim))),
  settings: scalingSettings,
  run(name, seed, settings, onStep?) {
    const { kind, dim } = fromName(name);
    const rateAt64 = settings.learningRateAt64[kind];
    return trainOnBook({ kind, dim, rateAt64 }, seed, settings, onStep);
  },
} satisfies Study<typeof scalingSettings>;
