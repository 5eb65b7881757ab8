/** The surprise by place in the window, against loops in plain numbers and on models whose answer is known. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { lossByPosition, overDoublingSpans } from '../../src/evaluation/loss-by-position';
import { measureLoss } from '../../src/evaluation/perplexity';
import type { LanguageModel, Tokens } from '../../src/models/language-model';
import { expectClose, useTestEngine } from '../helpers';
import { FadingModel } from '../inference/fading-model';

beforeAll(useTestEngine);
const text = Int32Array.from({ length: 31 }, (_, i) => (i * i + 3 * i) % 7);

/** Each window on its own, each place on its own: ln Σ exp(logits) − logit of what came. */
function byLoops(model: LanguageModel, tokens: Int32Array, context: number, shift = 1): number[] {
  const windows = Math.floor((tokens.length - 1) / context);
  return Array.from({ length: context }, (_, n) => {
    let sum = 0;
    for (let w = 0; w < windows; w++) {
      const read = [...tokens.slice(w * context, w * context + n + 1)];
      const row = tf.tidy(() => model.logits([read]).arraySync())[0].at(-1)!;
      sum +=
        Math.log(row.reduce((total, x) => total + Math.exp(x), 0)) -
        row[tokens[w * context + n + shift]];
    }
    return sum / windows;
  });
}

describe('the loss by position', () => {
  it.each([
    [1, 1],
    [4, 3],
    [5, 8],
    [7, 2],
    [30, 8],
  ])('in windows of %d, %d at a time, is what the loops give', async (context, batch) => {
    const model = new FadingModel();
    expectClose(
      await lossByPosition(model, text, { context, batch }),
      byLoops(model, text, context),
    );
    model.dispose();
  });
  it('can it fail? the token itself in the place of the next', async () => {
    const model = new FadingModel();
    const got = await lossByPosition(model, text, { context: 5 });
    expect(() => expectClose(got, byLoops(model, text, 5, 0))).toThrow(/worst error/);
    model.dispose();
  });
  it('has the mean of all windows as its mean', async () => {
    const model = new FadingModel();
    const losses = await lossByPosition(model, text, { context: 5 });
    expect(losses.reduce((sum, x) => sum + x, 0) / 5).toBeCloseTo(
      (await measureLoss(model, text, { context: 5 })).loss,
      5,
    );
    model.dispose();
  });
  it('falls at the place from which a model can know: here the token four back comes again', async () => {
    const sharp = 20;
    /** Bets on the token of four places ago; before that place it knows nothing. */
    const logits = (tokens: Tokens): tf.Tensor3D =>
      tf.tensor3d(
        (tokens as number[][]).map((row) =>
          row.map((_, n) =>
            Array.from({ length: 7 }, (_, v) => (n >= 3 && row[n - 3] === v ? sharp : 0)),
          ),
        ),
      );
    const song = Int32Array.from({ length: 41 }, (_, i) => [3, 1, 4, 5][i % 4]);
    const losses = await lossByPosition({ logits }, song, { context: 8 });
    expectClose(losses.slice(0, 3), [Math.log(7), Math.log(7), Math.log(7)]);
    expect(Math.max(...losses.slice(3))).toBeLessThan(1e-6);
  });
  it('leaves no tensor behind, and a rest that fills no window counts for nothing', async () => {
    const model = new FadingModel();
    const before = tf.memory().numTensors;
    const whole = await lossByPosition(model, text.slice(0, 29), { context: 7 });
    expect(await lossByPosition(model, text, { context: 7 })).toEqual(whole);
    expect(tf.memory().numTensors).toBe(before);
    model.dispose();
  });
  it('refuses a text without one window, and counts that are none', async () => {
    const model = new FadingModel();
    await expect(lossByPosition(model, text, { context: 31 })).rejects.toThrow(
      /has 31 tokens, one window and the token after it take 32/,
    );
    await expect(lossByPosition(model, text, { context: 0 })).rejects.toThrow(/context is 0/);
    await expect(lossByPosition(model, text, { context: 4, batch: 0.5 })).rejects.toThrow(
      /batch is 0.5/,
    );
    model.dispose();
  });
});

describe('spans that double', () => {
  it('hold every place once, and are means', () => {
    const spans = overDoublingSpans([8, 4, 2, 1, 1, 1, 1, 0, 2]);
    expect(spans).toEqual([
      { from: 1, to: 1, loss: 8 },
      { from: 2, to: 3, loss: 3 },
      { from: 4, to: 7, loss: 1 },
      { from: 8, to: 9, loss: 1 },
    ]);
    expect(overDoublingSpans([])).toEqual([]);
  });
});
