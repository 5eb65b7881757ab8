/** The presets against what follows from their names, and from the balance of their weights. */
import { beforeAll, describe, expect, it } from 'vitest';
import { parameterCount } from '../../src/costs/memory';
import type { TransformerConfig, YocoConfig } from '../../src/models/config';
import type { LanguageModel } from '../../src/models/language-model';
import { createModel, preset, presets } from '../../src/models/presets';
import { useTestEngine } from '../helpers';

beforeAll(useTestEngine);

const billion: Record<string, number> = { M: 1e-3, B: 1 };
/** `transformer-160M` → 0.16e9. */
const sizeIn = (name: string): number => {
  const [, digits, unit] = /-([\d.]+)([MB])$/.exec(name) as RegExpExecArray;
  return Number(digits) * billion[unit] * 1e9;
};
const sizes = Object.keys(presets).flatMap((name) => /^yoco-window-(.*)/.exec(name)?.[1] ?? []);

/** Weights of all layers, without the embedding table, which is also the head, and the norms. */
function layerWeights(name: string): number {
  const { vocabSize, dim } = preset(name);
  const norms = (2 * layersOf(name) + 2) * dim; // at most; 0.3 % of the smallest model's layers
  return parameterCount(preset(name)).total - vocabSize * dim - norms;
}
const layersOf = (name: string): number => {
  const config = preset(name);
  return config.kind === 'transformer' ? config.layers : config.selfLayers + config.crossLayers;
};

describe('the scaling runs', () => {
  it('have seven sizes', () => expect(sizes).toHaveLength(7));

  it.each(sizes)('%s: so many weights, with a tied vocabulary of 100,288', (size) => {
    const { total } = parameterCount(preset(`transformer-${size}`));
    expect(Math.abs(total / sizeIn(`transformer-${size}`) - 1)).toBeLessThan(0.03);
  });

  it.each(sizes)('%s: the FFN is as wide as the balance of weights asks', (size) => {
    // SwiGLU's three matrices of 8/3 dim are as large as two of 4 dim: 12 dim² weights a layer. In
    // a YOCO, half of the layers lack W_K and W_V, 2 dim², for which the FFN is wider; the one
    // pair for K̂ and V̂ comes on top.
    const { dim } = preset(`yoco-${size}`);
    const layers = layersOf(`yoco-${size}`);
    const perSquare = (name: string) => layerWeights(`${name}-${size}`) / dim ** 2;
    expect(perSquare('transformer') / layers).toBeCloseTo(12, 1);
    expect(perSquare('yoco-window') - perSquare('transformer')).toBeCloseTo(2, 0);
    // Gated retention has an output gate of dim² more in every self-decoder layer.
    expect(perSquare('yoco') - perSquare('yoco-window')).toBeCloseTo(layers / 2, 0);
  });

  it.each(sizes)(
    '%s: heads of 64 up to a width of 1024, else 128; retention heads of 256',
    (size) => {
      const transformer = preset(`transformer-${size}`) as TransformerConfig;
      const { dim } = transformer;
      const headDim = dim <= 1024 ? 64 : 128;
      expect(transformer.headDim).toBe(headDim);
      expect([transformer.heads, transformer.kvHeads]).toEqual([dim / headDim, dim / headDim]);
      for (const name of [`yoco-${size}`, `yoco-window-${size}`]) {
        const { heads, kvHeads, selfHeads, selfDecoder } = preset(name) as YocoConfig;
        expect([heads, kvHeads]).toEqual([dim / headDim, dim / headDim]);
        expect(dim / selfHeads).toBe(selfDecoder === 'sliding-window' ? headDim : 256);
      }
    },
  );

  it('at 160M the Transformer has 85 M weights in its layers, YOCO 4 to 6 % more in each size', () => {
    expect(layerWeights('transformer-160M') / 1e6).toBeCloseTo(85, 0);
    for (const size of sizes) {
      const ratio = (name: string) =>
        layerWeights(`${name}-${size}`) / layerWeights(`transformer-${size}`) - 1;
      expect(ratio('yoco')).toBeGreaterThan(0.04);
      expect(ratio('yoco')).toBeLessThan(0.06);
      expect(ratio('yoco-window')).toBeGreaterThan(0);
      expect(ratio('yoco-window')).toBeLessThan(0.015);
    }
  });
});

it('YOCO-3B has the shape of the Transformer beside it, whose heads are dim / heads wide', () => {
  const yoco = preset('yoco-3B') as YocoConfig;
  const transformer = preset('transformer-3B') as TransformerConfig;
  const { vocabSize, dim, ffnDim, heads, kvHeads } = yoco;
  expect(transformer).toMatchObject({ vocabSize, dim, ffnDim, heads, kvHeads });
  expect(transformer.headDim).toBe(dim / heads);
  expect(layersOf('transformer-3B')).toBe(layersOf('yoco-3B'));
  expect(3 * ffnDim).toBe(8 * dim); // 8/3 dim, although its scaling runs take 3 dim
});

it('without a seed the first weights are those of seed 0, and another seed gives others', () => {
  for (const name of ['tiny-transformer', 'tiny-yoco']) {
    const models = [undefined, 0, 1, -1].map((seed) => createModel(preset(name), { seed }));
    const [none, zero, one, minusOne] = models.map((model) => firstWeights(model));
    expect(none).toEqual(zero);
    expect(one).not.toEqual(zero);
    expect(minusOne).not.toEqual(zero);
    for (const model of models) model.dispose();
  }
});
const firstWeights = (model: LanguageModel): number[] =>
  Array.from(model.parameters.all()[0].variable.dataSync().slice(0, 8));
