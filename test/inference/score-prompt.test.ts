/** Log-probabilities of a prompt: those of the full pass, for any chunk size and after a cache. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { scorePrompt } from '../../src/inference/score-prompt';
import type { LanguageModel } from '../../src/models/language-model';
import { createModel, preset } from '../../src/models/presets';
import { expectClose, SeededRandom, useTestEngine } from '../helpers';

beforeAll(useTestEngine);
const tolerance = { ofLargest: 1e-5, absolute: 1e-6 };
const random = new SeededRandom(44);
const tokens = Array.from({ length: 21 }, () => random.integer(64));

/** ln softmax by the definition, in float64, from the full pass without a cache. */
function byDefinition(model: LanguageModel, text: number[]): number[] {
  const rows = tf.tidy(() => model.forward([text]).arraySync()[0]); // [N, vocab]
  const scores: number[] = [];
  for (const [n, next] of text.slice(1).entries()) {
    let sum = 0;
    for (const logit of rows[n]) sum += Math.exp(logit);
    scores.push(rows[n][next] - Math.log(sum));
  }
  return scores;
}

describe.each(['tiny-yoco', 'tiny-yoco-window', 'tiny-yoco-delta', 'tiny-transformer'])(
  '%s',
  (kind) => {
    it('scores as the definition does, in chunks of any size, and leaves no tensor behind', () => {
      const model = createModel(preset(kind), { seed: 2 });
      const want = byDefinition(model, tokens);
      const before = tf.memory().numTensors;
      for (const prefillChunkSize of [256, 20, 5, 1]) {
        const scores = scorePrompt(model, tokens, { prefillChunkSize });
        expectClose(scores, want, tolerance, `chunks of ${prefillChunkSize}`);
      }
      expect(tf.memory().numTensors).toBe(before);
      model.dispose();
    });

    it('continues a cache, whose last logits predict the first token', () => {
      const model = createModel(preset(kind), { seed: 2 });
      const cache = model.newCache();
      const before = model.prefill([tokens.slice(0, 8)], cache);
      const options = { cache, before, prefillChunkSize: 4 };
      const scores = scorePrompt(model, tokens.slice(8), options);
      expectClose(scores, byDefinition(model, tokens).slice(7), tolerance);
      expect(cache.length).toBe(21);
      before.dispose();
      cache.dispose();
      model.dispose();
    });

    it('an error leaves no tensor behind, and the cache as it was', () => {
      const model = createModel(preset(kind), { seed: 2 });
      const cache = model.newCache();
      const pair = model.newCache(2);
      const logits = model.prefill([tokens.slice(0, 8)], cache); // [1, 64]
      const short = tf.zeros<tf.Rank.R2>([1, 63]);
      const held = { tensors: tf.memory().numTensors, length: cache.length };
      const late = [...tokens.slice(8, 16), 64]; // the last chunk has an id that is no token
      const cases: [text: unknown, options: object, message: string][] = [
        [tokens, { cache, before: short }, 'before is [1,63]; give [1, 64]'],
        [late, { cache, before: logits, prefillChunkSize: 4 }, 'token 8 of sequence 0 is 64'],
        [tokens, { cache: pair }, 'scorePrompt: tokens hold 1 sequences, the cache 2'],
        [tokens, { cache, prefillChunkSize: 0 }, 'scorePrompt: prefillChunkSize is 0'],
        ['whale', { cache }, "a tokenizer's encode(text) makes a row of a text"],
        [[3], {}, '1 token leaves nothing to score; give 2 or more'],
        [[], { cache, before: logits }, 'scorePrompt, prompt 0: there are no tokens'],
      ];
      for (const [text, options, message] of cases) {
        expect(() => scorePrompt(model, text as number[], options), message).toThrow(message);
      }
      const forward = model.forward.bind(model);
      let calls = 0;
      model.forward = (...given: Parameters<typeof forward>) => {
        calls++;
        if (calls === 3) throw new Error('out of memory');
        return forward(...given);
      };
      const chunked = { cache, before: logits, prefillChunkSize: 4 };
      expect(() => scorePrompt(model, tokens, chunked)).toThrow('out of memory');
      expect({ tensors: tf.memory().numTensors, length: cache.length }).toEqual(held);
      tf.dispose([logits, short]);
      cache.dispose();
      pair.dispose();
      model.dispose();
    });
  },
);

it('negative control: scores of each token itself instead of the next differ', () => {
  const model = createModel(preset('tiny-yoco'), { seed: 2 });
  const shifted = byDefinition(model, [...tokens.slice(1), 0]);
  expect(() => expectClose(scorePrompt(model, tokens), shifted, tolerance)).toThrow(/worst error/);
  model.dispose();
});
