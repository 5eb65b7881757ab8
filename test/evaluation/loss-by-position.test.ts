/** The loss by position, against loops in plain numbers and on models whose answer is known. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { lossByPosition } from '../../src/evaluation/loss-by-position';
import { measureLoss } from '../../src/evaluation/perplexity';
import type { LanguageModel, Tokens } from '../../src/models/language-model';
import { expectClose, useTestEngine } from '../helpers';
import { FadingModel } from '../inference/fading-model';

beforeAll(useTestEngine);
const text = Int32Array.from({ length: 31 }, (_, i) => (i * i + 3 * i) % 7);

/** Each position of each window on its own: ln Σ exp(logits) − logit of the next token. */
function byLoops(model: LanguageModel, tokens: Int32Array, context: number, shift = 1): number[] {
  const windows = Math.floor((tokens.length - 1) / context);
  const losses: number[] = [];
  for (let n = 0; n < context; n++) {
    let sum = 0;
    for (let w = 0; w < windows; w++) {
      const start = w * context;
      const read = [...tokens.slice(start, start + n + 1)];
      const logits = tf.tidy(() => model.forward([read]).arraySync())[0][n]; // [V]
      let total = 0;
      for (const logit of logits) total += Math.exp(logit);
      sum += Math.log(total) - logits[tokens[start + n + shift]];
    }
    losses.push(sum / windows);
  }
  return losses;
}

describe('the loss by position', () => {
  it.each([
    [1, 1],
    [4, 3],
    [5, 8],
    [7, 2],
    [30, 8],
  ])('equals the loops: windows of %d, %d at a time', async (context, batch) => {
    const model = new FadingModel();
    const losses = await lossByPosition(model, text, { context, batch });
    expectClose(losses, byLoops(model, text, context));
    model.dispose();
  });

  it('the comparison notices a loss of the token itself instead of the next', async () => {
    const model = new FadingModel();
    const losses = await lossByPosition(model, text, { context: 5 });
    expect(() => expectClose(losses, byLoops(model, text, 5, 0))).toThrow(/worst error/);
    model.dispose();
  });

  it('has the loss of the text as its mean', async () => {
    const model = new FadingModel();
    const losses = await lossByPosition(model, text, { context: 5 });
    const { loss } = await measureLoss(model, text, { context: 5 });
    expect(losses.reduce((sum, x) => sum + x, 0) / 5).toBeCloseTo(loss, 5);
    model.dispose();
  });

  it('falls at the position from which a model knows the answer', async () => {
    // The model predicts the token of three places before, in a text that repeats every four.
    const model = {
      forward(tokens: Tokens): tf.Tensor3D {
        const rows = (tokens as tf.Tensor2D).arraySync();
        const logitsAt = (row: number[], n: number) =>
          Array.from({ length: 7 }, (_, v) => (n >= 3 && row[n - 3] === v ? 20 : 0));
        return tf.tensor3d(rows.map((row) => row.map((_, n) => logitsAt(row, n))));
      },
    };
    const repeating = Int32Array.from({ length: 41 }, (_, i) => [3, 1, 4, 5][i % 4]);
    const losses = await lossByPosition(model, repeating, { context: 8 });
    expectClose(losses.slice(0, 3), [Math.log(7), Math.log(7), Math.log(7)]);
    expect(Math.max(...losses.slice(3))).toBeLessThan(1e-6);
  });

  it('leaves no tensor behind, and leaves out tokens that fill no window', async () => {
    const model = new FadingModel();
    const before = tf.memory().numTensors;
    const whole = await lossByPosition(model, text.slice(0, 29), { context: 7 });
    expect(await lossByPosition(model, text, { context: 7 })).toEqual(whole);
    expect(tf.memory().numTensors).toBe(before);
    model.dispose();
  });

  it('refuses a text without one window, and counts that are not allowed', async () => {
    const model = new FadingModel();
    const measure = (options: { context: number; batch?: number }) =>
      lossByPosition(model, text, options);
    await expect(measure({ context: 31 })).rejects.toThrow(/has 31 tokens; give 32 or more/);
    await expect(measure({ context: 0 })).rejects.toThrow(/context is 0/);
    await expect(measure({ context: 4, batch: 0.5 })).rejects.toThrow(/batch is 0.5/);
    model.dispose();
  });
});
