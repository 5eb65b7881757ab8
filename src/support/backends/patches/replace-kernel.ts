/**
 * A kernel is the function that computes one operation on one engine; TensorFlow.js keeps them in a table.
 * A cure puts its own function in the stock one's place, and keeps the stock one: as a fallback, for the benchmark that
 * compares the two, and for the tests that tell when upstream has mended what we cure.
 */
import * as tf from '@tensorflow/tfjs';

export type Kernel = NonNullable<ReturnType<typeof tf.getKernel>>['kernelFunc'];
type KernelConfig = Parameters<typeof tf.registerKernel>[0];
interface Replaced {
  stock?: KernelConfig;
  cured: KernelConfig;
}
const replaced = new Map<string, Replaced>();

function put(config: KernelConfig): void {
  // Registering over an existing kernel prints a warning, so the old one leaves first.
  if (tf.getKernel(config.kernelName, config.backendName))
    tf.unregisterKernel(config.kernelName, config.backendName);
  tf.registerKernel(config);
}

/** Installs `make(stock)` for an operation, once; `stock` throws if the engine never had that operation. */
export function replaceKernel(
  backendName: string,
  kernelName: string,
  make: (stock: Kernel) => Kernel,
): void {
  const key = `${backendName} ${kernelName}`;
  if (replaced.has(key)) return;
  const stock = tf.getKernel(kernelName, backendName) as KernelConfig | undefined;
  const missing: Kernel = () => {
    throw new Error(
      `${kernelName}: the ${backendName} engine has no such kernel for these inputs. Try CACHE_ONCE_ENGINE=cpu.`,
    );
  };
  const cured = {
    ...stock,
    kernelName,
    backendName,
    kernelFunc: make(stock?.kernelFunc ?? missing),
  };
  replaced.set(key, { stock, cured });
  put(cured);
}

/** Computes `work` with the stock kernels in place: TensorFlow.js as it is delivered. */
export function withStockKernels<T>(work: () => T): T {
  for (const { stock, cured } of replaced.values())
    if (stock) put(stock);
    else tf.unregisterKernel(cured.kernelName, cured.backendName);
  try {
    return work();
  } finally {
    for (const { cured } of replaced.values()) put(cured);
  }
}

/** The operations that have a cure on this engine, for the report. */
export const curedKernels = (backendName: string): string[] =>
  [...replaced.values()]
    .filter(({ cured }) => cured.backendName === backendName)
    .map(({ cured }) => cured.kernelName);
