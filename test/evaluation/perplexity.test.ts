/** The loss of a text against loops in plain numbers, and the bigram baseline. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { BigramModel } from '../../src/evaluation/bigram';
import { measureLoss } from '../../src/evaluation/perplexity';
import type { LanguageModel, Tokens } from '../../src/models/language-model';
import { seededStream } from '../../src/tensor/random';
import { useTestEngine } from '../helpers';
import { FadingModel } from '../inference/fading-model';

beforeAll(useTestEngine);
const text = Int32Array.from({ length: 23 }, (_, i) => (i * i + 3 * i) % 7);

/** The definition, window by window: Σ ln Σ exp(logits) − logit of the next token. */
function natsByDefinition(model: LanguageModel, tokens: Int32Array, context: number) {
  let nats = 0;
  let count = 0;
  for (let start = 0; start < tokens.length - 1; start += context) {
    const window = [...tokens.slice(start, Math.min(start + context, tokens.length - 1))];
    const logits = tf.tidy(() => model.forward([window]).arraySync())[0]; // [N, V]
    for (const [n, row] of logits.entries()) {
      let total = 0;
      for (const logit of row) total += Math.exp(logit);
      nats += Math.log(total) - row[tokens[start + n + 1]];
      count++;
    }
  }
  return { nats, count };
}

/** A model that gives every token of 7 the same logit. */
const constantModel = (logit: number) => ({
  forward: (tokens: Tokens) => tf.fill<tf.Rank.R3>([...(tokens as tf.Tensor2D).shape, 7], logit),
});

describe('the loss of a text', () => {
  it.each([
    [1, 1],
    [4, 3],
    [5, 2],
    [11, 8],
    [22, 8],
    [99, 8],
  ])('predicts every token but the first once: windows of %d, %d at a time', async (c, batch) => {
    const model = new FadingModel();
    const { nats, count } = natsByDefinition(model, text, c);
    expect(count).toBe(22);
    const measured = await measureLoss(model, text, { context: c, batch, bytes: 30 });
    expect(measured.tokens).toBe(22);
    // float32 logits of size 5: 1e-6 of the sum is ten times the worst seen, 1e-7.
    expect(Math.abs(measured.loss * 22 - nats)).toBeLessThan(1e-6 * nats);
    expect(measured.perplexity).toBeCloseTo(Math.exp(nats / 22), 4);
    expect(measured.bitsPerByte).toBeCloseTo(nats / Math.log(2) / 30, 6);
  });

  it.each([0, 3e38])('is ln V for a model whose logits are all %d', async (logit) => {
    const { loss } = await measureLoss(constantModel(logit), text, { context: 5 });
    expect(loss).toBeCloseTo(Math.log(7), 6);
  });

  it('the comparison notices targets that are one place too far', async () => {
    const model = new FadingModel();
    const expected = natsByDefinition(model, text, 22).nats / 22;
    const shifted = await measureLoss(model, text.slice(1), { context: 22 });
    expect(Math.abs(shifted.loss - expected)).toBeGreaterThan(1e-3);
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

  it('gives the probabilities that are counted by hand', () => {
    const bigram = new BigramModel(tokens, 3); // α is 5
    // 0 is followed by 1 three times and by 2 once.
    // p(1) = (3 + 1) / (8 + 3), so p(1|0) = (3 + 5·4/11) / (4 + 5)
    expect(bigram.probability(0, 1)).toBeCloseTo((3 + 20 / 11) / 9, 12);
    expect(bigram.probability(0, 2)).toBeCloseTo((1 + 10 / 11) / 9, 12);
    // 1 is also the last token: it is followed by another one only twice.
    expect(bigram.probability(1, 0)).toBeCloseTo((2 + 25 / 11) / 7, 12);
  });

  it('gives a distribution after every token, also after one that never occurred', () => {
    const bigram = new BigramModel(tokens, 5);
    for (let a = 0; a < 5; a++) {
      const probabilities = [0, 1, 2, 3, 4].map((b) => bigram.probability(a, b));
      expect(probabilities.reduce((x, y) => x + y)).toBeCloseTo(1, 12);
      expect(Math.min(...probabilities)).toBeGreaterThan(0);
    }
  });

  it('has the entropy as its loss on a text that a bigram process generated', () => {
    // After a: a + 1 with 3/4, a + 2 with 1/4 (mod 4). The entropy is 0.5623 nats.
    const random = seededStream(2);
    const generated = [0];
    for (let n = 1; n < 20_000; n++) {
      generated.push((generated[n - 1] + (random.uniform() < 0.75 ? 1 : 2)) % 4);
    }
    const entropy = -0.75 * Math.log(0.75) - 0.25 * Math.log(0.25);
    const bigram = new BigramModel(generated.slice(0, 10_000), 4);
    const { loss, tokens: count } = bigram.loss(generated.slice(10_000));
    expect(count).toBe(9_999);
    // The standard deviation of a mean of 10,000 such losses is 0.005.
    expect(Math.abs(loss - entropy)).toBeLessThan(0.02);
    expect(loss).toBeLessThan(0.6 * Math.log(4));
  });

  it('refuses ids outside the vocabulary and texts without a pair', () => {
    expect(() => new BigramModel([0, 3], 3)).toThrow(/token 1 is 3; ids go from 0 to 2/);
    expect(() => new BigramModel([0, 1], 3).loss([1])).toThrow(/has 1 tokens; give 2 or more/);
  });
});
