/** Wasm kernels that run out of memory half-way give back what they had taken. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, it } from 'vitest';
import { useEngine } from '../../../src/support/backends/use-engine';
import type { WasmBackend } from '../../../src/support/backends/wasm/backend';
import { ledger } from '../../../src/tensor/ledger';
import { expectUpstreamFault } from './upstream';

const kernels: Record<string, (x: tf.Tensor3D) => tf.Tensor> = {
  'a product of batches': (x) => tf.matMul(x, x),
  'a product with a transposed operand': (x) => tf.matMul(x, x, true),
  'a sum over the first axis': (x) => x.sum(0),
  'a mean over the middle axis': (x) => x.mean(1),
  'a softmax': (x) => tf.softmax(x),
};

/** What is held after each request for memory that failed; the last entry: none failed. */
function heldAfterFailures(kernel: () => tf.Tensor): object[] {
  const backend = tf.backend() as unknown as WasmBackend & tf.KernelBackend;
  const { _malloc } = backend.wasm;
  const held: object[] = [];
  let requests: number;
  do {
    requests = 0;
    backend.wasm._malloc = (bytes) => {
      requests++;
      if (requests === held.length + 1) throw new Error('no memory');
      return _malloc(bytes);
    };
    try {
      tf.tidy(() => void kernel());
    } catch (error) {
      expect((error as Error).message).toBe('no memory');
    } finally {
      backend.wasm._malloc = _malloc;
    }
    held.push({ ...ledger(), data: backend.numDataIds() });
  } while (requests >= held.length);
  return held;
}

beforeAll(() => useEngine('wasm'));

it.each(Object.entries(kernels))('%s', (_, kernel) => {
  const x: tf.Tensor3D = tf.ones([3, 4, 4]);
  const held = heldAfterFailures(() => kernel(x));
  expect(held.length).toBeGreaterThan(1);
  expect(new Set(held.map((one) => JSON.stringify(one))).size).toBe(1);
  x.dispose();
  expect([tf.backend().numDataIds(), ledger().bytes]).toEqual([0, 0]);
});

it('upstream leaves references behind', () => {
  expectUpstreamFault('wasm/failed-kernels.ts', () => {
    const x: tf.Tensor3D = tf.ones([3, 4, 4]);
    heldAfterFailures(() => tf.matMul(x, x));
    x.dispose();
    return tf.backend().numDataIds() === 0;
  });
});
