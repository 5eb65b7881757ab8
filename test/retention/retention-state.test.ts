import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { RetentionState } from '../../src/retention/retention-state';
import { expectClose, useTestEngine } from '../helpers';

beforeAll(useTestEngine);
const size = { batch: 2, heads: 3, keyDim: 4, valueDim: 5 };
const filled = (value: number) => tf.fill([2, 3, 4, 5], value) as tf.Tensor4D;

describe('the memory of a retention layer', () => {
  it('holds B · H · Dk · Dv · 4 bytes before the first token and after the millionth', () => {
    const memory = new RetentionState(size);
    expect([memory.length, memory.bytes]).toEqual([0, 2 * 3 * 4 * 5 * 4]);
    tf.tidy(() => memory.advance(filled(1), 1_000_000));
    expect([memory.length, memory.bytes]).toEqual([1_000_000, 2 * 3 * 4 * 5 * 4]);
    memory.dispose();
    expect(memory.bytes).toBe(0);
  });
  it('lives through the tidy it is made and fed in, and holds one tensor whatever it has seen', () => {
    const before = tf.memory().numTensors;
    let made: RetentionState | undefined;
    tf.tidy(() => {
      made = new RetentionState(size);
      for (let n = 1; n <= 5; n++) made.advance(filled(n), 1);
    });
    const memory = made!;
    expect(tf.memory().numTensors).toBe(before + 1);
    tf.tidy(() => expectClose(memory.read().state, filled(5)));
    memory.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
  it('a fork shares the numbers until one side moves on; neither notices the other', () => {
    const memory = new RetentionState(size);
    tf.tidy(() => memory.advance(filled(1), 3));
    const held = tf.memory().numTensors;
    const twin = memory.fork();
    expect(tf.memory().numTensors).toBe(held);
    tf.tidy(() => twin.advance(filled(2), 1));
    expect([memory.length, twin.length]).toEqual([3, 4]);
    memory.dispose();
    memory.dispose(); // twice is once
    tf.tidy(() => expectClose(twin.read().state, filled(2)));
    const third = twin.fork();
    twin.dispose();
    tf.tidy(() => expectClose(third.read().state, filled(2)));
    third.dispose();
    expect(tf.memory().numTensors).toBe(held - 1);
  });
  it('what it hands out is a copy to dispose, and survives it', () => {
    const memory = new RetentionState(size);
    const { state } = memory.read();
    memory.dispose();
    expectClose(state, tf.tidy(() => filled(0)).arraySync());
    state.dispose();
  });
  it('refuses another shape, no tokens, and work after dispose; it then stands where it stood', () => {
    const memory = new RetentionState(size);
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      expect(() => memory.advance(tf.zeros([2, 3, 4, 6]), 1)).toThrow(
        /Dv is 5 in held, but 6 in state/,
      );
      expect(() => memory.advance(filled(1), 0)).toThrow(/tokens is 0/);
    });
    expect([memory.length, tf.memory().numTensors]).toEqual([0, before]);
    memory.dispose();
    expect(() => memory.state).toThrow(/has been disposed; start a new one/);
    expect(() => new RetentionState({ ...size, heads: 0 })).toThrow(/heads is 0/);
  });
});
