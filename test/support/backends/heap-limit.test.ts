import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { useEngine } from '../../../src/support/backends/use-engine';
import { offsetOf, type WasmBackend } from '../../../src/support/backends/wasm/backend';
import {
  limitEngineMemory,
  OutOfEngineMemory,
} from '../../../src/support/backends/wasm/heap-limit';

beforeAll(() => useEngine('wasm'));

const stillComputes = () =>
  expect(tf.tidy(() => tf.matMul(tf.ones([3, 40]), tf.ones([40, 50])).dataSync()[7])).toBe(40);
/** Expects a refusal that leaves no tensor and no buffer behind. */
function refused(work: () => tf.Tensor, message: RegExp): void {
  const before = { ...tf.memory() };
  expect(() => tf.tidy(work)).toThrow(message);
  expect(() => tf.tidy(work)).toThrow(OutOfEngineMemory);
  expect(tf.memory().numTensors).toBe(before.numTensors);
  expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers);
  stillComputes();
}

describe('where the wasm engine cannot hold what is asked', () => {
  it('the error says how much was asked, held and allowed, and what to do', () => {
    const kept = tf.zeros([1024, 1024]);
    const before = limitEngineMemory(tf.memory().numBytes + 2 ** 20);
    try {
      refused(
        () => tf.fill([1024, 1024], 1),
        /cannot hold 4 MB more: its tensors hold 4 MB of at most 5 MB.*Work in smaller pieces.*CACHE_ONCE_ENGINE=native/s,
      );
    } finally {
      limitEngineMemory(before);
      kept.dispose();
    }
  });
  it('the copies that a product makes for itself count as well', () => {
    // [64,1024]·[1024,1024]: the operands exist, the result is small, but B is copied once into the multiplier's order.
    const [a, b] = [tf.ones([64, 1024]), tf.ones([1024, 1024])];
    const [c, d] = [tf.ones([2, 600, 512]), tf.ones([2, 600, 512])];
    const before = limitEngineMemory(tf.memory().numBytes + 2 ** 20);
    try {
      refused(() => tf.matMul(a, b), /cannot hold 4 MB more/);
      refused(() => tf.matMul(c, d, false, true), /cannot hold (3|1) MB more/);
    } finally {
      limitEngineMemory(before);
      tf.dispose([a, b, c, d]);
    }
  });
  it('more than 32-bit offsets reach is refused, where stock would grant the lowest 32 bits of it', () => {
    refused(() => tf.matMul(tf.ones([32768, 1]), tf.ones([1, 32769])), /cannot hold 4096 MB more/);
  });
  it('some 3 GB can be held, and what comes after is refused without harm', () => {
    const backend = tf.backend() as unknown as WasmBackend;
    const reserved: tf.TensorInfo[] = []; // taken, never touched: no gigabyte is really written
    try {
      for (const megabytes of [1000, 1000, 600])
        reserved.push(backend.makeOutput([megabytes * 2 ** 18], 'float32'));
      refused(
        () => tf.matMul(tf.ones([16384, 1]), tf.ones([1, 16384])),
        /cannot hold 1024 MB more: .* of at most 3071 MB/,
      );
      // To the last megabyte, in smaller and smaller pieces: none of them may reach what the compiled code needs for itself.
      expect(() => {
        for (let words = 2 ** 24; ; words = Math.max(2 ** 14, words / 2)) {
          try {
            reserved.push(backend.makeOutput([words], 'float32'));
          } catch (error) {
            if (words === 2 ** 14) throw error;
          }
        }
      }).toThrow(OutOfEngineMemory);
    } finally {
      for (const { dataId } of reserved) backend.disposeData(dataId);
    }
    stillComputes();
  });
  it('numbers above 2 GB, where offsets turn negative for the compiled code, are right', () => {
    const backend = tf.backend() as unknown as WasmBackend;
    const reserved = [1000, 1000, 600].map((megabytes) =>
      backend.makeOutput([megabytes * 2 ** 18], 'float32'),
    );
    const x = tf.tidy(() => tf.range(0, 3000 * 2600).reshape([3000, 2600]));
    expect(offsetOf(backend, x)).toBeGreaterThan(2 ** 31);
    tf.tidy(() => {
      const last = 3000 * 2600 - 1;
      expect(Array.from(x.slice([2999, 2598], [1, 2]).dataSync())).toEqual([last - 1, last]);
      expect(Array.from(x.transpose().slice([2598, 2999], [2, 1]).dataSync())).toEqual([
        last - 1,
        last,
      ]);
      expect(tf.concat([x, x], 1).slice([2999, 5199], [1, 1]).dataSync()[0]).toBe(last);
      expect(tf.gather(x, tf.tensor1d([2999], 'int32')).dataSync()[2599]).toBe(last);
      expect(x.add(1).sum(1).dataSync()[0]).toBe((2600 * 2601) / 2);
      const ones = tf.ones([2600, 16]);
      for (const product of [tf.matMul(x, ones), tf.matMul(ones, x, true, true).transpose()])
        expect(product.slice([0, 5], [1, 1]).dataSync()[0]).toBe((2599 * 2600) / 2);
    });
    for (const { dataId } of reserved) backend.disposeData(dataId);
    x.dispose();
    stillComputes();
  });
  it('a ceiling that cannot be is refused', () => {
    expect(() => limitEngineMemory(2 ** 33)).toThrow(
      /limitEngineMemory: 8589934592 bytes; give 1 to/,
    );
    expect(() => limitEngineMemory(0)).toThrow(RangeError);
  });
});
