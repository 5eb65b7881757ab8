/**
 * `gpu` and `native`: TensorFlow's C++ library, with CUDA and without.
 *
 * Looked for in three places: what `npm run setup:native` compiled here (../native/library.ts), which you have asked for and
 * is the newest; the package as npm installed it (an optional dependency, whose install script downloads a library: present
 * where that worked); and its sibling without CUDA. The gpu package also computes without a graphics card, and then counts as `native`.
 */
import * as tf from '@tensorflow/tfjs';
import { nativeAdvice, prepareEnvironment, requireCompiled } from '../native/library';
import { restoreRemovedUtil } from './removed-util';
import { loadOptional, type Started, takeBackend } from './started';

const gpuPackage = '@tensorflow/tfjs-node-gpu';
const nativePackage = '@tensorflow/tfjs-node';

/** Loads the first that can be loaded. @throws the first refusal that is more than "not installed", or the last. */
async function loadAny(): Promise<{ onGpu: boolean }> {
  prepareEnvironment();
  await restoreRemovedUtil();
  let why: Error | undefined;
  for (const load of [
    async () => requireCompiled(),
    () => loadOptional(gpuPackage, nativeAdvice),
    () => loadOptional(nativePackage, nativeAdvice),
  ]) {
    try {
      await load();
      if (!tf.findBackend('tensorflow'))
        throw new Error(
          `The native package brought a TensorFlow.js of its own instead of sharing ours (${tf.version.tfjs}). ${nativeAdvice}`,
        );
      await takeBackend('tensorflow');
      return {
        onGpu: Boolean(
          (tf.backend() as unknown as { isUsingGpuDevice?: boolean }).isUsingGpuDevice,
        ),
      };
    } catch (error) {
      const refusal = error as Error;
      if (!why || / is not installed\./.test(why.message)) why = refusal;
    }
  }
  throw why;
}

export async function startGpu(): Promise<Started> {
  const before = tf.getBackend();
  const { onGpu } = await loadAny();
  if (!onGpu) {
    if (before && before !== 'tensorflow') await tf.setBackend(before);
    throw new Error(
      'TensorFlow loads, but sees no graphics card. It needs an NVIDIA card with its driver (nvidia-smi must list it), and CUDA, which npm run setup:native -- --gpu brings.',
    );
  }
  await warmUp();
  return { device: 'CUDA graphics card', precision: 'float32' };
}

export async function startNative(): Promise<Started> {
  const { onGpu } = await loadAny();
  return {
    device: onGpu ? 'TensorFlow C++ on a CUDA graphics card' : 'TensorFlow C++ on the processor',
    precision: 'float32',
  };
}

/** On a card younger than the library its programs are translated at the first call, which takes minutes; better now than in a lesson. */
async function warmUp(): Promise<void> {
  const notice = setTimeout(
    () =>
      console.log(
        'Preparing the graphics card for its first products; on a new card this takes minutes, once.',
      ),
    5000,
  );
  const product = tf.tidy(() => tf.matMul(tf.ones([64, 64]), tf.ones([64, 64])).sum());
  await product.data();
  product.dispose();
  clearTimeout(notice);
}
