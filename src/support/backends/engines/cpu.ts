/** `cpu`: plain JavaScript. Always there, easiest to step through, and the slowest by far. */
import * as tf from '@tensorflow/tfjs';
import { countAxisFromFront } from '../patches/cumsum-axis';
import { repeatBatch } from '../patches/repeat-batch';
import { replaceKernel } from '../patches/replace-kernel';
import { unsortedSegmentSum } from '../wasm/gather';
import { type Started, takeBackend } from './started';

export async function startCpu(): Promise<Started> {
  await takeBackend('cpu');
  // Its first tensor prints a banner that recommends another package; the report has said already what was taken and why.
  (tf.backend() as unknown as { firstUse: boolean }).firstUse = false;
  replaceKernel('cpu', 'BatchMatMul', repeatBatch);
  replaceKernel('cpu', 'Cumsum', countAxisFromFront);
  replaceKernel('cpu', 'UnsortedSegmentSum', unsortedSegmentSum);
  return { device: 'JavaScript, one core', precision: 'float32' };
}
