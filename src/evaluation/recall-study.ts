/**
 * Which models can recall what belonged to what? Every kind, the same task, the same steps.
 *
 * They learn with 4, 8 and 16 pairs and are measured with up to 32. The window is 8 tokens, so that
 * even two layers of windows do not reach from most questions back to their pair.
 */
import { architectureNames } from './architectures';
import { answerAccuracy, RecallTask, recallVocabSize } from './recall';
import { newTrainer, type RunOf, type Study, trainAndMeasure } from './study';

const sizes = { dim: 64, heads: 2, layers: 2, windowSize: 8 };
const tasks = { keys: 32, values: 32, trainedOn: [4, 8, 16], measuredOn: [4, 8, 16, 32] };
const training = { steps: 1000, batch: 32, learningRate: 3e-3, warmUpSteps: 20 };
export const recallSettings = { ...sizes, ...tasks, ...training };

/** `accuracy`: the share of right answers for each number of pairs in `measuredOn`. */
export type RecallRun = RunOf<typeof recallStudy>;

export const recallStudy = {
  name: 'recall',
  about: 'accuracy against the number of pairs, for every kind of model',
  kinds: architectureNames.slice(0, 8),
  settings: recallSettings,
  run(kind, seed, settings, onStep?) {
    const { keys, values, batch, trainedOn, measuredOn } = settings;
    const task = new RecallTask({ keys, values, batch, pairs: trainedOn, seed });
    const given = { ...settings, vocabSize: recallVocabSize(settings), weightDecay: 0.01 };
    const trainer = newTrainer(kind, task, given, seed);
    return trainAndMeasure(trainer, { stepsPerLoss: 50, onStep }, async () => {
      const accuracy: number[] = [];
      for (const pairs of measuredOn) {
        const test = { keys, values, batch: 32, pairs, seed: 1_000_000 + seed };
        accuracy.push(await answerAccuracy(trainer.model, new RecallTask(test)));
      }
      return { accuracy };
    });
  },
} satisfies Study<typeof recallSettings>;
