/**
 * Who finds the needle? Every kind of model, the same lessons, then needles at any depth, in texts up to four times as long
 * as any it has learned on, and several needles at once.
 *
 * Two lessons: cities and numbers alone (needle.ts says why), then needles in texts of up to 256 words.
 */

import { inStages } from '../training/batches';
import { readCorpus, splitText } from '../training/corpus';
import { type TrainableModel, Trainer, trainerDefaults } from '../training/trainer';
import { type ContestantName, contestantNames, createContestant } from './architectures';
import { bareNeedles, NeedleTask, NeedleVocabulary } from './needle';
import { answerAccuracy } from './recall';
import { everyFew } from './recall-study';
import type { StudyDefinition, StudyRun } from './study';

export const needleSettings = {
  ...{ dim: 64, heads: 2, layers: 2, windowSize: 16, commonWords: 200 },
  ...{ bareSteps: 500, barePairs: [4, 8, 16], bareBatch: 32 },
  ...{
    steps: 900,
    trainedLengths: [112, 176, 256],
    trainedNeedles: [2, 4, 8],
    batch: 16,
    learningRate: 3e-3,
    warmUpSteps: 20,
  },
  ...{
    lengths: [64, 128, 256, 512, 1024],
    depths: [0, 0.25, 0.5, 0.75, 1],
    rows: 32,
    needles: [1, 2, 4, 8],
    needlesLength: 256,
  },
};
export type NeedleSettings = typeof needleSettings;
export interface NeedleRun extends StudyRun {
  /** Share found with one needle: [depth][length]. */
  found: number[][];
  /** Share of right answers with so many needles in a text of `needlesLength`. */
  several: number[];
  losses: number[];
}

/** The words of the study: the book's, from the part that may be learned from. */
export const needleVocabulary = ({
  commonWords,
}: Pick<NeedleSettings, 'commonWords'>): NeedleVocabulary =>
  new NeedleVocabulary(splitText(readCorpus().text).train, commonWords);

/** What a model is taught, in its two stages. */
export const needleLessons = (vocabulary: NeedleVocabulary, seed: number, s: NeedleSettings) =>
  inStages([
    {
      source: bareNeedles(vocabulary, { pairs: s.barePairs, batch: s.bareBatch, seed }),
      steps: s.bareSteps,
    },
    {
      source: new NeedleTask(vocabulary, {
        length: s.trainedLengths,
        needles: s.trainedNeedles,
        batch: s.batch,
        seed,
      }),
      steps: s.steps - s.bareSteps,
    },
  ]);

/** One needle, [depth][length]: the share of `rows` texts in which its number is the model's first choice. */
export async function needleMap(
  model: TrainableModel,
  vocabulary: NeedleVocabulary,
  {
    lengths,
    depths,
    rows,
    seed,
  }: { lengths: readonly number[]; depths: readonly number[]; rows: number; seed: number },
): Promise<number[][]> {
  const found: number[][] = [];
  for (const depth of depths) {
    const row: number[] = [];
    for (const length of lengths) {
      const batch = length > 512 ? 4 : 16;
      const task = new NeedleTask(vocabulary, {
        length,
        needles: 1,
        depth,
        batch,
        seed: 1_000_000 + seed,
      });
      row.push(await answerAccuracy(model, task, { batches: Math.ceil(rows / batch) }));
    }
    found.push(row);
  }
  return found;
}

export const needleStudy: StudyDefinition<NeedleSettings, NeedleRun> = {
  name: 'needle',
  about: 'needles found by depth and length, and several at once, for every kind of model',
  kinds: contestantNames.slice(0, 8),
  settings: needleSettings,
  async run(kind, seed, settings, onStep) {
    const vocabulary = needleVocabulary(settings);
    const model = createContestant(
      kind as ContestantName,
      { ...settings, vocabSize: vocabulary.size },
      seed,
    );
    const {
      steps,
      warmUpSteps,
      learningRate: peak,
      batch,
      needles,
      needlesLength: length,
      rows,
    } = settings;
    const trainer = new Trainer(model, needleLessons(vocabulary, seed, settings), {
      ...{ ...trainerDefaults, weightDecay: 0.01, batch, context: 1, seed },
      schedule: {
        peak,
        steps,
        warmUpSteps: Math.min(warmUpSteps, steps),
        floor: 0.05,
        decay: 'cosine',
      },
    });
    try {
      await trainer.run({ onStep });
      const found = await needleMap(model, vocabulary, { ...settings, seed });
      const several: number[] = [];
      for (const count of needles) {
        const task = new NeedleTask(vocabulary, {
          length,
          needles: count,
          batch: 16,
          seed: 2_000_000 + seed,
        });
        several.push(await answerAccuracy(model, task, { batches: Math.ceil(rows / 16) }));
      }
      return {
        parameters: model.parameters.count,
        found,
        several,
        losses: everyFew(trainer.curve.losses, 50),
      };
    } finally {
      trainer.dispose();
      model.dispose();
    }
  },
};
