/** `wasm`: compiled vector code inside its npm package. Needs nothing else: the default. */
import * as tf from '@tensorflow/tfjs';
import { getThreadsCount } from '@tensorflow/tfjs-backend-wasm';
import { installWasmPatches } from '../wasm/install';
import { type StartedEngine, startBackend } from './started';

export async function startWasm(): Promise<StartedEngine> {
  await startBackend('wasm');
  installWasmPatches();
  const simd = await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT');
  const threads = getThreadsCount();
  const threadsInWords = `${threads} thread${threads > 1 ? 's' : ''}`;
  return {
    device: `WebAssembly${simd ? ' with SIMD' : ''}, ${threadsInWords}`,
    precision: 'float32',
  };
}
