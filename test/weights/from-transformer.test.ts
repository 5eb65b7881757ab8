/** A converted model computes what the old one did, as far as the two architectures agree; and a student learns what its teacher says. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type TransformerConfig,
  transformerConfig,
  type YocoConfig,
} from '../../src/models/config';
import { Transformer } from '../../src/models/transformer';
import type { Yoco } from '../../src/models/yoco';
import { Batches } from '../../src/training/batches';
import { Distiller, distillationLoss } from '../../src/training/distillation';
import { Trainer, trainerDefaults } from '../../src/training/trainer';
import {
  type ConversionOptions,
  conversionPlan,
  matchingYoco,
  yocoFromTransformer,
} from '../../src/weights/from-transformer';
import { loadStateDict, toStateDict } from '../../src/weights/state-dict';
import { interleavedPairs, resizedHeads } from '../../src/weights/weight-conversion';
import { expectClose, leakedBy, normal, SeededRandom, useTestEngine } from '../helpers';

beforeAll(useTestEngine);

const shape = { vocabSize: 19, dim: 24, ffnDim: 20, heads: 4, kvHeads: 2, headDim: 6, layers: 4 };
const N = 12;
const tokens = [0, 1].map((row) => Array.from({ length: N }, (_, i) => (i * 7 + row * 5) % 19));
/** Norm weights are 1 in a new model; a mapping that forgets one must not get away with it. */
function transformerOf(more: Partial<TransformerConfig> = {}, seed = 3): Transformer {
  const model = new Transformer(transformerConfig({ ...shape, ...more }), { seed });
  const random = new SeededRandom(77);
  for (const { kind, variable } of model.parameters.all())
    if (kind === 'vector')
      tf.tidy(() =>
        variable.assign(tf.tensor(random.uniforms(variable.size, 0.5, 1.5), variable.shape)),
      );
  return model;
}
const windowed = { selfDecoder: 'sliding-window', windowSize: N } as const;
type Hidden = Record<string, tf.Tensor3D>;
function hiddenOf(model: Transformer | Yoco): Hidden {
  const seen: Hidden = {};
  seen.logits = model.logits(tokens, (name, x) => {
    seen[name] = tf.keep(x.clone());
  });
  return seen;
}
/** Layers that agree, from the bottom up, to rounding. */
function layersThatAgree(transformer: Transformer, yoco: Yoco): string[] {
  const [old, fresh] = [hiddenOf(transformer), hiddenOf(yoco)];
  const below = yoco.config.selfLayers;
  const pairs = Array.from({ length: 4 }, (_, i): [string, string] => [
    `layers.${i}`,
    i < below ? `self.${i}` : `cross.${i - below}`,
  ]);
  const all: [string, string][] = [['embed', 'embed'], ...pairs, ['logits', 'logits']];
  const agree = all.filter(
    ([a, b]) =>
      tf.tidy(() => old[a].sub(fresh[b]).abs().max().div(old[a].abs().max()).dataSync()[0]) < 1e-5,
  );
  tf.dispose([old, fresh]);
  return agree.map(([a]) => a);
}
function agreement(
  more: Partial<TransformerConfig>,
  lower: Partial<YocoConfig>,
  options: ConversionOptions = {},
): string[] {
  const transformer = transformerOf(more);
  const yoco = yocoFromTransformer(
    transformer,
    matchingYoco(transformer.config, { ...windowed, ...lower }),
    options,
  );
  const agree = layersThatAgree(transformer, yoco);
  transformer.dispose();
  yoco.dispose();
  return agree;
}
const upToTheFirstAbove = ['embed', 'layers.0', 'layers.1', 'layers.2'];

