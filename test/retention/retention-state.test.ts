import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { RetentionState } from '../../src/retention/retention-state';
import { expectClose, useTestEngine } from '../helpers';

beforeAll(useTestEngine);
const size = { batch: 2, heads: 3, keyDim: 4, valueDim: 5 };
const filled = (value: number) => tf.fill([2, 3, 4, 5], value) as tf.Tensor4D;

describe('the cache of a retention layer', () => {
  it('holds B · H · Dk · Dv · 4 bytes before the first token and after a million', () => {
    const cache = new RetentionState(size);
    expect([cache.length, cache.bytes]).toEqual([0, 2 * 3 * 4 * 5 * 4]);
    tf.tidy(() => cache.advance(filled(1), 1_000_000));
    expect([cache.length, cache.bytes]).toEqual([1_000_000, 2 * 3 * 4 * 5 * 4]);
    cache.dispose();
    expect(cache.bytes).toBe(0);
  });
  it('outlives the tidy in which it is made and updated, and holds a single tensor', () => {
    const before = tf.memory().numTensors;
    const caches: RetentionState[] = [];
    tf.tidy(() => {
      caches[0] = new RetentionState(size);
      for (let n = 1; n <= 5; n++) caches[0].advance(filled(n), 1);
    });
    expect(tf.memory().numTensors).toBe(before + 1);
    tf.tidy(() => expectClose(caches[0].snapshot().state, filled(5)));
    caches[0].dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
  it('shares its tensor with a fork until one of them moves on; neither changes the other', () => {
    const cache = new RetentionState(size);
    tf.tidy(() => cache.advance(filled(1), 3));
    const held = tf.memory().numTensors;
    const fork = cache.fork();
    expect(tf.memory().numTensors).toBe(held);
    tf.tidy(() => fork.advance(filled(2), 1));
    expect([cache.length, fork.length]).toEqual([3, 4]);
    cache.dispose();
    cache.dispose(); // the second call has no effect
    tf.tidy(() => expectClose(fork.snapshot().state, filled(2)));
    const third = fork.fork();
    fork.dispose();
    tf.tidy(() => expectClose(third.snapshot().state, filled(2)));
    third.dispose();
    expect(tf.memory().numTensors).toBe(held - 1);
  });
  it('counts the tokens of each row without its padding', () => {
    const cache = new RetentionState(size);
    tf.tidy(() => cache.advance(filled(1), 5, [0, 2]));
    tf.tidy(() => cache.advance(filled(1), 1));
    expect([cache.length, cache.lengths]).toEqual([6, [6, 4]]);
    cache.dispose();
  });
  it('gives a snapshot that is a copy and outlives it', () => {
    const cache = new RetentionState(size);
    const { state } = cache.snapshot();
    cache.dispose();
    expectClose(state, tf.tidy(() => filled(0)).arraySync());
    state.dispose();
  });
  it('refuses another shape, no tokens and wrong sizes, and then is as it was', () => {
    const cache = new RetentionState(size);
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      expect(() => cache.advance(tf.zeros([2, 3, 4, 6]), 1)).toThrow(
        /Dv is 5 in held, but 6 in state/,
      );
      expect(() => cache.advance(filled(1), 0)).toThrow(/positions is 0/);
    });
    for (const name of ['batch', 'heads', 'keyDim', 'valueDim'])
      for (const wrong of [0, 1.5, Number.NaN])
        expect(() => new RetentionState({ ...size, [name]: wrong })).toThrow(`${name} is ${wrong}`);
    expect([cache.length, tf.memory().numTensors]).toEqual([0, before]);
    cache.dispose();
  });
  it('after dispose every method that reads or writes throws', () => {
    const cache = new RetentionState(size);
    cache.dispose();
    const before = tf.memory().numTensors;
    const error = (method: string) =>
      `RetentionState.${method}: the cache was disposed; make a new one.`;
    expect(() => cache.state).toThrow(error('state'));
    expect(() => cache.fork()).toThrow(error('fork'));
    expect(() => cache.snapshot()).toThrow(error('snapshot'));
    tf.tidy(() => {
      expect(() => cache.advance(filled(1), 1)).toThrow(error('advance'));
    });
    expect(tf.memory().numTensors).toBe(before);
  });
});
