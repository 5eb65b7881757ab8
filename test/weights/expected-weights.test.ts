/** The list of weights, made from a config, is that of the model made from it. */
import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import { createModel, presets } from '../../src/models/presets';
import { checkConfigFits, expectedWeights } from '../../src/weights/expected-weights';
import { toStateDict } from '../../src/weights/state-dict';
import { configs } from '../costs/configs';
import { useTestEngine } from '../helpers';

beforeAll(useTestEngine);

it('names and shapes are those of the live model, for all kinds', () => {
  const property = fc.property(configs, (config) => {
    const model = createModel(config);
    const stored = toStateDict(model.parameters);
    model.dispose();
    const expected: [string, number[]][] = [];
    for (const { name, axes } of expectedWeights(config))
      expected.push([name, axes.map(({ size }) => size)]);
    const shapes = [...stored].map(([name, { shape }]): [string, number[]] => [name, shape]);
    expect(new Map(expected)).toEqual(new Map(shapes));
    expect(expected.length).toBe(shapes.length);
    checkConfigFits(config, stored, { config: 'c', weights: 'w' });
  });
  fc.assert(property, { numRuns: 40 });
});

it('a billion layers are refused at the first that the file lacks', () => {
  const config = { ...presets['tiny-transformer'], layers: 1e9 } as (typeof presets)[string];
  expect(() => checkConfigFits(config, new Map(), { config: 'c', weights: 'w' })).toThrow(
    'c: kind is "transformer", but w has no tok_embeddings.weight.',
  );
  const model = createModel(presets['tiny-transformer']);
  const stored = toStateDict(model.parameters);
  model.dispose();
  expect(() => checkConfigFits(config, stored, { config: 'c', weights: 'w' })).toThrow(
    'c: layers is 1000000000, but w has no layers.4.attention.wq.weight.',
  );
});
