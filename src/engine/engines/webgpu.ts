/**
 * `webgpu`: any graphics card, through Dawn, the implementation of WebGPU that Chromium uses, built for Node.
 *
 * Opt-in, because the two packages are large: npm install --no-save webgpu @tensorflow/tfjs-backend-webgpu@4.22.0
 * Dawn gives Node what a browser page has, `navigator.gpu`; the TensorFlow.js backend looks for it when it loads.
 */
import * as tf from '@tensorflow/tfjs';
import { loadOptional, type Started, takeBackend } from './started';

const advice = 'Run npm install --no-save webgpu @tensorflow/tfjs-backend-webgpu@4.22.0.';

interface Adapter {
  info?: { vendor?: string; description?: string; device?: string };
}
interface Gpu {
  requestAdapter(): Promise<Adapter | null>;
}

export async function startWebgpu(): Promise<Started> {
  const dawn = await loadOptional('webgpu', advice);
  const scope = globalThis as unknown as Record<string, unknown> & { navigator?: { gpu?: Gpu } };
  let gpu = scope.navigator?.gpu;
  if (!gpu) {
    gpu = (dawn.create as (options: string[]) => Gpu)([]);
    Object.assign(globalThis, dawn.globals);
    // Node's own navigator (21 and later) is read-only, but takes new properties; older ones have none.
    if (!scope.navigator) Object.defineProperty(globalThis, 'navigator', { value: {}, configurable: true, writable: true });
    Object.defineProperty(scope.navigator, 'gpu', { value: gpu, configurable: true });
  }
  const adapter = await gpu.requestAdapter();
  if (!adapter) throw new Error('Dawn finds no graphics card. Install its Vulkan (Linux), Metal (macOS) or Direct3D (Windows) driver.');
  // The backend registers itself only where it believes to be in a page or a worker.
  scope.WorkerGlobalScope ??= class {};
  await loadOptional('@tensorflow/tfjs-backend-webgpu', advice);
  if (!tf.findBackendFactory('webgpu')) throw new Error('The webgpu backend did not register with TensorFlow.js. Install version 4.22.0 of both.');
  await takeBackend('webgpu');
  const { description, device, vendor } = adapter.info ?? {};
  return { device: description || device || vendor || 'graphics card', precision: 'float32' };
}
