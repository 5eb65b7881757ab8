import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { withStockKernels } from '../../src/engine/replace-kernel';
import { useEngine } from '../../src/engine/use-engine';
import { limitEngineMemory, OutOfEngineMemory } from '../../src/engine/wasm/memory-ceiling';

beforeAll(() => useEngine('wasm'));

const stillComputes = () => tf.tidy(() => expect(tf.matMul(tf.ones([3, 40]), tf.ones([40, 50])).dataSync()[7]).toBe(40));
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
      refused(() => tf.fill([1024, 1024], 1), /cannot hold 4 MB more: its tensors hold 4 MB of at most 5 MB.*Work in smaller pieces.*CACHE_ONCE_ENGINE=native/s);
    } finally {
      limitEngineMemory(before);
      kept.dispose();
    }
  });
  it('the copies that a product makes for itself count as well', () => {
    // [64,1024]·[1024,1024]: the operands exist, the result is small, but B is copied once into the multiplier's order.
    const [a, b] = [tf.ones([64, 1024]), tf.ones([1024, 1024])];
    const before = limitEngineMemory(tf.memory().numBytes + 2 ** 20);
    try {
      refused(() => tf.matMul(a, b), /cannot hold 4 MB more/);
      refused(() => tf.matMul(a, b, false, true), /cannot hold 4 MB more/);
    } finally {
      limitEngineMemory(before);
      tf.dispose([a, b]);
    }
  });
  it('more than 32-bit offsets reach is refused, where stock would grant the lowest 32 bits of it', () => {
    refused(() => tf.matMul(tf.ones([32768, 1]), tf.ones([1, 32769])), /cannot hold 4096 MB more/);
  });
  it('an attention matrix of 16384 × 16384 fits four times less one, and the next is refused without harm', () => {
    const whole: tf.Tensor[] = [];
    try {
      const one = () => tf.matMul(tf.zeros([16384, 1]), tf.zeros([1, 16384])); // 1 GB each
      expect(() => {
        for (let i = 0; i < 5; i++) whole.push(tf.tidy(one));
      }).toThrow(/cannot hold 1024 MB more: its tensors hold (2048|3072) MB of at most 4096 MB/);
      expect(whole.length).toBeGreaterThanOrEqual(2);
      stillComputes();
    } finally {
      tf.dispose(whole);
    }
  });
  it('numbers above 2 GB, where offsets turn negative for the compiled code, are right', () => {
    const ballast = [tf.buffer([1]).toTensor()];
    const backend = tf.backend() as unknown as { makeOutput(shape: number[], dtype: string): tf.TensorInfo; wasm: { _free(p: number): void }; disposeData(id: object): void };
    const held = [0, 1, 2].map(() => backend.makeOutput([2 ** 28 - 2 ** 20], 'float32')); // reserved, never touched
    const x = tf.range(0, 300 * 260).reshape([300, 260]);
    const offset = (tf.backend() as unknown as { getMemoryOffset(id: object): number }).getMemoryOffset(x.dataId);
    expect(offset).toBeGreaterThan(2 ** 31);
    tf.tidy(() => {
      const last = [299 * 260 + 258, 299 * 260 + 259];
      expect(Array.from(x.slice([299, 258], [1, 2]).dataSync())).toEqual(last);
      expect(Array.from(x.transpose().slice([258, 299], [2, 1]).dataSync())).toEqual(last);
      const product = () => tf.matMul(x.div(1000), x.div(1000), false, true).slice([299, 0], [1, 300]).dataSync();
      const [ours, stock] = [product(), withStockKernels(product)];
      ours.forEach((v, i) => expect(Math.abs(v - stock[i]!)).toBeLessThan(1e-5 * Math.abs(stock[299]!)));
      expect(x.add(1).sum(1).dataSync()[0]).toBe((259 * 260) / 2 + 260);
      expect(Array.from(tf.concat([x, x], 1).slice([299, 519], [1, 1]).dataSync())).toEqual([last[1]]);
    });
    for (const info of held) backend.disposeData(info.dataId);
    tf.dispose([x, ...ballast]);
    stillComputes();
  });
  it('a ceiling that cannot be is refused', () => {
    expect(() => limitEngineMemory(2 ** 33)).toThrow(/limitEngineMemory: 8589934592 bytes; give 1 to/);
    expect(() => limitEngineMemory(0)).toThrow(RangeError);
  });
});
