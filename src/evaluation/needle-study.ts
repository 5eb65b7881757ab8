/**
 * Which models find the needle? Every kind takes the same lessons. Then needles lie at any depth,
 * in texts up to four times as long as those of the lessons, and several at once.
 *
 * There are two lessons: cities and numbers alone (needle.ts says why), then needles in texts of up
 * to 256 words.
 */
import { inStages } from '../training/batches';
import { readCorpus, splitText } from '../training/corpus';
import { architectureNames } from './architectures';
import { keyValueWarmup, NeedleTask, NeedleVocabulary } from './needle';
import type { ForwardModel } from './perplexity';
import { answerAccuracy } from './recall';
import { newTrainer, type RunOf, type Study, trainAndMeasure } from './study';

const sizes = { dim: 64, heads: 2, layers: 2, windowSize: 16, commonWords: 200 };
const warmup = { bareSteps: 500, barePairs: [4, 8, 16], bareBatch: 32 };
const lessons = { steps: 900, trainedLengths: [112, 176, 256], trainedNeedles: [2, 4, 8] };
const training = { batch: 16, learningRate: 3e-3, warmUpSteps: 20 };
const grid = { lengths: [64, 128, 256, 512, 1024], depths: [0, 0.25, 0.5, 0.75, 1], rows: 32 };
const many = { needles: [1, 2, 4, 8], needlesLength: 256 };
/** `steps` are those of both lessons together. */
export const needleSettings = { ...sizes, ...warmup, ...lessons, ...training, ...grid, ...many };
export type NeedleSettings = typeof needleSettings;

/**
 * `found`: the share found with one needle, [depth][length]; `several`: the share of right answers
 * with several needles, for each count in `needles`.
 */
export type NeedleRun = RunOf<typeof needleStudy>;

/** The words of the study, from the training part of the book. */
export function needleVocabulary({ commonWords }: { commonWords: number }): NeedleVocabulary {
  return new NeedleVocabulary(splitText(readCorpus().text).train, commonWords);
}

/** The two lessons of a model. */
export function needleLessons(vocabulary: NeedleVocabulary, seed: number, s: NeedleSettings) {
  const pairs = { pairs: s.barePairs, batch: s.bareBatch, seed };
  const needles = { length: s.trainedLengths, needles: s.trainedNeedles, batch: s.batch, seed };
  return inStages([
    { source: keyValueWarmup(vocabulary, pairs), steps: s.bareSteps },
    { source: new NeedleTask(vocabulary, needles), steps: s.steps - s.bareSteps },
  ]);
}

/** The share of `rows` texts in which the model finds the one needle, [depth][length]. */
export async function needleMap(
  model: ForwardModel,
  vocabulary: NeedleVocabulary,
  options: Pick<NeedleSettings, 'lengths' | 'depths' | 'rows'> & { seed: number },
): Promise<number[][]> {
  const { lengths, depths, rows } = options;
  const seed = 1_000_000 + options.seed;
  const found: number[][] = [];
  for (const depth of depths) {
    const ofDepth: number[] = [];
    for (const length of lengths) {
      const batch = length > 512 ? 4 : 16;
      const task = new NeedleTask(vocabulary, { length, needles: 1, depth, batch, seed });
      ofDepth.push(await answerAccuracy(model, task, Math.ceil(rows / batch)));
    }
    found.push(ofDepth);
  }
  return found;
}

export const needleStudy = {
  name: 'needle',
  about: 'needles found by depth and length, and several at once, for every kind of model',
  kinds: architectureNames.slice(0, 8),
  settings: needleSettings,
  run(kind, seed, settings, onStep?) {
    const { needles, needlesLength: length, rows } = settings;
    const vocabulary = needleVocabulary(settings);
    const given = { ...settings, vocabSize: vocabulary.size, weightDecay: 0.01 };
    const trainer = newTrainer(kind, needleLessons(vocabulary, seed, settings), given, seed);
    return trainAndMeasure(trainer, { stepsPerLoss: 50, onStep }, async () => {
      const found = await needleMap(trainer.model, vocabulary, { ...settings, seed });
      const several: number[] = [];
      for (const count of needles) {
        const test = { length, needles: count, batch: 16, seed: 2_000_000 + seed };
        const task = new NeedleTask(vocabulary, test);
        several.push(await answerAccuracy(trainer.model, task, Math.ceil(rows / 16)));
      }
      return { found, several };
    });
  },
} satisfies Study<NeedleSettings>;
