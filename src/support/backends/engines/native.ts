/**
 * `gpu` and `native`: TensorFlow's C++ library, with CUDA and without.
 *
 * Three places are searched: what `npm run setup:native` compiled here (../native/library.ts);
 * the package with CUDA as npm installed it (an optional dependency, whose install script
 * downloads a library: present where that worked); and the package without CUDA. The first also
 * computes without a graphics card, and then counts as `native`.
 */
import * as tf from '@tensorflow/tfjs';
import { nativeAdvice, prepareEnvironment, requireCompiled } from '../native/library';
import { restoreRemovedUtil } from '../native/removed-util';
import { loadOptional, type StartedEngine, startBackend } from './started';

const gpuPackage = '@tensorflow/tfjs-node-gpu';
const nativePackage = '@tensorflow/tfjs-node';

/**
 * Starts the first of the three that loads; `onGpu` says whether it found a graphics card.
 * @throws the first error that says more than "not installed", or else the last one.
 */
async function startTensorflow(): Promise<{ onGpu: boolean }> {
  prepareEnvironment();
  await restoreRemovedUtil();
  const loaders = [
    async () => requireCompiled(),
    () => loadOptional(gpuPackage, nativeAdvice),
    () => loadOptional(nativePackage, nativeAdvice),
  ];
  let reason: Error | undefined;
  for (const load of loaders) {
    try {
      await load();
      if (!tf.findBackend('tensorflow'))
        throw new Error(
          'The native package brought a TensorFlow.js of its own instead of sharing ours ' +
            `(${tf.version.tfjs}). ${nativeAdvice}`,
        );
      await startBackend('tensorflow');
      const backend = tf.backend() as unknown as { isUsingGpuDevice?: boolean };
      return { onGpu: Boolean(backend.isUsingGpuDevice) };
    } catch (error) {
      if (!reason || / is not installed\./.test(reason.message)) reason = error as Error;
    }
  }
  throw reason;
}

export async function startGpu(): Promise<StartedEngine> {
  const before = tf.getBackend();
  const { onGpu } = await startTensorflow();
  if (!onGpu) {
    if (before && before !== 'tensorflow') await tf.setBackend(before);
    throw new Error(
      'TensorFlow loads, but sees no graphics card. It needs an NVIDIA card with its driver ' +
        '(nvidia-smi must list it), and CUDA, which npm run setup:native -- --gpu installs.',
    );
  }
  await warmUp();
  return { device: 'CUDA graphics card', precision: 'float32' };
}

export async function startNative(): Promise<StartedEngine> {
  const { onGpu } = await startTensorflow();
  const place = onGpu ? 'on a CUDA graphics card' : 'on the processor';
  return { device: `TensorFlow C++ ${place}`, precision: 'float32' };
}

/**
 * Computes one product. On a card that is newer than the library, the first call compiles its
 * programs, which can take minutes; doing it here keeps that time out of a lesson.
 */
async function warmUp(): Promise<void> {
  const announce = () =>
    console.log(
      'Preparing the graphics card for its first products; on a new card this takes minutes, once.',
    );
  const notice = setTimeout(announce, 5000);
  const product = tf.tidy(() => tf.matMul(tf.ones([64, 64]), tf.ones([64, 64])).sum());
  await product.data();
  product.dispose();
  clearTimeout(notice);
}
