/** `cpu`: plain JavaScript. Always works, easiest to step through, and the slowest by far. */
import * as tf from '@tensorflow/tfjs';
import { countAxisFromFront } from '../patches/cumsum-axis';
import { repeatBatch } from '../patches/repeat-batch';
import { replaceKernel } from '../patches/replace-kernel';
import { unsortedSegmentSum } from '../patches/unsorted-segment-sum';
import { type StartedEngine, startBackend } from './started';

export async function startCpu(): Promise<StartedEngine> {
  await startBackend('cpu');
  // Its first tensor would print a banner that recommends another package.
  (tf.backend() as unknown as { firstUse: boolean }).firstUse = false;
  replaceKernel('cpu', 'BatchMatMul', repeatBatch);
  replaceKernel('cpu', 'Cumsum', countAxisFromFront);
  replaceKernel('cpu', 'UnsortedSegmentSum', unsortedSegmentSum);
  return { device: 'JavaScript, one core', precision: 'float32' };
}
