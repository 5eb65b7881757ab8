/**
 * TensorFlow's C++ library through its Node addon: `gpu` if it was built with CUDA and finds a card, `native` without.
 *
 * Both are optional. `@tensorflow/tfjs-node-gpu` downloads a library of several hundred MB when it is installed; where the
 * download is blocked npm leaves the package out, and we say so in one line instead of failing.
 */
import * as tf from '@tensorflow/tfjs';
import { optionalRequire } from './optional-require';
import { restoreUtil } from './node-shim';

const PACKAGES = { gpu: ['@tensorflow/tfjs-node-gpu'], native: ['@tensorflow/tfjs-node', '@tensorflow/tfjs-node-gpu'] } as const;

/** Starts the engine and returns its device in words. @throws Error with the reason and what to do. */
export async function startTensorFlow(kind: 'gpu' | 'native'): Promise<string> {
  restoreUtil();
  loadFirst(PACKAGES[kind]);
  if (!(await tf.setBackend('tensorflow'))) throw new Error('the TensorFlow library loaded, but did not start.');
  const backend = tf.backend() as unknown as { isUsingGpuDevice?: boolean };
  if (kind === 'gpu' && !backend.isUsingGpuDevice)
    throw new Error('the TensorFlow library loaded, but found no CUDA card it can use (it needs CUDA 11.2 and cuDNN 8.1); see docs/engines.md.');
  return backend.isUsingGpuDevice ? 'CUDA through TensorFlow' : 'TensorFlow C++ on the processor';
}

function loadFirst(packages: readonly string[]): void {
  const reasons: string[] = [];
  for (const name of packages) {
    const { loaded, why } = optionalRequire(name);
    if (loaded) return;
    reasons.push(why!);
  }
  throw new Error(reasons.at(-1));
}
