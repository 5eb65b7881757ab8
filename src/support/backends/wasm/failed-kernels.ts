/**
 * A wasm kernel that fails, for want of memory, leaves nothing behind.
 *
 * Upstream's kernels are written as if nothing could fail. When BatchMatMul gets no memory for its
 * result, the references that it has taken on its operands are never given back, and these can
 * never be freed; Sum loses a transposed copy of its operand. Here the data and references that a
 * kernel has taken are listed while it runs, and given back if it throws.
 */
import * as tf from '@tensorflow/tfjs';
import type { WasmBackend } from './backend';

const guarded = new WeakSet<WasmBackend>();

/** Guards all kernels that are registered now; a second call changes nothing. */
export function undoFailedKernels(backend: WasmBackend): void {
  if (guarded.has(backend)) return;
  guarded.add(backend);

  /** What the running kernel holds: a data id for each reference. */
  let held: object[] | undefined;
  const { write, incRef, disposeData } = backend;
  backend.write = (...data) => {
    const dataId = write.apply(backend, data);
    held?.push(dataId);
    return dataId;
  };
  backend.incRef = (dataId) => {
    incRef.call(backend, dataId);
    held?.push(dataId);
  };
  backend.disposeData = (dataId, force) => {
    const last = held?.lastIndexOf(dataId) ?? -1;
    if (last >= 0) held?.splice(last, 1);
    return disposeData.call(backend, dataId, force);
  };

  for (const kernel of tf.getKernelsForBackend('wasm')) {
    const { kernelFunc } = kernel;
    kernel.kernelFunc = (call) => {
      const heldOutside = held;
      held = [];
      try {
        return kernelFunc(call);
      } catch (error) {
        for (const dataId of [...(held ?? [])]) backend.disposeData(dataId);
        throw error;
      } finally {
        held = heldOutside;
      }
    };
  }
}
