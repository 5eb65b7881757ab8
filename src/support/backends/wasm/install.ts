/** All cures of the wasm engine, in one list: what is slow or wrong in TensorFlow.js 4.22, and the file that says why. */
import * as tf from '@tensorflow/tfjs';
import { countAxisFromFront } from '../patches/cumsum-axis';
import { type Kernel, replaceKernel } from '../patches/replace-kernel';
import type { WasmBackend } from './backend';
import { fastBatchMatMul } from './batch-mat-mul';
import { rowGather, unsortedSegmentSum } from './gather';
import { guardMemory } from './heap-limit';
import { runConcat, runStack, runTile } from './join';
import { leanSlice, leanSplit } from './slice';
import { fastTranspose } from './transpose';

const cures: Record<string, (stock: Kernel) => Kernel> = {
  BatchMatMul: fastBatchMatMul,
  Cumsum: countAxisFromFront,
  Transpose: fastTranspose,
  Slice: leanSlice,
  SplitV: leanSplit,
  GatherV2: rowGather,
  UnsortedSegmentSum: unsortedSegmentSum,
  Concat: runConcat,
  Pack: runStack,
  Tile: runTile,
};

/** Call when wasm is the current engine; a second call changes nothing. */
export function installWasmCures(): void {
  guardMemory(tf.backend() as unknown as WasmBackend);
  for (const name in cures) replaceKernel('wasm', name, cures[name]);
}
