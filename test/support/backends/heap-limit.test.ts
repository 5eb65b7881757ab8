import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { useEngine } from '../../../src/support/backends/use-engine';
import { offsetOf, type WasmBackend } from '../../../src/support/backends/wasm/backend';
import {
  limitEngineMemory,
  OutOfEngineMemory,
} from '../../../src/support/backends/wasm/heap-limit';

beforeAll(() => useEngine('wasm'));

const wasmBackend = () => tf.backend() as unknown as WasmBackend;
/** Allocates without writing, so that no gigabyte of real memory is used. */
const reserve = (megabytes: number): tf.TensorInfo =>
  wasmBackend().makeOutput([megabytes * 2 ** 18], 'float32');
function free(reserved: tf.TensorInfo[]): void {
  for (const { dataId } of reserved) wasmBackend().disposeData(dataId);
}

function expectStillComputes(): void {
  const product = tf.tidy(() => tf.matMul(tf.ones([3, 40]), tf.ones([40, 50])).dataSync());
  expect(product[7]).toBe(40);
}
/** Expects an error that leaves no tensor and no buffer behind. */
function expectRefused(work: () => tf.Tensor, message: RegExp): void {
  const before = { ...tf.memory() };
  expect(() => tf.tidy(work)).toThrow(message);
  expect(() => tf.tidy(work)).toThrow(OutOfEngineMemory);
  expect(tf.memory().numTensors).toBe(before.numTensors);
  expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers);
  expectStillComputes();
}

describe('when the wasm engine cannot hold what is asked', () => {
  it('the error says how much was asked, held and allowed, and what to do', () => {
    const kept = tf.zeros([1024, 1024]);
    const before = limitEngineMemory(tf.memory().numBytes + 2 ** 20);
    try {
      const numbers = 'cannot hold 4 MB more: its tensors hold 4 MB of at most 5 MB';
      const advice = 'Compute less at a time.*CACHE_ONCE_ENGINE=native';
      expectRefused(() => tf.fill([1024, 1024], 1), new RegExp(`${numbers}.*${advice}`, 's'));
    } finally {
      limitEngineMemory(before);
      kept.dispose();
    }
  });
  it('the copies that a product makes inside count as well', () => {
    // [64,1024]·[1024,1024]: the result is small, but B is copied once into the multiplier's order.
    const [a, b] = [tf.ones([64, 1024]), tf.ones([1024, 1024])];
    const [c, d] = [tf.ones([2, 600, 512]), tf.ones([2, 600, 512])];
    const before = limitEngineMemory(tf.memory().numBytes + 2 ** 20);
    try {
      expectRefused(() => tf.matMul(a, b), /cannot hold 4 MB more/);
      expectRefused(() => tf.matMul(c, d, false, true), /cannot hold (3|1) MB more/);
    } finally {
      limitEngineMemory(before);
      tf.dispose([a, b, c, d]);
    }
  });
  it('a request above 4 GB is refused, where upstream grants its lowest 32 bits', () => {
    expectRefused(
      () => tf.matMul(tf.ones([32768, 1]), tf.ones([1, 32769])),
      /cannot hold 4096 MB more/,
    );
  });
  it('about 3 GB can be held, and what exceeds it is refused without harm', () => {
    const reserved: tf.TensorInfo[] = [];
    try {
      for (const megabytes of [1000, 1000, 600]) reserved.push(reserve(megabytes));
      expectRefused(
        () => tf.matMul(tf.ones([16384, 1]), tf.ones([1, 16384])),
        /cannot hold 1024 MB more: .* of at most 3071 MB/,
      );
      // Fill the rest, in smaller and smaller pieces: none of them may take what the compiled code
      // needs for itself.
      expect(() => {
        for (let megabytes = 64; ; megabytes = Math.max(2 ** -4, megabytes / 2)) {
          try {
            reserved.push(reserve(megabytes));
          } catch (error) {
            if (megabytes === 2 ** -4) throw error;
          }
        }
      }).toThrow(OutOfEngineMemory);
    } finally {
      free(reserved);
    }
    expectStillComputes();
  });
  it('tensors above 2 GB, where the compiled code has negative offsets, are right', () => {
    const reserved = [1000, 1000, 600].map(reserve);
    const x = tf.tidy(() => tf.range(0, 3000 * 2600).reshape([3000, 2600]));
    expect(offsetOf(wasmBackend(), x)).toBeGreaterThan(2 ** 31);
    tf.tidy(() => {
      const last = 3000 * 2600 - 1;
      const rowEnd = x.slice([2999, 2598], [1, 2]);
      expect(Array.from(rowEnd.dataSync())).toEqual([last - 1, last]);
      const columnEnd = x.transpose().slice([2598, 2999], [2, 1]);
      expect(Array.from(columnEnd.dataSync())).toEqual([last - 1, last]);
      const joined = tf.concat([x, x], 1);
      expect(joined.slice([2999, 5199], [1, 1]).dataSync()[0]).toBe(last);
      const lastRow = tf.gather(x, tf.tensor1d([2999], 'int32'));
      expect(lastRow.dataSync()[2599]).toBe(last);
      expect(x.add(1).sum(1).dataSync()[0]).toBe((2600 * 2601) / 2);

      const ones = tf.ones([2600, 16]);
      const rowSums = (2599 * 2600) / 2; // of row 0
      const product = tf.matMul(x, ones);
      expect(product.slice([0, 5], [1, 1]).dataSync()[0]).toBe(rowSums);
      const transposed = tf.matMul(ones, x, true, true);
      expect(transposed.slice([5, 0], [1, 1]).dataSync()[0]).toBe(rowSums);
    });
    free(reserved);
    x.dispose();
    expectStillComputes();
  });
  it('refuses a limit of more than 3 GB or of nothing', () => {
    expect(() => limitEngineMemory(2 ** 33)).toThrow(
      /limitEngineMemory: 8589934592 bytes; give 1 to/,
    );
    expect(() => limitEngineMemory(0)).toThrow(RangeError);
  });
});
