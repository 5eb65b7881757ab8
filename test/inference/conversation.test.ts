import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { Conversation } from '../../src/inference/conversation';
import { generate } from '../../src/inference/generate';
import type { LanguageModel } from '../../src/models/language-model';
import { expectClose, useTestEngine } from '../helpers';
import { FadingModel } from './fading-model';

beforeAll(useTestEngine);
const said = [[1, 2, 3], [4], [5, 0, 2, 1]];

/** Runs without a cache between turns: the whole text so far is prefilled again in every turn. */
async function freshRuns(model: LanguageModel) {
  const text: number[] = [];
  const answers: number[][] = [];
  const logits: Float32Array[] = [];
  for (const given of said) {
    text.push(...given);
    const run = await generate(model, [text], {
      maxNewTokens: 5,
      onToken: (step) => logits.push(step.logits[0]),
    });
    answers.push(run.tokens[0]);
    text.push(...run.tokens[0]);
  }
  return { answers, logits };
}

describe('a conversation', () => {
  it('answers as a run over the whole text would, and prefills only what is new', async () => {
    const model = new FadingModel();
    const want = await freshRuns(model);
    const conversation = new Conversation(model);
    const logits: Float32Array[] = [];
    for (const given of said)
      for await (const step of conversation.sayStream(given, { maxNewTokens: 5 }))
        logits.push(step.logits[0]);
    expect(conversation.turns.map((turn) => turn.answer)).toEqual(want.answers);
    expectClose(logits, want.logits);
    // 3 new; then the last answer's last token and 1 new; then that and 4 new: 10 in all. Runs
    // without a cache take 3 + 9 + 18.
    expect(conversation.turns.map((turn) => turn.prefilled)).toEqual([3, 2, 5]);
    expect(conversation.turns.map((turn) => turn.reused)).toEqual([0, 7, 13]);
    expect(model.prefills).toEqual([3, 9, 18, 3, 2, 5]);
    expect(conversation.tokens).toEqual(said.flatMap((given, i) => [...given, ...want.answers[i]]));
    conversation.dispose();
  });
  it('negative control: without the last token of each answer, the logits differ', async () => {
    const model = new FadingModel();
    const want = await freshRuns(model);
    const cache = model.newCache(1);
    const logits: Float32Array[] = [];
    for (const given of said)
      await generate(model, [given], {
        maxNewTokens: 5,
        cache,
        onToken: (step) => logits.push(step.logits[0]),
      });
    expect(() => expectClose(logits, want.logits)).toThrow(/worst error/);
    cache.dispose();
  });
  it('continues after an interrupted answer from the tokens that were read', async () => {
    const model = new FadingModel();
    const conversation = new Conversation(model);
    for await (const { index } of conversation.sayStream([1, 2, 3], { maxNewTokens: 9 }))
      if (index === 1) break;
    expect(conversation.turns[0].answer.length).toBe(2);
    const second = await conversation.say([4], { maxNewTokens: 4 });
    const fresh = await generate(model, [[1, 2, 3, ...conversation.turns[0].answer, 4]], {
      maxNewTokens: 4,
    });
    expect(second.answer).toEqual(fresh.tokens[0]);
    conversation.dispose();
  });
  it('forks into two that do not change each other', async () => {
    const model = new FadingModel();
    const one = new Conversation(model);
    await one.say([1, 2], { maxNewTokens: 3 });
    const other = one.fork();
    const inOther = await other.say([6, 6], { maxNewTokens: 6 });
    const inOne = await one.say([3], { maxNewTokens: 6 });
    const start = one.turns[0];
    const fresh = async (given: number[]) =>
      (await generate(model, [[...start.given, ...start.answer, ...given]], { maxNewTokens: 6 }))
        .tokens[0];
    expect(inOne.answer).toEqual(await fresh([3]));
    expect(inOther.answer).toEqual(await fresh([6, 6]));
    one.dispose();
    other.dispose();
  });
  it('holds the tensors of one cache only, and frees them', async () => {
    const model = new FadingModel();
    const before = tf.memory().numTensors;
    const conversation = new Conversation(model);
    const held = tf.memory().numTensors;
    for (const given of said) {
      await conversation.say(given, { maxNewTokens: 3 });
      expect(tf.memory().numTensors).toBe(held);
    }
    conversation.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
  it('refuses a turn that is not allowed, and is then unchanged', async () => {
    const model = new FadingModel();
    const conversation = new Conversation(model);
    await conversation.say([1], { maxNewTokens: 2 });
    const before = { tokens: conversation.tokens, length: conversation.cache.length };
    await expect(conversation.say([], { maxNewTokens: 2 })).rejects.toThrow(
      /Conversation.say, prompt 0: there are no tokens/,
    );
    await expect(conversation.say([2], { maxNewTokens: 0 })).rejects.toThrow(/maxNewTokens is 0/);
    const text = 'Hello' as unknown as number[];
    await expect(conversation.say(text, { maxNewTokens: 2 })).rejects.toThrow(
      /Hello|encode\(text\)/,
    );
    expect([conversation.tokens, conversation.cache.length]).toEqual([
      before.tokens,
      before.length,
    ]);
    const stream = conversation.sayStream([2], { maxNewTokens: 3 });
    await stream.next();
    await expect(conversation.say([3], { maxNewTokens: 2 })).rejects.toThrow(
      /Conversation.say: generate is still using this cache; let it finish first/,
    );
    expect(() => conversation.fork()).toThrow(/fork: generate is still using this cache/);
    await stream.return();
    expect(conversation.tokens.slice(0, before.tokens.length)).toEqual(before.tokens);
    expect(conversation.turns.length).toBe(2);
    expect(() => new Conversation(model, model.newCache(2))).toThrow(
      /Conversation: tokens hold 1 sequences, the cache 2/,
    );
    conversation.dispose();
  });
});