describe('with a window that holds the text', () => {
  it('the lower half and the first layer above compute what the Transformer did', () => {
    expect(agreement({}, {})).toEqual(upToTheFirstAbove);
  });
  it.each([1, 2, 4])('for %i key heads', (kvHeads) => {
    expect(agreement({ kvHeads }, {})).toEqual(upToTheFirstAbove);
  });
  it('with more key heads above than the Transformer has, and without the √dim', () => {
    expect(agreement({}, { kvHeads: 4, embeddingScale: false })).toEqual(upToTheFirstAbove);
  });
  it('a single upper layer loses nothing: the whole model is the Transformer, tied or not', () => {
    for (const tiedEmbeddings of [false, true])
      expect(agreement({ tiedEmbeddings }, { selfLayers: 3 })).toEqual([
        'embed',
        'layers.0',
        'layers.1',
        'layers.2',
        'layers.3',
        'logits',
      ]);
  });
  it('the mean over two layers of whom both are the same one is that one', () => {
    expect(agreement({}, {}, { keysFrom: [2, 2] })).toEqual(upToTheFirstAbove);
  });
});

describe('can it fail?', () => {
  it('a window one token short', () => {
    expect(agreement({}, { windowSize: N - 1 })).toEqual(['embed']);
  });
  it('keys of another layer, or fewer key heads: right up to the middle', () => {
    expect(agreement({}, {}, { keysFrom: [3] })).toEqual(['embed', 'layers.0', 'layers.1']);
    expect(agreement({}, {}, { keysFrom: [2, 3] })).toEqual(['embed', 'layers.0', 'layers.1']);
    expect(agreement({}, { kvHeads: 1 })).toEqual(['embed', 'layers.0', 'layers.1']);
  });
  it('other frequencies: only the embedding is left', () => {
    expect(agreement({}, { rotaryFrequencies: 'end-point' })).toEqual(['embed']);
  });
  it('rotary pairs left in halves', () => {
    const transformer = transformerOf();
    const yoco = yocoFromTransformer(transformer, matchingYoco(transformer.config, windowed));
    const weights = toStateDict(yoco.parameters);
    weights.set(
      'self_decoder.layers.0.mixer.q_proj.weight',
      toStateDict(transformer.parameters).get('layers.0.attention.wq.weight')!,
    );
    loadStateDict(yoco.parameters, weights);
    expect(layersThatAgree(transformer, yoco)).toEqual(['embed']);
    transformer.dispose();
    yoco.dispose();
  });
});

describe('the rows of a weight', () => {
  const rows = (values: number[]) => ({
    dtype: 'F32' as const,
    shape: [values.length, 1],
    data: Float32Array.from(values),
  });
  it('halves become neighbours, head by head', () => {
    expect([...interleavedPairs(rows([0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15]), 2).data]).toEqual(
      [0, 3, 1, 4, 2, 5, 10, 13, 11, 14, 12, 15],
    );
  });
  it('heads are repeated, or become the mean of their neighbours', () => {
    expect([...resizedHeads(rows([1, 2, 3, 4]), 2, 4).data]).toEqual([1, 2, 1, 2, 3, 4, 3, 4]);
    expect([...resizedHeads(rows([1, 2, 3, 4, 10, 20, 30, 40]), 4, 2).data]).toEqual([
      2, 3, 20, 30,
    ]);
    expect(() => resizedHeads(rows([1, 2, 3, 4, 5, 6]), 3, 2)).toThrow(/3 heads cannot become 2/);
  });
});

