import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createModel } from '../../src/models/create-model';
import { Batches } from '../../src/training/batches';
import { filesOf, loadModel, loadRun, removeRun, saveModel, saveRun } from '../../src/training/checkpoint';
import type { ModelCard } from '../../src/training/model-card';
import { configOf, recipe, trainerOptionsOf } from '../../src/training/recipe';
import { CharacterTokenizer } from '../../src/training/tokenizer';
import { Trainer } from '../../src/training/trainer';
import { FadingModel } from '../inference/fading-model';
import { expectClose, useTestEngine } from '../support';

beforeAll(useTestEngine);
const folder = mkdtempSync(join(tmpdir(), 'train-'));
afterAll(() => rmSync(folder, { recursive: true }));

const text = 'it was the whale. it was the sea. was it the whale, or was it the sea?\n';
const tokenizer = CharacterTokenizer.fit(text);
const tokens = tokenizer.encode(text);
const tiny = {
  ...recipe('small'),
  dim: 16,
  ffnDim: 32,
  layers: 2,
  heads: 2,
  kvHeads: 1,
  selfHeads: 2,
  windowSize: 4,
  context: 16,
  batch: 2,
  steps: 60,
  warmUpSteps: 5,
  learningRate: 0.02,
};

const build = (changes: Partial<typeof tiny> = {}) => {
  const made = { ...tiny, ...changes };
  const model = createModel(configOf(made, tokenizer.vocabSize), { seed: made.seed });
  return { model, trainer: new Trainer(model, tokens, trainerOptionsOf(made)) };
};
const cardOf = (trainer: Trainer): ModelCard => ({
  format: 'cache-once model 1',
  config: trainer.model.config,
  tokenizer: tokenizer.toJSON(),
  corpus: { name: 'test', characters: text.length, sha256: '' },
  recipe: tiny,
  command: 'test',
  engine: 'test',
  parameters: trainer.model.parameters.count,
  seconds: 0,
  tokensSeen: 0,
  curve: trainer.curve,
});

describe('training', () => {
  it.each([
    [{ model: 'yoco' as const, selfDecoder: 'gated-retention' as const }],
    [{ model: 'yoco' as const, selfDecoder: 'sliding-window' as const }],
    [{ model: 'transformer' as const }],
  ])('learns a few words by heart: %j', async (kind) => {
    const { model, trainer } = build(kind);
    await trainer.run();
    // It starts near ln 16 = 2.8. By heart is not quite 0: nothing tells the first letters of a window.
    expect(trainer.curve.losses[0]).toBeGreaterThan(2.3);
    expect(trainer.curve.losses.at(-1)).toBeLessThan(0.8);
    trainer.dispose();
    model.dispose();
  });
  it('can it fail? targets from another window teach nothing beyond the letters’ frequencies', async () => {
    const { model, trainer } = build();
    const honest = Batches.prototype.at;
    try {
      Batches.prototype.at = function (step) {
        return { inputs: honest.call(this, step).inputs, targets: honest.call(this, step + 1).targets };
      };
      await trainer.run();
    } finally {
      Batches.prototype.at = honest;
    }
    expect(trainer.curve.losses.at(-1)).toBeGreaterThan(1.5);
    trainer.dispose();
    model.dispose();
  });
  it('holds the same tensors after every step', async () => {
    const { model, trainer } = build({ steps: 4 });
    await trainer.takeStep();
    const held = tf.memory().numTensors;
    for (let i = 0; i < 3; i++) {
      await trainer.takeStep();
      expect(tf.memory().numTensors).toBe(held);
    }
    trainer.dispose();
    model.dispose();
  });
  it('validates when asked to and at the end, and reports rate and gradient', async () => {
    const { model, trainer } = build({ steps: 7 });
    const rates: number[] = [];
    let asked = 0;
    const done = await trainer.run({ validate: async () => ++asked, validateEvery: 3, onStep: ({ learningRate }) => rates.push(learningRate) });
    expect(done).toBe(true);
    expect(trainer.curve.validation.map(({ step }) => step)).toEqual([3, 6, 7]);
    expect(rates[0]).toBeCloseTo(0.02 / 5, 12);
    expect(rates[4]).toBeCloseTo(0.02, 12);
    trainer.dispose();
    model.dispose();
  });
  it('stops, with its weights as they were, when the loss is no number any more', async () => {
    const model = new FadingModel(tokenizer.vocabSize);
    const trainer = new Trainer(model, tokens, trainerOptionsOf(tiny));
    await trainer.takeStep();
    const logits = model.logits.bind(model);
    const before = model.parameters.all().map(({ variable }) => variable.arraySync());
    const held = tf.memory().numTensors;
    model.logits = (ids) => tf.tidy(() => logits(ids).mul<tf.Tensor3D>(Number.NaN));
    await expect(trainer.takeStep()).rejects.toThrow(/at step 2 the loss is NaN.*lower learning rate/);
    expect(model.parameters.all().map(({ variable }) => variable.arraySync())).toEqual(before);
    expect([tf.memory().numTensors, trainer.step]).toEqual([held, 1]);
    trainer.dispose();
    model.dispose();
  });
});

