/** What TensorFlow.js does when left alone: the reason for each cure, checked, so that a cure can go when its reason has gone. */
import { withStockGradients } from '../../../src/support/backends/patches/gradients';
import { withStockKernels } from '../../../src/support/backends/patches/replace-kernel';

/** Passes while stock TensorFlow.js has the fault; `isRight` computes with it and says whether the result was right. */
export function expectStockFault(cure: string, isRight: () => boolean): void {
  let right: boolean;
  try {
    right = withStockGradients(() => withStockKernels(isRight));
  } catch {
    right = false; // an exception is a fault too
  }
  if (right) throw new Error(`upstream mended this, drop the cure: ${cure}`);
}
