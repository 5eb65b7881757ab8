/** Log-probabilities of a prompt: the full pass, whatever the pieces, with or without a past. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { scorePrompt } from '../../src/inference/score-prompt';
import { createModel } from '../../src/models/create-model';
import type { LanguageModel } from '../../src/models/language-model';
import { preset } from '../../src/models/presets';
import { expectClose, SeededRandom, useTestEngine } from '../helpers';

beforeAll(useTestEngine);
const tolerance = { ofLargest: 1e-5, absolute: 1e-6 };
const tokens = Array.from(
  { length: 21 },
  (
    (random) => () =>
      random.integer(64)
  )(new SeededRandom(44)),
);

/** ln softmax by the definition, in float64, from the full pass without a cache. */
function byDefinition(model: LanguageModel, text: number[]): number[] {
  const rows = tf.tidy(() => model.logits([text]).arraySync()[0]);
  return text
    .slice(1)
    .map((next, n) => rows[n][next] - Math.log(rows[n].reduce((sum, x) => sum + Math.exp(x), 0)));
}

describe.each(['tiny-yoco', 'tiny-yoco-window', 'tiny-transformer'])('%s', (kind) => {
  it('scores what the definition scores, in any pieces, and leaves nothing behind', () => {
    const model = createModel(preset(kind), { seed: 2 });
    const want = byDefinition(model, tokens);
    const before = tf.memory().numTensors;
    for (const pieceSize of [256, 20, 5, 1])
      expectClose(
        scorePrompt(model, tokens, { pieceSize }),
        want,
        tolerance,
        `pieces of ${pieceSize}`,
      );
    expect(tf.memory().numTensors).toBe(before);
    model.dispose();
  });

  it('goes on from a cache, whose last logits foretell the first token', () => {
    const model = createModel(preset(kind), { seed: 2 });
    const cache = model.newCache();
    const before = model.prefill([tokens.slice(0, 8)], cache);
    const scores = scorePrompt(model, tokens.slice(8), { cache, before, pieceSize: 4 });
    expectClose(scores, byDefinition(model, tokens).slice(7), tolerance);
    expect(cache.length).toBe(21);
    before.dispose();
    cache.dispose();
    model.dispose();
  });
});

it('can it fail? the score of the token itself instead of the next is another', () => {
  const model = createModel(preset('tiny-yoco'), { seed: 2 });
  const shifted = byDefinition(model, [...tokens.slice(1), 0]);
  expect(() => expectClose(scorePrompt(model, tokens), shifted, tolerance)).toThrow(/worst error/);
  expect(() => scorePrompt(model, [3])).toThrow(/1 tokens leave nothing to score; give 2 or more/);
  model.dispose();
});
