import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { TextDataLoader } from '../../src/training/batches';
import { trainerOptionsOf } from '../../src/training/recipe';
import { Trainer, trainerDefaults } from '../../src/training/trainer';
import { GoldenFile } from '../golden/golden-file';
import { useTestEngine } from '../helpers';
import { FadingModel } from '../inference/fading-model';
import { build, tiny, tokenizer, tokens } from './tiny-run';

beforeAll(useTestEngine);

describe('training', () => {
  it.each([
    [{ model: 'yoco' as const, selfDecoder: 'gated-retention' as const }],
    [{ model: 'yoco' as const, selfDecoder: 'sliding-window' as const }],
    [{ model: 'transformer' as const }],
  ])('learns a few words by heart: %j', async (kind) => {
    const { model, trainer } = build(kind);
    await trainer.run();
    // It starts near ln 16 = 2.8 and ends above 0: nothing predicts a window's first letters.
    expect(trainer.curve.losses[0]).toBeGreaterThan(2.3);
    expect(trainer.curve.losses.at(-1)).toBeLessThan(0.8);
    trainer.dispose();
    model.dispose();
  });
  it('with targets of another window learns only the letters’ frequencies', async () => {
    const { model, trainer } = build();
    const original = TextDataLoader.prototype.at;
    try {
      TextDataLoader.prototype.at = function (step) {
        return {
          inputs: original.call(this, step).inputs,
          targets: original.call(this, step + 1).targets,
        };
      };
      await trainer.run();
    } finally {
      TextDataLoader.prototype.at = original;
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
  it('validates every so many steps and at the end, and reports the learning rate', async () => {
    const { model, trainer } = build({ steps: 7 });
    const rates: number[] = [];
    let asked = 0;
    const done = await trainer.run({
      validate: async () => ++asked,
      validateEvery: 3,
      onStep: ({ learningRate }) => rates.push(learningRate),
    });
    expect(done).toBe(true);
    expect(trainer.curve.validation.map(({ step }) => step)).toEqual([3, 6, 7]);
    expect(rates[0]).toBeCloseTo(0.02 / 5, 12);
    expect(rates[4]).toBeCloseTo(0.02, 12);
    trainer.dispose();
    model.dispose();
  });
  it('stops, with unchanged weights, when the loss is not finite', async () => {
    const model = new FadingModel(tokenizer.vocabSize);
    const trainer = new Trainer(model, tokens, trainerOptionsOf(tiny));
    await trainer.takeStep();
    const forward = model.forward.bind(model);
    const before = model.parameters.all().map(({ variable }) => variable.arraySync());
    const held = tf.memory().numTensors;
    model.forward = (ids) => tf.tidy(() => forward(ids).mul<tf.Tensor3D>(Number.NaN));
    await expect(trainer.takeStep()).rejects.toThrow(
      /at step 2 the loss is NaN.*lower learning rate/,
    );
    expect(model.parameters.all().map(({ variable }) => variable.arraySync())).toEqual(before);
    expect([tf.memory().numTensors, trainer.step]).toEqual([held, 1]);
    trainer.dispose();
    model.dispose();
  });
  it('takes the β and the weight decay that the reference numbers of AdamW were made with', () => {
    const { metadata } = new GoldenFile('test/golden/data/model_yoco_gret_a.safetensors');
    const settings = metadata['full.adamw'].split(',').map((pair) => pair.split('='));
    const { beta1, beta2, weight_decay } = Object.fromEntries(settings);
    expect(trainerDefaults).toMatchObject({
      beta1: Number(beta1),
      beta2: Number(beta2),
      weightDecay: Number(weight_decay),
    });
  });
});

/** Stands in for the notebook's kernel: `interrupt` is ■. */
function withHost(): { interrupt(): void; end(): void } {
  const host = globalThis as { [key: symbol]: AbortSignal | undefined };
  const key = Symbol.for('cache-once.interrupt');
  let controller = new AbortController();
  host[key] = controller.signal;
  return {
    interrupt() {
      controller.abort();
      controller = new AbortController();
      host[key] = controller.signal;
    },
    end() {
      host[key] = undefined;
    },
  };
}

describe('a run that the reader stops', () => {
  it('ends after its step; more runs give the losses of one that was never stopped', async () => {
    const whole = build({ steps: 12 });
    await whole.trainer.run();
    const broken = build({ steps: 12 });
    const host = withHost();
    try {
      for (const last of [3, 7]) {
        const onStep = ({ step }: { step: number }) => {
          if (step === last) host.interrupt();
        };
        await expect(broken.trainer.run({ onStep })).rejects.toThrow(
          new RegExp(`stopped after ${last} steps; run\\(\\) or takeStep\\(\\) goes on from there`),
        );
        expect(broken.trainer.step).toBe(last);
      }
      expect(await broken.trainer.run()).toBe(true);
    } finally {
      host.end();
    }
    expect(broken.trainer.curve).toEqual(whole.trainer.curve);
    for (const { model, trainer } of [whole, broken]) {
      trainer.dispose();
      model.dispose();
    }
  });
  it('a second run waits for the step of one that was stopped; none is lost', async () => {
    const { model, trainer } = build({ steps: 6 });
    const host = withHost();
    const steps: number[] = [];
    const onStep = ({ step }: { step: number }) => steps.push(step);
    try {
      const first = trainer.run({ onStep });
      const ended = expect(first).rejects.toThrow(/stopped after/);
      while (trainer.step < 2) await tf.nextFrame();
      host.interrupt();
      expect(await trainer.run({ onStep })).toBe(true);
      await ended;
    } finally {
      host.end();
    }
    expect(steps).toEqual([1, 2, 3, 4, 5, 6]);
    trainer.dispose();
    model.dispose();
  });
  it('a second run beside one that goes on is refused, and changes nothing', async () => {
    const { model, trainer } = build({ steps: 4 });
    const first = trainer.run();
    await expect(trainer.run()).rejects.toThrow(
      /this trainer runs already, at step 0; await that run, or stop it/,
    );
    await expect(trainer.takeStep()).rejects.toThrow(/step 1 is being computed; await it/);
    expect(await first).toBe(true);
    expect(trainer.step).toBe(4);
    trainer.dispose();
    model.dispose();
  });
});
