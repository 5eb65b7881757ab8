import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { Conversation } from '../../src/inference/conversation';
import { generate } from '../../src/inference/generate';
import type { LanguageModel } from '../../src/models/language-model';
import { expectClose, useTestEngine } from '../helpers';
import { FadingModel } from './fading-model';

beforeAll(useTestEngine);
const said = [[1, 2, 3], [4], [5, 0, 2, 1]];

/** What a run that remembers nothing gives: the whole text so far, prefilled again, in every turn. */
async function freshRuns(
  model: LanguageModel,
): Promise<{ answers: number[][]; logits: Float32Array[]; prefilled: number }> {
  const text: number[] = [];
  const answers: number[][] = [];
  const logits: Float32Array[] = [];
  let prefilled = 0;
  for (const given of said) {
    text.push(...given);
    const run = await generate(model, [text], {
      maxNewTokens: 5,
      onToken: (step) => logits.push(step.logits[0]),
    });
    answers.push(run.tokens[0]);
    text.push(...run.tokens[0]);
    prefilled += run.prefilled;
  }
  return { answers, logits, prefilled };
}

describe('a conversation', () => {
  it('answers every turn as a fresh run over the whole text would, and prefills only what is new', async () => {
    const model = new FadingModel();
    const want = await freshRuns(model);
    const conversation = new Conversation(model);
    const logits: Float32Array[] = [];
    for (const given of said)
      for await (const step of conversation.sayStream(given, { maxNewTokens: 5 }))
        logits.push(step.logits[0]);
    expect(conversation.turns.map((turn) => turn.answer)).toEqual(want.answers);
    expectClose(logits, want.logits);
    // 3 new; then the last answer's last token and 1 new; then that and 4 new. A fresh run takes 3 + 9 + 18.
    expect(conversation.turns.map((turn) => turn.prefilled)).toEqual([3, 2, 5]);
    expect(conversation.turns.map((turn) => turn.reused)).toEqual([0, 7, 13]);
    expect([conversation.prefilled, want.prefilled]).toEqual([10, 30]);
    expect(conversation.tokens).toEqual(said.flatMap((given, i) => [...given, ...want.answers[i]]));
    conversation.dispose();
  });
  it('can it fail? without the token that was handed out but not fed back', async () => {
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
  it('that was interrupted goes on from what was heard', async () => {
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
  it('forks into two that do not hear each other', async () => {
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
  it('holds one cache and nothing else, and gives it back', async () => {
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
  it('refuses a turn it cannot take, and stands where it stood', async () => {
    const model = new FadingModel();
    const conversation = new Conversation(model);
    await conversation.say([1], { maxNewTokens: 2 });
    const stood = { tokens: conversation.tokens, length: conversation.cache.length };
    await expect(conversation.say([], { maxNewTokens: 2 })).rejects.toThrow(/nothing was said/);
    await expect(conversation.say([2], { maxNewTokens: 0 })).rejects.toThrow(/maxNewTokens is 0/);
    const stream = conversation.sayStream([2], { maxNewTokens: 3 });
    await stream.next();
    await expect(conversation.say([3], { maxNewTokens: 2 })).rejects.toThrow(
      /last answer is still coming/,
    );
    expect(() => conversation.fork()).toThrow(/last answer is still coming/);
    await stream.return();
    expect(conversation.tokens.slice(0, stood.tokens.length)).toEqual(stood.tokens);
    expect(conversation.turns.length).toBe(2);
    expect(() => new Conversation(model, model.newCache(2))).toThrow(
      /holds 2 sequences; a conversation has 1/,
    );
    conversation.dispose();
  });
});
