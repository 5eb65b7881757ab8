import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { BigramModel } from '../../src/evaluation/bigram';
import { measureLoss } from '../../src/evaluation/perplexity';
import { seededStream } from '../../src/inference/seeded-stream';
import type { LanguageModel } from '../../src/models/language-model';
import { useTestEngine } from '../helpers';
import { FadingModel } from '../inference/fading-model';

beforeAll(useTestEngine);
const text = Int32Array.from({ length: 23 }, (_, i) => (i * i + 3 * i) % 7);

/** The definition, window by window in plain numbers: Σ ln Σ exp(logits) − logit of what came. */
function byDefinition(
  model: LanguageModel,
  tokens: Int32Array,
  context: number,
): { nats: number; count: number } {
  let nats = 0;
  let count = 0;
  for (let start = 0; start < tokens.length - 1; start += context) {
    const read = [...tokens.slice(start, Math.min(start + context, tokens.length - 1))];
    const logits = tf.tidy(() => model.logits([read]).arraySync())[0];
    logits.forEach((row, n) => {
      nats += Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[tokens[start + n + 1]];
      count++;
    });
  }
  return { nats, count };
}

describe('the loss of a text', () => {
  it.each([
    [1, 1],
    [4, 3],
    [5, 2],
    [11, 8],
    [22, 8],
    [99, 8],
  ])(
    'in windows of %d, %d at a time, predicts every token but the first once',
    async (context, batch) => {
      const model = new FadingModel();
      const want = byDefinition(model, text, context);
      expect(want.count).toBe(22);
      const got = await measureLoss(model, text, { context, batch, bytes: 30 });
      expect(got.tokens).toBe(22);
      // float32 logits of size 5: 1e-6 of the sum is ten times what was seen, 1e-7.
      expect(Math.abs(got.loss * 22 - want.nats)).toBeLessThan(1e-6 * want.nats);
      expect(got.perplexity).toBeCloseTo(Math.exp(want.nats / 22), 4);
      expect(got.bitsPerToken).toBeCloseTo(want.nats / 22 / Math.log(2), 6);
      expect(got.bitsPerByte).toBeCloseTo(want.nats / Math.log(2) / 30, 6);
    },
  );
  it('is ln V for a model that knows nothing, and stays finite where a softmax would not', async () => {
    const model = new FadingModel();
    model.logits = (tokens) =>
      tf.zeros([(tokens as number[][]).length, (tokens as number[][])[0].length, 7]);
    expect((await measureLoss(model, text, { context: 5 })).loss).toBeCloseTo(Math.log(7), 12);
    model.logits = (tokens) =>
      tf.fill([(tokens as number[][]).length, (tokens as number[][])[0].length, 7], 3e38);
    expect((await measureLoss(model, text, { context: 5 })).loss).toBeCloseTo(Math.log(7), 12);
  });
  it('can it fail? targets one place too far', async () => {
    const model = new FadingModel();
    const want = byDefinition(model, text, 22).nats / 22;
    const shifted = await measureLoss(model, text.slice(1), { context: 22 });
    expect(Math.abs(shifted.loss - want)).toBeGreaterThan(1e-3);
  });
  it('leaves no tensor behind', async () => {
    const model = new FadingModel();
    const before = tf.memory().numTensors;
    await measureLoss(model, text, { context: 4, batch: 2 });
    expect(tf.memory().numTensors).toBe(before);
  });
  it('refuses a text or a window without a token to predict', async () => {
    const model = new FadingModel();
    await expect(measureLoss(model, text.slice(0, 1), { context: 4 })).rejects.toThrow(
      /has 1 tokens; give 2 or more/,
    );
    await expect(measureLoss(model, text, { context: 0 })).rejects.toThrow(/context is 0/);
  });
});

describe('the bigram baseline', () => {
  const tokens = [0, 1, 0, 1, 0, 2, 0, 1];
  it('counts by hand: 0 is followed by 1 three times and by 2 once', () => {
    const bigram = new BigramModel(tokens, 3, 2);
    // p(1) = (3 + 1) / (8 + 3), so p(1|0) = (3 + 2·4/11) / (4 + 2)
    expect(bigram.probability(0, 1)).toBeCloseTo((3 + 8 / 11) / 6, 12);
    expect(bigram.probability(0, 2)).toBeCloseTo((1 + 4 / 11) / 6, 12);
    // 1 is the last token: it was followed by something only twice.
    expect(bigram.probability(1, 0)).toBeCloseTo((2 + 10 / 11) / 4, 12);
  });
  it('is a distribution after every token, also after one that never came', () => {
    const bigram = new BigramModel(tokens, 5);
    for (let a = 0; a < 5; a++) {
      const odds = [0, 1, 2, 3, 4].map((b) => bigram.probability(a, b));
      expect(odds.reduce((x, y) => x + y)).toBeCloseTo(1, 12);
      expect(Math.min(...odds)).toBeGreaterThan(0);
    }
  });
  it('comes near the entropy of a text that a bigram has written, and no lower', () => {
    // After a: a+1 with 3/4, a+2 with 1/4 (mod 4). Its entropy: 0.5623 nats.
    const random = seededStream(2);
    const written = [0];
    for (let n = 1; n < 20_000; n++)
      written.push((written[n - 1] + (random.uniform() < 0.75 ? 1 : 2)) % 4);
    const entropy = -0.75 * Math.log(0.75) - 0.25 * Math.log(0.25);
    const { loss, tokens: count } = new BigramModel(written.slice(0, 10_000), 4).loss(
      written.slice(10_000),
    );
    expect(count).toBe(9_999);
    expect(Math.abs(loss - entropy)).toBeLessThan(0.02); // standard deviation of a mean of 10,000 such losses: 0.005
    expect(loss).toBeLessThan(0.6 * Math.log(4));
  });
  it('refuses ids outside the vocabulary and texts without a pair', () => {
    expect(() => new BigramModel([0, 3], 3)).toThrow(/token 1 is 3; ids go from 0 to 2/);
    expect(() => new BigramModel([0, 1], 3, 0)).toThrow(/alpha is 0/);
    expect(() => new BigramModel([0, 1], 3).loss([1])).toThrow(/has 1 tokens; give 2 or more/);
  });
});
