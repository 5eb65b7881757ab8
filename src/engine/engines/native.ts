/**
 * `gpu` and `native`: TensorFlow's C++ library, with CUDA and without.
 *
 * Both come as an npm package whose install script downloads the library; npm treats the package as optional, so an
 * installation succeeds without it. The gpu package also computes without a graphics card, and then counts as `native`.
 */
import * as tf from '@tensorflow/tfjs';
import { restoreRemovedUtil } from './removed-util';
import { loadOptional, type Started, takeBackend } from './started';

const gpuPackage = '@tensorflow/tfjs-node-gpu';
const nativePackage = '@tensorflow/tfjs-node';
const gpuAdvice = 'Run npm ci where its library can be downloaded; it needs Linux, an NVIDIA driver, CUDA 11 and cuDNN 8.';
const nativeAdvice = 'Run npm install --no-save @tensorflow/tfjs-node where its library can be downloaded.';

async function load(name: string, advice: string): Promise<{ onGpu: boolean }> {
  await restoreRemovedUtil();
  await loadOptional(name, advice);
  if (!tf.findBackend('tensorflow'))
    throw new Error(`${name} brought a TensorFlow.js of its own instead of sharing ours (${tf.version.tfjs}). Install the same version of both.`);
  await takeBackend('tensorflow');
  return { onGpu: Boolean((tf.backend() as unknown as { isUsingGpuDevice?: boolean }).isUsingGpuDevice) };
}

export async function startGpu(): Promise<Started> {
  const before = tf.getBackend();
  const { onGpu } = await load(gpuPackage, gpuAdvice);
  if (!onGpu) {
    if (before && before !== 'tensorflow') await tf.setBackend(before);
    throw new Error(`${gpuPackage} loads, but sees no graphics card. It needs an NVIDIA driver, CUDA 11 and cuDNN 8; see npm run doctor.`);
  }
  return { device: 'CUDA graphics card', precision: 'float32' };
}

export async function startNative(): Promise<Started> {
  let why: unknown;
  for (const [name, advice] of [
    [nativePackage, nativeAdvice],
    [gpuPackage, nativeAdvice],
  ] as const) {
    try {
      const { onGpu } = await load(name, advice);
      return { device: onGpu ? 'TensorFlow C++ on a CUDA graphics card' : 'TensorFlow C++ on the processor', precision: 'float32' };
    } catch (error) {
      why ??= error;
    }
  }
  throw why;
}