describe('what is carried over', () => {
  it('gated retention takes q, k, v, o; its two gates are fresh, and differ with the seed', () => {
    const transformer = transformerOf();
    const config = matchingYoco(transformer.config, { selfDecoder: 'gated-retention' });
    const planned = new Set(conversionPlan(transformer.config, config).map(({ to }) => to));
    const [a, b] = [1, 2].map((seed) => yocoFromTransformer(transformer, config, { seed }));
    const [one, two] = [toStateDict(a.parameters), toStateDict(b.parameters)];
    const different = [...one]
      .filter(([name, { data }]) => data.some((x, i) => x !== two.get(name)!.data[i]))
      .map(([name]) => name);
    const gates = [0, 1].flatMap((i) =>
      ['g_proj', 'gt_proj'].map((gate) => `self_decoder.layers.${i}.mixer.${gate}.weight`),
    );
    expect(different).toEqual(gates);
    expect([...one.keys()].filter((name) => !planned.has(name))).toEqual(gates);
    for (const model of [transformer, a, b]) model.dispose();
  });
  it('all of the Transformer has a place but the keys and values of the other upper layers', () => {
    const transformer = transformerOf();
    const used = new Set(
      conversionPlan(transformer.config, matchingYoco(transformer.config, windowed)).flatMap(
        ({ from }) => from,
      ),
    );
    expect(
      [...toStateDict(transformer.parameters).keys()].filter((name) => !used.has(name)),
    ).toEqual(['layers.3.attention.wk.weight', 'layers.3.attention.wv.weight']);
    transformer.dispose();
  });
  it('nothing is left behind but the new model', () => {
    const transformer = transformerOf();
    expect(
      leakedBy(() =>
        yocoFromTransformer(transformer, matchingYoco(transformer.config, windowed)).dispose(),
      ),
    ).toBe(0);
    transformer.dispose();
  });
  it('refuses what does not fit, and says what would', () => {
    const transformer = transformerOf();
    const fits = matchingYoco(transformer.config, windowed);
    const convert = (more: Partial<YocoConfig>, options: ConversionOptions = {}) =>
      yocoFromTransformer(transformer, { ...fits, ...more }, options);
    expect(() => convert({ ffnDim: 21 })).toThrow(
      /ffnDim is 20 in the Transformer, but 21 in the YOCO; matchingYoco/,
    );
    expect(() => convert({ selfLayers: 1 })).toThrow(/4 layers, the YOCO 1 \+ 2/);
    expect(() => convert({ selfLayers: 4, crossLayers: 0 })).toThrow(/1 or more of them above/);
    expect(() => convert({ selfHeads: 2 })).toThrow(/selfHeads is 2, .* give 4/);
    expect(() => convert({}, { keysFrom: [4] })).toThrow(
      /keysFrom is \[4\]; name one or more of the Transformer's layers 0 to 3/,
    );
    expect(() => convert({}, { keysFrom: [] })).toThrow(/keysFrom is \[\]/);
    expect(() => conversionPlan({ ...transformer.config, headDim: 8 }, fits)).toThrow(
      /headDim is 8, but YOCO's heads are dim \/ heads = 6/,
    );
    expect(() => conversionPlan({ ...transformer.config, windowSize: 4 }, fits)).toThrow(
      /has a window of 4/,
    );
    expect(() => conversionPlan(fits, fits)).toThrow(/is a yoco; only a transformer/);
    transformer.dispose();
  });
});

/** The formula of distillation.ts, one position, in float64. */
function byLoops(
  student: number[],
  teacher: number[],
  target: number,
  { share: a, temperature: T }: { share: number; temperature: number },
) {
  const softmax = (x: number[]): number[] => {
    const e = x.map((value) => Math.exp(value - Math.max(...x)));
    return e.map((value) => value / e.reduce((sum, other) => sum + other, 0));
  };
  const plain = softmax(student);
  const [p, q] = [softmax(teacher.map((x) => x / T)), softmax(student.map((x) => x / T))];
  const divergence = p.reduce((sum, pi, i) => sum + pi * Math.log(pi / q[i]), 0);
  return {
    loss: (1 - a) * -Math.log(plain[target]) + a * T * T * divergence,
    gradient: plain.map((x, i) => (1 - a) * (x - (i === target ? 1 : 0)) + a * T * (q[i] - p[i])),
  };
}

