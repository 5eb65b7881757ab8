/**
 * The wasm engine with its cures: the one that runs on any laptop, and the one that the course is timed on.
 *
 * The stock kernels stay reachable, so that tests can show each fault and benchmarks each gain.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { makeFastBatchMatMul } from './wasm-batch-matmul';
import type { WasmBackend } from './wasm-heap';
import { guardMemory } from './wasm-memory-ceiling';
import { makeSlice, makeSplit } from './wasm-slice';
import { makeTranspose } from './wasm-transpose';
import { unsortedSegmentSum } from './wasm-unsorted-segment-sum';

const stockKernels = new Map<string, tf.KernelConfig>();

/** The kernel that TensorFlow.js brought, if it brought one. */
export const stockKernel = (name: string): tf.KernelConfig | undefined => stockKernels.get(name) ?? tf.getKernel(name, 'wasm') ?? undefined;

function replace(name: string, make: (stock: tf.KernelFunc) => tf.KernelFunc): void {
  const stock = tf.getKernel(name, 'wasm');
  if (stock) {
    stockKernels.set(name, stock);
    tf.unregisterKernel(name, 'wasm');
  }
  tf.registerKernel({ ...stock, kernelName: name, backendName: 'wasm', kernelFunc: make(stock?.kernelFunc as tf.KernelFunc) });
}

let cured = false;

/** Starts wasm and replaces the kernels that are wrong or slow. @throws Error if the engine does not start. */
export async function startWasm(): Promise<void> {
  if (!(await tf.setBackend('wasm'))) throw new Error('the wasm engine did not start; is @tensorflow/tfjs-backend-wasm installed? Run npm ci.');
  await tf.ready();
  const backend = tf.backend() as unknown as WasmBackend;
  guardMemory(backend);
  if (cured) return;
  cured = true;
  replace('BatchMatMul', (stock) => makeFastBatchMatMul(stock, () => tf.backend() as unknown as WasmBackend));
  replace('Slice', makeSlice);
  replace('SplitV', makeSplit);
  replace('Transpose', makeTranspose);
  if (!tf.getKernel('UnsortedSegmentSum', 'wasm')) replace('UnsortedSegmentSum', () => unsortedSegmentSum);
}
