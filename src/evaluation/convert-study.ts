/**
 * What is a Transformer's knowledge worth to a YOCO? The same number of further tokens for models
 * with fresh weights, with those of the notebooks' Transformer, and with that Transformer as
 * teacher.
 *
 *   kind                            self-decoder      weights from        learns from
 *   Transformer goes on             full attention    the Transformer     the text
 *   window                          window of C       a seed              the text
 *   window, converted               window of C       the Transformer     the text
 *   window, converted, distilled    window of C       the Transformer     text and Transformer
 *   window, converted, noise 0.2    window of C       the Transformer,    the text
 *                                                     with noise
 *   window, distilled               window of C       a seed              text and Transformer
 *   window, keys of the top layer   window of C       the Transformer,    the text
 *                                                     K̂, V̂ from its top
 *   and the second to the fourth with gated retention
 *
 * Noise moves each weight by a normal number times 0.2 of the root mean square of its tensor.
 *
 * Compare a converted model with `Transformer goes on`: both have seen all these tokens. Trained
 * weights take a lower learning rate than fresh ones, because large steps destroy what they know.
 */
import type { TransformerConfig } from '../models/config';
import type { LanguageModel } from '../models/language-model';
import { createModel } from '../models/presets';
import { SeededRandom } from '../tensor/random';
import { loadModel } from '../training/checkpoint';
import { readCorpus, splitText } from '../training/corpus';
import { distillation } from '../training/distillation';
import { Trainer } from '../training/trainer';
import { matchingYoco, yocoFromTransformer } from '../weights/from-transformer';
import { loadStateDict, toStateDict } from '../weights/state-dict';
import { measureLoss } from './perplexity';
import { type RunOf, type Study, trainAndMeasure, trainerOptions } from './study';

const start = { start: 'notebooks/models/transformer', windowSize: 64 };
const training = { steps: 100, batch: 4, context: 256, warmUpSteps: 10 };
const rates = { freshRate: 3e-3, convertedRate: 1e-3 };
const teaching = { teachersShare: 0.5, temperature: 2 };
const measuring = { moments: [0, 10, 25, 50, 100], heldOutTokens: 8_192 };
export const convertSettings = { ...start, ...training, ...rates, ...teaching, ...measuring };
type ConvertSettings = typeof convertSettings;

/** `heldOut`: the loss of the held-out text in nats per character, at each of the `moments`. */
export type ConvertRun = RunOf<typeof convertStudy>;

/** The model of a kind before its first step. The caller disposes it. */
export function modelOfKind(
  kind: string,
  transformer: LanguageModel,
  seed: number,
  { windowSize }: { windowSize: number },
): LanguageModel {
  const config = transformer.config as TransformerConfig;
  if (kind === 'Transformer goes on') {
    const copy = createModel(config);
    loadStateDict(copy.parameters, toStateDict(transformer.parameters));
    return copy;
  }
  const yoco = kind.startsWith('window')
    ? matchingYoco(config, { selfDecoder: 'sliding-window', windowSize })
    : matchingYoco(config, { selfDecoder: 'gated-retention' });
  if (kind.includes('keys of the top'))
    return yocoFromTransformer(transformer, yoco, { seed, keysFrom: [config.layers - 1] });
  if (!kind.includes('converted')) return createModel(yoco, { seed });
  const converted = yocoFromTransformer(transformer, yoco, { seed });
  const [, noise] = / noise ([\d.]+)$/.exec(kind) ?? [];
  if (noise !== undefined) addNoise(converted, Number(noise), seed);
  return converted;
}

/** Moves each weight by a normal number times `size` of the root mean square of its tensor. */
function addNoise(model: LanguageModel, size: number, seed: number): void {
  const random = new SeededRandom(seed);
  const weights = toStateDict(model.parameters);
  for (const [name, tensor] of weights) {
    const { data } = tensor;
    let squares = 0;
    for (let i = 0; i < data.length; i++) squares += data[i] ** 2;
    const scale = size * Math.sqrt(squares / data.length);
    const noise = random.normals(data.length);
    weights.set(name, { ...tensor, data: Float32Array.from(data, (x, i) => x + scale * noise[i]) });
  }
  loadStateDict(model.parameters, weights);
}

/** Its batches depend on the seed alone: all kinds read the same text in the same order. */
export function learnerOf(
  kind: string,
  student: LanguageModel,
  teacher: LanguageModel,
  train: Int32Array,
  seed: number,
  settings: ConvertSettings,
): Trainer {
  const { freshRate, convertedRate, teachersShare: alpha, temperature } = settings;
  const isTrained = /converted|keys of the top|Transformer/.test(kind);
  const learningRate = isTrained ? convertedRate : freshRate;
  const options = trainerOptions({ ...settings, learningRate }, seed);
  if (!kind.includes('distilled')) return new Trainer(student, train, options);
  const loss = distillation(teacher, { alpha, temperature });
  return new Trainer(student, train, { ...options, loss });
}

export const convertStudy = {
  name: 'convert',
  about:
    'a YOCO from a trained Transformer, with and without distillation, against one from nothing',
  kinds: [
    'Transformer goes on',
    'window',
    'window, converted',
    'window, converted, distilled',
    'gated retention',
    'gated retention, converted',
    'gated retention, converted, distilled',
    'window, distilled',
    'window, keys of the top layer',
    'window, converted, noise 0.2',
  ],
  settings: convertSettings,
  async run(kind, seed, settings, onStep?) {
    const { context, moments, heldOutTokens } = settings;
    const { model: transformer, tokenizer } = loadModel(settings.start);
    const { train, validation } = splitText(readCorpus().text);
    const text = tokenizer.encode(validation).subarray(0, heldOutTokens + 1);
    const student = modelOfKind(kind, transformer, seed, settings);
    const encoded = tokenizer.encode(train);
    const heldOut: number[] = [];
    try {
      const trainer = learnerOf(kind, student, transformer, encoded, seed, settings);
      const afterStep = async (step: number) => {
        if (!moments.includes(step)) return;
        const { loss } = await measureLoss(student, text, { context });
        heldOut.push(Number(loss.toPrecision(5)));
      };
      const plan = { stepsPerLoss: 10, onStep, afterStep };
      return await trainAndMeasure(trainer, plan, async () => ({ heldOut }));
    } finally {
      transformer.dispose();
    }
  },
} satisfies Study<ConvertSettings>;
