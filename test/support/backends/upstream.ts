/**
 * TensorFlow.js without our patches. Each patch has a test that shows the fault it repairs, so that
 * the patch can be dropped once upstream has repaired it.
 */
import { withUpstreamGradients } from '../../../src/support/backends/patches/gradients';
import { withUpstreamKernels } from '../../../src/support/backends/patches/replace-kernel';

/**
 * Passes while TensorFlow.js as delivered has the fault; `isRight` computes with it and says
 * whether the result is right.
 */
export function expectUpstreamFault(patch: string, isRight: () => boolean): void {
  let right: boolean;
  try {
    right = withUpstreamGradients(() => withUpstreamKernels(isRight));
  } catch {
    right = false; // an exception is a fault too
  }
  if (right) throw new Error(`upstream has repaired this, drop the patch: ${patch}`);
}
