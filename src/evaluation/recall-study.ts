/**
 * Who can remember what belonged to what? Every kind of model, the same recall task, the same steps.
 *
 * Learned on 4, 8 and 16 pairs, measured on up to 32, which none has seen. The window is 8 tokens, so that even a stack of
 * them does not reach from most questions back to their pair.
 */
import { Trainer, trainerDefaults } from '../training/trainer';
import { type ContestantName, contestantNames, createContestant } from './architectures';
import { answerAccuracy, RecallTask, recallVocabSize } from './recall';
import type { StudyDefinition, StudyRun } from './study';

export const recallSettings = {
  ...{ dim: 64, heads: 2, layers: 2, windowSize: 8 },
  ...{ keys: 32, values: 32, trainedOn: [4, 8, 16], measuredOn: [4, 8, 16, 32] },
  ...{ steps: 1000, batch: 32, learningRate: 3e-3, warmUpSteps: 20 },
};
export interface RecallRun extends StudyRun {
  /** Share of right answers, for each number of pairs in `measuredOn`. */
  accuracy: number[];
  /** Mean loss of every 50 steps, in nats per answer. */
  losses: number[];
}

export const recallStudy: StudyDefinition<typeof recallSettings, RecallRun> = {
  name: 'recall',
  about: 'accuracy against the number of pairs, for every kind of model',
  kinds: contestantNames.slice(0, 8),
  settings: recallSettings,
  async run(kind, seed, settings, onStep) {
    const {
      keys,
      values,
      batch,
      steps,
      learningRate: peak,
      warmUpSteps,
      trainedOn,
      measuredOn,
    } = settings;
    const model = createContestant(
      kind as ContestantName,
      { ...settings, vocabSize: recallVocabSize(settings) },
      seed,
    );
    const task = new RecallTask({ keys, values, batch, pairs: trainedOn, seed });
    const trainer = new Trainer(model, task, {
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
      const accuracy: number[] = [];
      for (const pairs of measuredOn)
        accuracy.push(
          await answerAccuracy(
            model,
            new RecallTask({ keys, values, batch: 32, pairs, seed: 1_000_000 + seed }),
            { batches: 4 },
          ),
        );
      return {
        parameters: model.parameters.count,
        accuracy,
        losses: everyFew(trainer.curve.losses, 50),
      };
    } finally {
      trainer.dispose();
      model.dispose();
    }
  },
};

/** Means of `few` numbers each, to four digits. */
export function everyFew(numbers: readonly number[], few: number): number[] {
  return Array.from({ length: Math.ceil(numbers.length / few) }, (_, i) => {
    const group = numbers.slice(i * few, (i + 1) * few);
    return Number((group.reduce((sum, x) => sum + x, 0) / group.length).toPrecision(4));
  });
}
