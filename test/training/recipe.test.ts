import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { createModel } from '../../src/models/presets';
import { root } from '../../src/support/notebook/python-environment';
import { readCard } from '../../src/training/checkpoint';
import { configOf, recipe, recipes, trainerOptionsOf } from '../../src/training/recipe';
import { checkSchedule } from '../../src/training/schedule';
import { useTestEngine } from '../helpers';

beforeAll(useTestEngine);
const vocabSize = 78; // of Moby Dick's characters that come ten times or more

describe('the recipes', () => {
  it('of the notebooks give models of equal size, within 2 %, at most 2 MB on disk', () => {
    const sizes = ['notebook-yoco', 'notebook-transformer'].map((name) => {
      const model = createModel(configOf(recipe(name), vocabSize));
      const { count } = model.parameters;
      model.dispose();
      return count;
    });
    expect(Math.abs(sizes[0] - sizes[1]) / sizes[0]).toBeLessThan(0.02);
    expect(4 * Math.max(...sizes)).toBeLessThan(1_990_000); // and the file's header
  });
  it('of the notebooks differ in the model alone', () => {
    const [yoco, transformer] = [recipe('notebook-yoco'), recipe('notebook-transformer')];
    expect({ ...transformer, model: yoco.model, ffnDim: yoco.ffnDim }).toEqual(yoco);
  });
  it.each(Object.keys(recipes))('%s gives an allowed config and schedule', (name) => {
    configOf(recipe(name), vocabSize);
    checkSchedule(trainerOptionsOf(recipe(name)).schedule);
  });
  it('pass accumulate and chunk to the trainer', () => {
    expect(trainerOptionsOf({ ...recipe('small'), accumulate: 3, chunk: 64 })).toMatchObject({
      accumulate: 3,
      chunk: 64,
    });
    expect(trainerOptionsOf(recipe('small'))).toMatchObject({ accumulate: 1, chunk: undefined });
  });
  it.each(['yoco', 'transformer'])(
    'the older card of the notebooks’ %s is read as its recipe',
    (name) => {
      const { recipe: found } = readCard(
        name,
        readFileSync(join(root, 'notebooks', 'models', `${name}.json`), 'utf8'),
      );
      expect(found).toEqual(recipe(`notebook-${name}`));
    },
  );
  it('are given as copies', () => {
    recipe('small').steps = 1;
    expect(recipe('small').steps).toBeGreaterThan(1);
  });
  it('are refused if they describe no model', () => {
    expect(() => recipe('large')).toThrow(
      /there is no "large"; there are small, notebook-yoco, notebook-transformer/,
    );
    expect(() => configOf({ ...recipe('small'), layers: 3 }, vocabSize)).toThrow(
      /layers is 3; give an even number/,
    );
    expect(() => configOf({ ...recipe('small'), model: 'gpt' as never }, vocabSize)).toThrow(
      /model is "gpt"; allowed: yoco, transformer/,
    );
    expect(() => configOf({ ...recipe('small'), heads: 5 }, vocabSize)).toThrow(/heads/);
  });
});
