/**
 * `webgpu`: any graphics card, of any maker, without CUDA, through Dawn and the TensorFlow.js backend for WebGPU.
 *
 * Opt-in, because its two packages are large: `npm run setup:webgpu` (webgpu/packages.ts).
 *
 * A software device, a program that plays a graphics card, computes the same numbers far slower than wasm does. It is there
 * for tests, and is taken only where it was asked for: by CACHE_ONCE_ENGINE=webgpu, or by naming its Vulkan driver.
 */
import * as tf from '@tensorflow/tfjs';
import { describeAdapter, findGpu } from '../webgpu/dawn';
import { installWebgpuCures } from '../webgpu/install';
import { BACKEND, requireOptional, setupAdvice } from '../webgpu/packages';
import { type Started, takeBackend } from './started';

const softwareIsWanted = (
  { CACHE_ONCE_ENGINE, VK_ICD_FILENAMES, VK_DRIVER_FILES } = process.env,
): boolean => CACHE_ONCE_ENGINE === 'webgpu' || Boolean(VK_ICD_FILENAMES || VK_DRIVER_FILES);

export async function startWebgpu(): Promise<Started> {
  const gpu = findGpu();
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter)
    throw new Error(
      'Dawn finds no graphics card. Install its driver: Vulkan and its loader libvulkan1 (Linux), Metal (macOS) or Direct3D 12 (Windows).',
    );
  const { device, isSoftware } = describeAdapter(adapter);
  if (isSoftware && !softwareIsWanted())
    throw new Error(
      `Dawn finds only a software device (${device}), slower than wasm. ` +
        "Install your graphics card's driver, or set CACHE_ONCE_ENGINE=webgpu to use the software device all the same.",
    );
  // The backend registers itself when it is loaded, and only where it believes to be in a page or a worker.
  const scope = globalThis as unknown as Record<string, unknown>;
  scope.WorkerGlobalScope ??= class {};
  requireOptional(BACKEND.name);
  if (!tf.findBackendFactory('webgpu'))
    throw new Error(
      `${BACKEND.name} brought a TensorFlow.js of its own instead of sharing ours. Delete .cache/webgpu. ${setupAdvice}`,
    );
  // Stock hands small operations to the processor. What a small test checks would then not be what a large model runs.
  tf.env().set('WEBGPU_CPU_FORWARD', false);
  await takeBackend('webgpu');
  installWebgpuCures();
  return { device, precision: 'float32' };
}
