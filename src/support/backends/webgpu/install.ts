/** All cures of the webgpu engine, in one list: what is missing or wrong in TensorFlow.js 4.22, and the file that says why. */
import * as tf from '@tensorflow/tfjs';
import { repeatBatch } from '../patches/repeat-batch';
import { type Kernel, replaceKernel } from '../patches/replace-kernel';
import { addInGroups } from './add-n';
import type { WebgpuBackend } from './backend';
import { doublingCumprod, doublingCumsum } from './cumsum';
import { checkDevice, lossOf, watchDevice } from './device-errors';
import { expInFull } from './exp';
import { readSync } from './read-sync';
import { allAsMin, anyAsMax, placeInVector } from './reductions';

const cures: Record<string, (stock: Kernel) => Kernel> = {
  AddN: addInGroups,
  All: allAsMin,
  Any: anyAsMax,
  ArgMax: placeInVector,
  ArgMin: placeInVector,
  BatchMatMul: repeatBatch,
  Cumprod: doublingCumprod,
  Cumsum: doublingCumsum,
  Exp: expInFull,
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
      const values = await read.call(backend, dataId).catch((error: Error) => {
        // A copy that was under way when the card went comes back as an AbortError without a word.
        throw error.name === 'AbortError' ? lossOf(backend) : error;
      });
      checkDevice(backend);
      return values;
    };
    backend.runWebGPUProgram = (...given) => {
      checkDevice(backend);
      return runWebGPUProgram.apply(backend, given);
    };
  }
  for (const name in cures) replaceKernel('webgpu', name, cures[name]);
}
