/** A converted model computes what the old one did, as far as the two architectures agree. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type TransformerConfig,
  transformerConfig,
  type YocoConfig,
} from '../../src/models/config';
import { Transformer } from '../../src/models/transformer';
import type { Yoco } from '../../src/models/yoco';
import {
  type ConversionOptions,
  conversionPlan,
  matchingYoco,
  yocoFromTransformer,
} from '../../src/weights/from-transformer';
import { loadStateDict, toStateDict } from '../../src/weights/state-dict';
import { interleavedPairs, resizedHeads } from '../../src/weights/weight-conversion';
import { leakedBy, SeededRandom, useTestEngine } from '../helpers';

beforeAll(useTestEngine);

const shape = { vocabSize: 19, dim: 24, ffnDim: 20, heads: 4, kvHeads: 2, headDim: 6, layers: 4 };
const N = 12;
const tokens = [0, 1].map((row) => Array.from({ length: N }, (_, i) => (i * 7 + row * 5) % 19));
/** With random norm weights: in a new model they are 1, and a forgotten one would not show. */
function transformerOf(more: Partial<TransformerConfig> = {}, seed = 3): Transformer {
  const model = new Transformer(transformerConfig({ ...shape, ...more }), { seed });
  const random = new SeededRandom(77);
  tf.tidy(() => {
    for (const { kind, variable } of model.parameters.all()) {
      if (kind !== 'vector') continue;
      variable.assign(tf.tensor(random.uniforms(variable.size, 0.5, 1.5), variable.shape));
    }
  });
  return model;
}
const windowed = { selfDecoder: 'sliding-window', windowSize: N } as const;
type Hidden = Record<string, tf.Tensor3D>;
function hiddenOf(model: Transformer | Yoco): Hidden {
  const seen: Hidden = {};
  const observe = (name: string, x: tf.Tensor3D) => {
    seen[name] = tf.keep(x.clone());
  };
  seen.logits = model.forward(tokens, undefined, { observe });
  return seen;
}
/** The layers whose outputs agree up to rounding, from first to last. */
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
const upToFirstUpper = ['embed', 'layers.0', 'layers.1', 'layers.2'];

describe('with a window that holds the whole text', () => {
  it('the lower half and the first upper layer compute what the Transformer did', () => {
    expect(agreement({}, {})).toEqual(upToFirstUpper);
  });
  it.each([1, 2, 4])('so they do with %i key heads', (kvHeads) => {
    expect(agreement({ kvHeads }, {})).toEqual(upToFirstUpper);
  });
  it('so they do with more key heads than the Transformer has, and without √dim', () => {
    expect(agreement({}, { kvHeads: 4, embeddingScale: false })).toEqual(upToFirstUpper);
  });
  it('with a single upper layer the whole model computes what the Transformer did', () => {
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
  it('the mean of a layer with itself is that layer', () => {
    expect(agreement({}, {}, { keysFrom: [2, 2] })).toEqual(upToFirstUpper);
  });
});

describe('the comparison notices', () => {
  it('a window that is one token too short', () => {
    expect(agreement({}, { windowSize: N - 1 })).toEqual(['embed']);
  });
  it('keys of another layer, or fewer key heads: only the lower half agrees', () => {
    expect(agreement({}, {}, { keysFrom: [3] })).toEqual(['embed', 'layers.0', 'layers.1']);
    expect(agreement({}, {}, { keysFrom: [2, 3] })).toEqual(['embed', 'layers.0', 'layers.1']);
    expect(agreement({}, { kvHeads: 1 })).toEqual(['embed', 'layers.0', 'layers.1']);
  });
  it('other rotary frequencies: only the embedding agrees', () => {
    expect(agreement({}, { rotaryFrequencies: 'end-point' })).toEqual(['embed']);
  });
  it('rotary pairs that were not reordered: only the embedding agrees', () => {
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

describe('the conversion of a weight', () => {
  const rows = (values: number[]) => ({
    dtype: 'F32' as const,
    shape: [values.length, 1],
    data: Float32Array.from(values),
  });
  it('puts the features of a rotary pair side by side, head by head', () => {
    expect([...interleavedPairs(rows([0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15]), 2).data]).toEqual(
      [0, 3, 1, 4, 2, 5, 10, 13, 11, 14, 12, 15],
    );
  });
  it('repeats heads, or takes the mean of neighbours', () => {
    expect([...resizedHeads(rows([1, 2, 3, 4]), 2, 4).data]).toEqual([1, 2, 1, 2, 3, 4, 3, 4]);
    expect([...resizedHeads(rows([1, 2, 3, 4, 10, 20, 30, 40]), 4, 2).data]).toEqual([
      2, 3, 20, 30,
    ]);
    expect(() => resizedHeads(rows([1, 2, 3, 4, 5, 6]), 3, 2)).toThrow(/3 heads cannot become 2/);
  });
});

describe('the plan of the conversion', () => {
  it('leaves the two gates of gated retention fresh: they depend on the seed', () => {
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
  it('drops the keys and values of the other upper layers, and nothing else', () => {
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
  it('leaves no tensors but those of the new model', () => {
    const transformer = transformerOf();
    expect(
      leakedBy(() =>
        yocoFromTransformer(transformer, matchingYoco(transformer.config, windowed)).dispose(),
      ),
    ).toBe(0);
    transformer.dispose();
  });
  it('refuses configs that do not fit', () => {
    const transformer = transformerOf();
    const fits = matchingYoco(transformer.config, windowed);
    const convert = (more: Partial<YocoConfig>, options: ConversionOptions = {}) =>
      yocoFromTransformer(transformer, { ...fits, ...more }, options);
    expect(() => convert({ ffnDim: 21 })).toThrow(
      /ffnDim is 20 in the Transformer, but 21 in the YOCO; matchingYoco/,
    );
    expect(() => convert({ selfLayers: 1 })).toThrow(/4 layers, the YOCO 1 \+ 2/);
    expect(() => convert({ selfLayers: 4, crossLayers: 0 })).toThrow(
      /1 or more of them in the cross-decoder/,
    );
    expect(() => convert({ selfHeads: 2 })).toThrow(/selfHeads is 2, .* give 4/);
    expect(() => convert({}, { keysFrom: [4] })).toThrow(
      /keysFrom is \[4\]; name one or more of the layers 0 to 3/,
    );
    expect(() => convert({}, { keysFrom: [] })).toThrow(/keysFrom is \[\]/);
    expect(() => conversionPlan({ ...transformer.config, headDim: 8 }, fits)).toThrow(
      /headDim is 8, but YOCO's heads are dim \/ heads = 6/,
    );
    expect(() => conversionPlan({ ...transformer.config, windowSize: 4 }, fits)).toThrow(
      /has a window of 4/,
    );
    expect(() => conversionPlan(fits, fits)).toThrow(/a yoco is given; give a transformer/);
    transformer.dispose();
  });
});