describe('a run on disk', () => {
  /** Four steps in one go, and the same in two sittings with everything rebuilt from the file in between. */
  const inTwoSittings = async (restoreMoments: boolean): Promise<{ whole: number[]; resumed: number[] }> => {
    const unbroken = build({ steps: 8 });
    await unbroken.trainer.run();
    const first = build({ steps: 8 });
    const stop = new AbortController();
    await first.trainer.run({ signal: stop.signal, onStep: ({ step }) => (step === 4 ? stop.abort() : undefined) });
    expect(first.trainer.step).toBe(4);
    const name = join(folder, 'run');
    saveRun(name, first.trainer, cardOf(first.trainer));
    const { model, optimizer, card } = loadRun(name);
    const second = new Trainer(model, tokens, trainerOptionsOf({ ...tiny, steps: 8 }));
    const none = {
      steps: 4,
      moments: Object.fromEntries(Object.entries(optimizer.moments).map(([w, { m, v }]) => [w, { m: m.map(() => 0), v: v.map(() => 1) }])),
    };
    second.restore(restoreMoments ? optimizer : none, card.curve);
    await second.run();
    for (const { trainer, model: m } of [unbroken, first]) {
      trainer.dispose();
      m.dispose();
    }
    second.dispose();
    model.dispose();
    return { whole: unbroken.trainer.curve.losses, resumed: second.curve.losses };
  };
  it('goes on with the losses of a run that never stopped, to the last bit', async () => {
    const { whole, resumed } = await inTwoSittings(true);
    expect(whole.length).toBe(8);
    expect(resumed).toEqual(whole);
  });
  it('can it fail? the optimiser’s averages forgotten', async () => {
    const { whole, resumed } = await inTwoSittings(false);
    expect(resumed.slice(0, 5)).toEqual(whole.slice(0, 5));
    expect(resumed.slice(5)).not.toEqual(whole.slice(5));
  });
  it('leaves a model that gives the same logits, and its card', async () => {
    const { model, trainer } = build();
    await trainer.takeStep();
    const name = join(folder, 'models', 'tiny.safetensors'); // an ending is no part of the name
    saveModel(name, model, cardOf(trainer));
    saveRun(name, trainer, cardOf(trainer));
    removeRun(name);
    expect(readdirSync(join(folder, 'models')).sort()).toEqual(['tiny.json', 'tiny.safetensors']);
    const before = tf.memory().numTensors;
    const loaded = loadModel(join(folder, 'models', 'tiny'));
    expect(loaded.tokenizer.decode(loaded.tokenizer.encode('whale'))).toBe('whale');
    expect(loaded.card.curve).toEqual(trainer.curve);
    tf.tidy(() => expectClose(loaded.model.logits([[1, 2, 3]]), model.logits([[1, 2, 3]]), { ofLargest: 0, absolute: 0 }));
    loaded.model.dispose();
    expect(tf.memory().numTensors).toBe(before);
    trainer.dispose();
    model.dispose();
  });
  it('refuses files that are missing, cut short or of another model', () => {
    const { model, trainer } = build();
    const name = join(folder, 'other');
    saveModel(name, model, cardOf(trainer));
    const { card } = filesOf(name);
    const whole = readFileSync(card, 'utf8');
    const before = tf.memory().numTensors;
    expect(() => loadModel(join(folder, 'none'))).toThrow(/there is no .*none.json; a model has two files/);
    expect(() => loadRun(name)).toThrow(/There is no .*other.resume.safetensors to resume/);
    writeFileSync(card, whole.slice(0, 200));
    expect(() => loadModel(name)).toThrow(/other.json: this is not JSON.*cut short/);
    writeFileSync(card, whole.replace('cache-once model 1', 'something'));
    expect(() => loadModel(name)).toThrow(/format is "something"; allowed/);
    writeFileSync(card, whole.replace('"dim": 16', '"dim": 32'));
    expect(() => loadModel(name)).toThrow(/other.safetensors: .*is \[.*the config asks for/);
    writeFileSync(card, whole.replace('"characters": "\\n', '"characters": "\\nXYZ'));
    expect(() => loadModel(name)).toThrow(/tokenizer has 19 tokens, the model 16/);
    expect(tf.memory().numTensors).toBe(before);
    trainer.dispose();
    model.dispose();
  });
});
