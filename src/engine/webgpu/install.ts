/** All cures of the webgpu engine, in one list: what is missing or wrong in TensorFlow.js 4.22, and the file that says why. */
import * as tf from '@tensorflow/tfjs';
import { repeatBatch } from '../repeat-batch';
import { type Kernel, replaceKernel } from '../replace-kernel';
import { addInGroups } from './add-n';
import type { WebgpuBackend } from './backend';
import { doublingCumsum } from './cumsum';
import { checkDevice, watchDevice } from './device-errors';
import { readSync } from './read-sync';

const cures: Record<string, (stock: Kernel) => Kernel> = {
  AddN: addInGroups,
  BatchMatMul: repeatBatch,
  Cumsum: doublingCumsum,
};

const cured = new WeakSet<WebgpuBackend>();

/** Call when webgpu is the current engine; a second call changes nothing. */
export function installWebgpuCures(): void {
  const backend = tf.backend() as unknown as WebgpuBackend;
  if (!cured.has(backend)) {
    cured.add(backend);
    watchDevice(backend);
    const { read, runWebGPUProgram } = backend;
    backend.readSync = (dataId) => {
      const values = readSync(backend, dataId);
      checkDevice(backend);
      return values;
    };
    backend.read = async (dataId) => {
      const values = await read.call(backend, dataId);
      checkDevice(backend);
      return values;
    };
    backend.runWebGPUProgram = (...given) => {
      checkDevice(backend);
      return runWebGPUProgram.apply(backend, given);
    };
  }
  for (const name in cures) replaceKernel('webgpu', name, cures[name]!);
}
