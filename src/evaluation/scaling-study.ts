/**
 * Does YOCO's loss fall with size as a Transformer's does? Five widths, three kinds, one book.
 *
 * Every model reads the same windows in the same order for the same number of steps, so a larger
 * model costs more operations: loss against weights and loss against operations are two views of
 * the same runs. The peak learning rate falls with the square root of the width.
 */
import { trainingFlops } from '../costs/operations';
import type { ArchitectureName } from './architectures';
import { measureLoss } from './perplexity';
import { bookInCharacters, newTrainer, type RunOf, type Study, trainAndMeasure } from './study';

export const scalingKinds = [
  'Transformer',
  'YOCO, gated retention',
  'YOCO, window',
] as const satisfies readonly ArchitectureName[];
export const scalingWidths = [32, 48, 64, 96, 128] as const;

const sizes = { layers: 4, heads: 2, windowSize: 32, rareCharacters: 10 };
const training = { steps: 400, batch: 8, context: 256, learningRateAt64: 4e-3, warmUpSteps: 30 };
export const scalingSettings = { ...sizes, ...training, heldOutTokens: 65_536 };

/**
 * `loss` of the held-out text in nats per character; `inner`: weights without the embedding and the
 * head, which scaling laws count; `flops`: operations of all training steps, by formula.
 */
export type ScalingRun = RunOf<typeof scalingStudy>;

/** The name of a kind at a width: `YOCO, window, 64 wide`. */
export const atWidth = (kind: string, dim: number): string => `${kind}, ${dim} wide`;

/** The kind and the width in a name that `atWidth` made. @throws RangeError for other names. */
export function fromName(name: string): { kind: string; dim: number } {
  const [, kind, dim] = /^(.*), (\d+) wide$/.exec(name) ?? [];
  if (kind === undefined)
    throw new RangeError(`"${name}" is not a kind at a width; give one like Transformer, 64 wide.`);
  return { kind, dim: Number(dim) };
}

export const scalingStudy = {
  name: 'scaling',
  about: 'loss against weights and operations: five widths of three kinds, on the book',
  kinds: scalingWidths.flatMap((dim) => scalingKinds.map((kind) => atWidth(kind, dim))),
  settings: scalingSettings,
  run(name, seed, settings, onStep?) {
    const { kind, dim } = fromName(name);
    const { steps, batch, context, learningRateAt64 } = settings;
    const { vocabSize, train, heldOut } = bookInCharacters(settings);
    const learningRate = learningRateAt64 * Math.sqrt(64 / dim);
    const trainer = newTrainer(kind, train, { ...settings, dim, vocabSize, learningRate }, seed);
    const { model } = trainer;
    return trainAndMeasure(trainer, { stepsPerLoss: 25, onStep }, async () => {
      const { loss } = await measureLoss(model, heldOut, { context });
      const inner = model.parameters.count - 2 * dim * vocabSize;
      const flops = steps * trainingFlops(model.config, context, { batch }).computed;
      return { loss, inner, flops };
    });
  },
} satisfies Study<typeof scalingSettings>;
