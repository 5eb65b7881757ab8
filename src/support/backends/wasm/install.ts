/** All patches of the wasm engine. Each file says what is slow or wrong in TensorFlow.js 4.22. */
import * as tf from '@tensorflow/tfjs';
import { countAxisFromFront } from '../patches/cumsum-axis';
import { type Kernel, replaceKernel } from '../patches/replace-kernel';
import { unsortedSegmentSum } from '../patches/unsorted-segment-sum';
import type { WasmBackend } from './backend';
import { fastBatchMatMul } from './batch-mat-mul';
import { undoFailedKernels } from './failed-kernels';
import { fastGather } from './gather';
import { guardMemory } from './heap-limit';
import { fastConcat, fastStack, fastTile } from './join';
import { fastSlice, fastSplit } from './slice';
import { fastTranspose } from './transpose';

const patches: Record<string, (upstream: Kernel) => Kernel> = {
  BatchMatMul: fastBatchMatMul,
  Cumsum: countAxisFromFront,
  Transpose: fastTranspose,
  Slice: fastSlice,
  SplitV: fastSplit,
  GatherV2: fastGather,
  UnsortedSegmentSum: unsortedSegmentSum,
  Concat: fastConcat,
  Pack: fastStack,
  Tile: fastTile,
};

/** Call when wasm is the current engine; a second call changes nothing. */
export function installWasmPatches(): void {
  const backend = tf.backend() as unknown as WasmBackend;
  guardMemory(backend);
  for (const name in patches) replaceKernel('wasm', name, patches[name]);
  undoFailedKernels(backend);
}
