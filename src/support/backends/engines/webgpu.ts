/**
 * `webgpu`: any graphics card, of any maker, without CUDA, through Dawn and the TensorFlow.js
 * backend for WebGPU.
 *
 * Optional, because its two packages are large: `npm run setup:webgpu` (webgpu/packages.ts).
 *
 * A software device, a program that emulates a graphics card, computes the same numbers far slower
 * than wasm does. It is there for tests, and is taken only where it was asked for: by
 * CACHE_ONCE_ENGINE=webgpu, or by naming its Vulkan driver.
 */
import * as tf from '@tensorflow/tfjs';
import { describeAdapter, findGpu } from '../webgpu/dawn';
import { installWebgpuPatches } from '../webgpu/install';
import { BACKEND, requireWebgpuPackage, setupAdvice } from '../webgpu/packages';
import { type StartedEngine, startBackend } from './started';

function softwareIsWanted(): boolean {
  const { CACHE_ONCE_ENGINE, VK_ICD_FILENAMES, VK_DRIVER_FILES } = process.env;
  return CACHE_ONCE_ENGINE === 'webgpu' || Boolean(VK_ICD_FILENAMES || VK_DRIVER_FILES);
}

export async function startWebgpu(): Promise<StartedEngine> {
  const gpu = findGpu();
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter)
    throw new Error(
      'Dawn finds no graphics card. Install its driver: Vulkan and its loader libvulkan1 ' +
        '(Linux), Metal (macOS) or Direct3D 12 (Windows).',
    );
  const { device, isSoftware } = describeAdapter(adapter);
  if (isSoftware && !softwareIsWanted())
    throw new Error(
      `Dawn finds only a software device (${device}), slower than wasm. Install your graphics ` +
        "card's driver, or set CACHE_ONCE_ENGINE=webgpu to use the software device all the same.",
    );
  // The backend registers itself when it is loaded, but only in what looks like a page or a worker.
  const globals = globalThis as unknown as Record<string, unknown>;
  globals.WorkerGlobalScope ??= class {};
  requireWebgpuPackage(BACKEND.name);
  if (!tf.findBackendFactory('webgpu'))
    throw new Error(
      `${BACKEND.name} brought a TensorFlow.js of its own instead of sharing ours. ` +
        `Delete .cache/webgpu. ${setupAdvice}`,
    );
  // Upstream computes small operations on the processor. A test with small tensors would then
  // not check the programs that a large model runs.
  tf.env().set('WEBGPU_CPU_FORWARD', false);
  await startBackend('webgpu');
  installWebgpuPatches();
  return { device, precision: 'float32' };
}
