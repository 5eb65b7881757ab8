/**
 * WebGPU in Node through Dawn: any graphics card, no CUDA. Opt-in: `npm install webgpu @tensorflow/tfjs-backend-webgpu`.
 */
import * as tf from '@tensorflow/tfjs';
import { optionalRequire } from './optional-require';

interface Dawn {
  create(flags: string[]): unknown;
  globals: Record<string, unknown>;
}

/** Starts the engine and returns its device in words. @throws Error with the reason and what to do. */
export async function startWebGPU(): Promise<string> {
  const dawn = optionalRequire('webgpu');
  if (!dawn.loaded) throw new Error(dawn.why);
  const { create, globals } = dawn.loaded as Dawn;
  Object.assign(globalThis, globals);
  const gpu = create([]) as { requestAdapter(): Promise<{ info?: { description?: string; vendor?: string } } | null> };
  Object.defineProperty(globalThis, 'navigator', { value: { gpu }, configurable: true, writable: true });
  const adapter = await gpu.requestAdapter();
  if (!adapter) throw new Error('Dawn found no graphics card (no Vulkan, Metal or D3D12 driver).');
  const backend = optionalRequire('@tensorflow/tfjs-backend-webgpu');
  if (!backend.loaded) throw new Error(backend.why);
  if (!(await tf.setBackend('webgpu'))) throw new Error('WebGPU has a card, but TensorFlow.js could not start on it.');
  return `WebGPU on ${adapter.info?.description || adapter.info?.vendor || 'a graphics card'}`;
}
