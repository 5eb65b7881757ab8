/** `wasm`: compiled vector code that comes inside its npm package. It needs nothing, works everywhere, and is the default. */
import * as tf from '@tensorflow/tfjs';
import { getThreadsCount } from '@tensorflow/tfjs-backend-wasm';
import { installWasmCures } from '../wasm/install';
import { type Started, takeBackend } from './started';

export async function startWasm(): Promise<Started> {
  await takeBackend('wasm');
  installWasmCures();
  const simd = await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT');
  const threads = getThreadsCount();
  return {
    device: `WebAssembly${simd ? ' with SIMD' : ''}, ${threads} thread${threads > 1 ? 's' : ''}`,
    precision: 'float32',
  };
}
