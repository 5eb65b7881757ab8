/**
 * How to split and place the halves: the paper's table 6 in small, with its two columns.
 *
 * Tokens are letters, and a hit ends a run of five that came before in the window (recall-on-text.ts). Every kind has the same
 * number of weights and sees the same windows of the book.
 */

import { readCorpus, splitText } from '../training/corpus';
import { CharacterTokenizer } from '../training/tokenizer';
import { Trainer, trainerDefaults } from '../training/trainer';
import { recallOnText, runCounts } from './ar-hits';
import { type ContestantName, createContestant } from './architectures';
import { everyFew } from './recall-study';
import type { StudyDefinition, StudyRun } from './study';

export const splitsKinds = [
  'YOCO, gated retention',
  'YOCO 3:1',
  'YOCO 1:3',
  'no self-decoder',
  'interleaved',
  'gated retention only',
  'Transformer',
] as const satisfies readonly ContestantName[];
export const splitsSettings = {
  ...{ dim: 64, heads: 2, layers: 4, windowSize: 32, rareCharacters: 10 },
  ...{
    steps: 400,
    batch: 8,
    context: 256,
    learningRate: 4e-3,
    warmUpSteps: 30,
    order: 5,
    rare: 30,
    heldOutTokens: 114_688,
  },
};
export type SplitsSettings = typeof splitsSettings;
export interface SplitsRun extends StudyRun {
  /** Loss of the held-out text in nats per character: all, those that could be recalled, the others. */
  all: number;
  hit: number;
  first: number;
  share: number;
  losses: number[];
}

export const splitsStudy: StudyDefinition<SplitsSettings, SplitsRun> = {
  name: 'splits',
  about: 'where to cut and how to place the halves: loss on the book, recalled and not',
  kinds: splitsKinds,
  settings: splitsSettings,
  async run(kind, seed, settings, onStep) {
    const {
      steps,
      batch,
      context,
      learningRate: peak,
      warmUpSteps,
      rareCharacters,
      order,
      rare,
      heldOutTokens,
    } = settings;
    const { train, validation } = splitText(readCorpus().text);
    const tokenizer = CharacterTokenizer.fit(train, rareCharacters);
    const tokens = tokenizer.encode(train);
    const model = createContestant(
      kind as ContestantName,
      { ...settings, vocabSize: tokenizer.vocabSize },
      seed,
    );
    const trainer = new Trainer(model, tokens, {
      ...{ ...trainerDefaults, batch, context, seed },
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
      const heldOut = tokenizer.encode(validation).subarray(0, heldOutTokens + 1);
      const measured = recallOnText(model, heldOut, {
        order,
        learned: runCounts(tokens, order),
        rare,
        context,
      });
      return {
        parameters: model.parameters.count,
        ...measured,
        losses: everyFew(trainer.curve.losses, 25),
      };
    } finally {
      trainer.dispose();
      model.dispose();
    }
  },
};
