/**
 * Replacing kernels. A kernel is the function that computes one operation on one engine;
 * TensorFlow.js keeps them in a table.
 *
 * A patch puts its own function in the place of upstream's and keeps upstream's: as a fallback, for
 * the benchmark that compares the two, and for the tests that show which patches are still needed.
 */
import * as tf from '@tensorflow/tfjs';

export type Kernel = NonNullable<ReturnType<typeof tf.getKernel>>['kernelFunc'];
type KernelConfig = Parameters<typeof tf.registerKernel>[0];
interface Replacement {
  /** Undefined if the engine never had the operation. */
  upstream?: KernelConfig;
  patched: KernelConfig;
}
const replacements = new Map<string, Replacement>();

function register(config: KernelConfig): void {
  // Registering over an existing kernel prints a warning, so that one is unregistered first.
  if (tf.getKernel(config.kernelName, config.backendName))
    tf.unregisterKernel(config.kernelName, config.backendName);
  tf.registerKernel(config);
}

/**
 * Installs `makePatch(upstream)` for an operation; a second call changes nothing. `upstream` throws
 * if the engine never had that operation.
 */
export function replaceKernel(
  backendName: string,
  kernelName: string,
  makePatch: (upstream: Kernel) => Kernel,
): void {
  const key = `${backendName} ${kernelName}`;
  if (replacements.has(key)) return;
  const upstream = tf.getKernel(kernelName, backendName) as KernelConfig | undefined;
  const missing: Kernel = () => {
    throw new Error(
      `${kernelName}: the ${backendName} engine has no such kernel for these inputs. ` +
        'Try CACHE_ONCE_ENGINE=cpu.',
    );
  };
  const kernelFunc = makePatch(upstream?.kernelFunc ?? missing);
  const patched = { ...upstream, kernelName, backendName, kernelFunc };
  replacements.set(key, { upstream, patched });
  register(patched);
}

/** Runs `work` with upstream's kernels: TensorFlow.js as it is delivered. */
export function withUpstreamKernels<T>(work: () => T): T {
  for (const { upstream, patched } of replacements.values()) {
    if (upstream) register(upstream);
    else tf.unregisterKernel(patched.kernelName, patched.backendName);
  }
  try {
    return work();
  } finally {
    for (const { patched } of replacements.values()) register(patched);
  }
}

/** The operations that have a patch on this engine. */
export function patchedKernels(backendName: string): string[] {
  const names: string[] = [];
  for (const { patched } of replacements.values()) {
    if (patched.backendName === backendName) names.push(patched.kernelName);
  }
  return names;
}