describe('distillation', () => {
  const [B, M, V] = [2, 3, 5];
  const targets = [
    [0, 4, 2],
    [1, 1, 3],
  ];
  const draw = (seed: number) => normal<tf.Tensor3D>(new SeededRandom(seed), [B, M, V], 2);
  const byLoopsFor = (
    student: tf.Tensor3D,
    teacher: tf.Tensor3D,
    options: { share: number; temperature: number },
  ) => {
    const [s, t] = [student, teacher].map((x) => (x.arraySync() as number[][][]).flat());
    const each = s.map((row, i) => byLoops(row, t[i], targets.flat()[i], options));
    return {
      loss: each.reduce((sum, { loss }) => sum + loss, 0) / (B * M),
      gradient: each.flatMap(({ gradient }) => gradient.map((g) => g / (B * M))),
    };
  };
  it.each([
    { share: 0, temperature: 2 },
    { share: 0.5, temperature: 1 },
    { share: 0.3, temperature: 2 },
    { share: 1, temperature: 4 },
  ])('loss and gradient are the formula: %o', (options) => {
    tf.tidy(() => {
      const [student, teacher] = [draw(5), draw(6)];
      const want = byLoopsFor(student, teacher, options);
      const got = tf.valueAndGrad((x: tf.Tensor) =>
        distillationLoss(x as tf.Tensor3D, teacher, targets, options),
      )(student);
      expectClose(got.value, want.loss);
      expectClose(got.grad.flatten(), want.gradient);
    });
  });
  it('can it fail? teacher and student exchanged, or the T² forgotten', () => {
    tf.tidy(() => {
      const [student, teacher] = [draw(5), draw(6)];
      const got = distillationLoss(student, teacher, targets, { share: 1, temperature: 2 });
      const exchanged = byLoopsFor(teacher, student, { share: 1, temperature: 2 }).loss;
      expect(() => expectClose(got, exchanged)).toThrow(/worst error/);
      expect(() =>
        expectClose(got.div(4), byLoopsFor(student, teacher, { share: 1, temperature: 2 }).loss),
      ).toThrow(/worst error/);
    });
  });
  it('a student that agrees has nothing to learn from its teacher', () => {
    tf.tidy(() => {
      const both = draw(5);
      const got = tf.valueAndGrad((x: tf.Tensor) =>
        distillationLoss(x as tf.Tensor3D, both, targets, { share: 1, temperature: 3 }),
      )(both);
      expectClose(got.value, 0, { ofLargest: 0, absolute: 1e-6 });
      expectClose(got.grad, tf.zerosLike(both), { ofLargest: 0, absolute: 1e-6 });
    });
  });
  it('refuses what is no share or no temperature', () => {
    tf.tidy(() => {
      const both = draw(5);
      expect(() => distillationLoss(both, both, targets, { share: 2, temperature: 1 })).toThrow(
        /share is 2; .*0 to 1/,
      );
      expect(() => distillationLoss(both, both, targets, { share: 1, temperature: 0 })).toThrow(
        /temperature is 0; .*above 0/,
      );
      expect(() =>
        distillationLoss(both, draw(6).slice([0, 0, 0], [B, 2, V]), targets, {
          share: 1,
          temperature: 1,
        }),
      ).toThrow(/N is/);
    });
  });

  const text = Int32Array.from({ length: 200 }, (_, i) => (i * i) % 19);
  const options = {
    ...trainerDefaults,
    schedule: { peak: 1e-2, steps: 6, warmUpSteps: 1, floor: 1, decay: 'none' as const },
  };
  const windows = { batch: 2, context: 8, seed: 1 };
  async function stepsOf(share: number, steps: number): Promise<number[]> {
    const [student, teacher] = [transformerOf({ layers: 1 }, 3), transformerOf({ layers: 1 }, 4)];
    const distiller = new Distiller(student, teacher, new Batches(text, windows), {
      ...options,
      share,
      temperature: 2,
    });
    const losses: number[] = [];
    for (let i = 0; i < steps; i++) losses.push((await distiller.takeStep()).loss);
    for (const one of [distiller, student, teacher]) one.dispose();
    return losses;
  }
  it('with no share of the teacher it is the trainer’s step', async () => {
    const model = transformerOf({ layers: 1 }, 3);
    const trainer = new Trainer(model, text, { ...options, ...windows });
    await trainer.run();
    expectClose(await stepsOf(0, 6), trainer.curve.losses, { ofLargest: 1e-5, absolute: 0 });
    trainer.dispose();
    model.dispose();
  });
  it('with the teacher alone the student comes nearer, and no tensor is left', async () => {
    const before = tf.memory().numTensors;
    const losses = await stepsOf(1, 6);
    expect(losses.at(-1)!).toBeLessThan(0.8 * losses[0]);
    expect(tf.memory().numTensors).toBe(before);
  });
});
