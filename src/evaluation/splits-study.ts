/**
 * How to split and place the halves: the paper's table 6 in small, with its two columns.
 *
 * Tokens are characters, and an AR hit ends a run of five that came before in the window
 * (ar-hits.ts). Every kind has the same number of weights and reads the same windows of the book.
 */
import { countNgrams, measureArHits } from './ar-hits';
import type { ArchitectureName } from './architectures';
import { bookInCharacters, newTrainer, type RunOf, type Study, trainAndMeasure } from './study';

const splitsKinds: readonly ArchitectureName[] = [
  'YOCO, gated retention',
  'YOCO 3:1',
  'YOCO 1:3',
  'no self-decoder',
  'interleaved',
  'gated retention only',
  'Transformer',
];
const sizes = { dim: 64, heads: 2, layers: 4, windowSize: 32, rareCharacters: 10 };
const training = { steps: 400, batch: 8, context: 256, learningRate: 4e-3, warmUpSteps: 30 };
const measuring = { order: 5, rare: 30, heldOutTokens: 114_688 };
export const splitsSettings = { ...sizes, ...training, ...measuring };

/**
 * Losses of the held-out text in nats per character: `all`, the AR hits (`hit`) and the others
 * (`first`); `share` of the characters that are AR hits.
 */
export type SplitsRun = RunOf<typeof splitsStudy>;

export const splitsStudy = {
  name: 'splits',
  about: 'where to cut and how to place the halves: loss on the book, recalled and not',
  kinds: splitsKinds,
  settings: splitsSettings,
  run(kind, seed, settings, onStep?) {
    const { context, order, rare } = settings;
    const { vocabSize, train, heldOut } = bookInCharacters(settings);
    const trainer = newTrainer(kind, train, { ...settings, vocabSize }, seed);
    return trainAndMeasure(trainer, { stepsPerLoss: 25, onStep }, async () => {
      const rule = { order, trainCounts: countNgrams(train, order), maxTrainCount: rare };
      const loss = await measureArHits(trainer.model, heldOut, { ...rule, context });
      return { all: loss.all, hit: loss.arHit, first: loss.firstOccurrence, share: loss.share };
    });
  },
} satisfies Study<typeof splitsSettings>;
