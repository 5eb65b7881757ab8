import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
export type EngineName = 'gpu' | 'native' | 'webgpu' | 'wasm' | 'cpu';
export interface EngineReport { name: EngineName; device: string; precision: string; passedOver: { name: EngineName; why: string }[] }
export async function useEngine(name?: EngineName): Promise<EngineReport> {
  const take = name ?? (process.env.CACHE_ONCE_ENGINE as EngineName | undefined) ?? 'wasm';
  await tf.setBackend(take);
  await tf.ready();
  return { name: take, device: take, precision: 'float32', passedOver: [] };
}
