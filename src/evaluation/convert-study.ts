/**
 * What is a Transformer's knowledge worth to a YOCO? The same number of further tokens for models that start from nothing,
 * from the notebooks' Transformer, and from it with the Transformer as teacher.
 *
 *   kind                              lower half          starts from                    learns from
 *   Transformer goes on               full attention      itself                         the text
 *   window                            window of C         nothing                        the text
 *   window, converted                 window of C         the Transformer                the text
 *   window, converted, distilled      window of C         the Transformer                the text and the Transformer
 *   window, distilled                 window of C         nothing                        the text and the Transformer
 *   window, keys of the top layer     window of C         the same, K̂V̂ from its top     the text
 *   and the first four again with gated retention below
 *
 * `Transformer goes on` is the fair rival of a converted model: it too has seen all those tokens. The converted ones learn
 * at a lower rate than those from nothing, since a step that suits fresh weights tears trained ones down; both rates are in
 * the settings.
 */
import type { TransformerConfig } from '../models/config';
import { createModel } from '../models/create-model';
import type { LanguageModel } from '../models/language-model';
import { Batches } from '../training/batches';
import { loadModel } from '../training/checkpoint';
import { readCorpus, splitText } from '../training/corpus';
import { Distiller } from '../training/distillation';
import { Trainer, trainerDefaults } from '../training/trainer';
import { matchingYoco, yocoFromTransformer } from '../weights/from-transformer';
import { loadStateDict, toStateDict } from '../weights/state-dict';
import { measureLoss } from './perplexity';
import { everyFew } from './recall-study';
import type { StudyDefinition, StudyRun } from './study';

export const convertSettings = {
  ...{ start: 'notebooks/models/transformer', windowSize: 64 },
  ...{ steps: 100, batch: 4, context: 256, warmUpSteps: 10, freshRate: 3e-3, convertedRate: 1e-3 },
  ...{ teachersShare: 0.5, temperature: 2 },
  ...{ moments: [0, 10, 25, 50, 100], heldOutTokens: 8_192 },
};
export type ConvertSettings = typeof convertSettings;
export interface ConvertRun extends StudyRun {
  /** Loss of the held-out text after so many steps as `moments` says, in nats per character. */
  heldOut: number[];
  /** Mean loss of every 10 steps: with a teacher, the mixed one. */
  losses: number[];
}

export const convertKinds = [
  'Transformer goes on',
  'window',
  'window, converted',
  'window, converted, distilled',
  'gated retention',
  'gated retention, converted',
  'gated retention, converted, distilled',
  'window, distilled',
  'window, keys of the top layer',
] as const;

/** The model of this kind before its first step, beside the Transformer that it comes from. The caller disposes it. */
export function modelOfKind(
  kind: string,
  transformer: LanguageModel,
  seed: number,
  { windowSize }: Pick<ConvertSettings, 'windowSize'>,
): LanguageModel {
  const config = transformer.config as TransformerConfig;
  if (kind === 'Transformer goes on') return copyOf(transformer);
  const lower = kind.startsWith('window')
    ? ({ selfDecoder: 'sliding-window', windowSize } as const)
    : ({ selfDecoder: 'gated-retention' } as const);
  const yoco = matchingYoco(config, lower);
  if (kind.includes('keys of the top'))
    return yocoFromTransformer(transformer, yoco, { seed, keysFrom: [config.layers - 1] });
  return kind.includes('converted')
    ? yocoFromTransformer(transformer, yoco, { seed })
    : createModel(yoco, { seed });
}

export const convertStudy: StudyDefinition<ConvertSettings, ConvertRun> = {
  name: 'convert',
  about:
    'a YOCO from a trained Transformer, with and without distillation, against one from nothing',
  kinds: convertKinds,
  settings: convertSettings,
  async run(kind, seed, settings, onStep) {
    const { model: transformer, tokenizer } = loadModel(settings.start);
    const split = splitText(readCorpus().text);
    const [train, heldOut] = [
      tokenizer.encode(split.train),
      tokenizer.encode(split.validation).subarray(0, settings.heldOutTokens + 1),
    ];
    const student = modelOfKind(kind, transformer, seed, settings);
    const learner = learnerOf(kind, student, transformer, train, seed, settings);
    const measured: number[] = [];
    const losses: number[] = [];
    const measure = async (): Promise<number> =>
      measured.push(
        rounded((await measureLoss(student, heldOut, { context: settings.context })).loss),
      );
    try {
      if (settings.moments.includes(0)) await measure();
      for (let step = 1; step <= settings.steps; step++) {
        const report = await learner.takeStep();
        losses.push(report.loss);
        onStep?.(report);
        if (settings.moments.includes(step)) await measure();
      }
      return {
        parameters: student.parameters.count,
        heldOut: measured,
        losses: everyFew(losses, 10),
      };
    } finally {
      learner.dispose();
      student.dispose();
      transformer.dispose();
    }
  },
};
const rounded = (x: number): number => Number(x.toPrecision(5));

/** What takes the steps. The windows depend on the seed alone: all kinds with one seed read the same text in the same order. */
export function learnerOf(
  kind: string,
  student: LanguageModel,
  teacher: LanguageModel,
  train: Int32Array,
  seed: number,
  settings: ConvertSettings,
): Trainer | Distiller {
  const {
    steps,
    batch,
    context,
    warmUpSteps,
    freshRate,
    convertedRate,
    teachersShare: share,
    temperature,
  } = settings;
  const peak =
    kind.includes('converted') || kind.includes('keys of the top') || kind.startsWith('Transformer')
      ? convertedRate
      : freshRate;
  const schedule = {
    peak,
    steps,
    warmUpSteps: Math.min(warmUpSteps, steps),
    floor: 0.05,
    decay: 'cosine' as const,
  };
  const options = { ...trainerDefaults, schedule };
  const windows = { batch, context, seed };
  return kind.includes('distilled')
    ? new Distiller(student, teacher, new Batches(train, windows), {
        ...options,
        share,
        temperature,
      })
    : new Trainer(student, train, { ...options, ...windows });
}

/** Another Transformer with the same weights. */
function copyOf(transformer: LanguageModel): LanguageModel {
  const copy = createModel(transformer.config);
  loadStateDict(copy.parameters, toStateDict(transformer.parameters));
  return copy;
}
