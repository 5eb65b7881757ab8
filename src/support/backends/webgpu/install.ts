/** All patches of the webgpu engine. Each file says what is wrong in TensorFlow.js 4.22. */
import * as tf from '@tensorflow/tfjs';
import { repeatBatch } from '../patches/repeat-batch';
import { type Kernel, replaceKernel } from '../patches/replace-kernel';
import { addInGroups } from './add-n';
import type { WebgpuBackend } from './backend';
import { doublingCumprod, doublingCumsum } from './cumsum';
import { checkDevice, lossOf, watchDevice } from './device-errors';
import { withPreciseExp } from './exp';
import { readSync } from './read-sync';
import { allAsMin, anyAsMax, scalarForVector } from './reductions';

const patches: Record<string, (upstream: Kernel) => Kernel> = {
  AddN: addInGroups,
  All: allAsMin,
  Any: anyAsMax,
  ArgMax: scalarForVector,
  ArgMin: scalarForVector,
  BatchMatMul: repeatBatch,
  Cumprod: doublingCumprod,
  Cumsum: doublingCumsum,
  Exp: withPreciseExp,
};

const patched = new WeakSet<WebgpuBackend>();

/** Call when webgpu is the current engine; a second call changes nothing. */
export function installWebgpuPatches(): void {
  const backend = tf.backend() as unknown as WebgpuBackend;
  if (!patched.has(backend)) {
    patched.add(backend);
    watchDevice(backend);
    checkAfterReads(backend);
  }
  for (const name in patches) replaceKernel('webgpu', name, patches[name]);
}

/** Replaces the backend's methods that read and compute by ones that throw the device's errors. */
function checkAfterReads(backend: WebgpuBackend): void {
  const { read, runWebGPUProgram } = backend;
  backend.readSync = (dataId) => {
    const values = readSync(backend, dataId);
    checkDevice(backend);
    return values;
  };
  backend.read = async (dataId) => {
    const values = await read.call(backend, dataId).catch((error: Error) => {
      // A read that was pending when the card was lost fails with an AbortError without a reason.
      throw error.name === 'AbortError' ? lossOf(backend) : error;
    });
    checkDevice(backend);
    return values;
  };
  backend.runWebGPUProgram = (...args) => {
    checkDevice(backend);
    return runWebGPUProgram.apply(backend, args);
  };
}
