/**
 * Floating-point operations counted while they run: every matrix product adds 2·M·K·N.
 *
 * The formulas of operations.ts and this counter must give the same number; tests compare them.
 */
import * as tf from '@tensorflow/tfjs';

type KernelConfig = Parameters<typeof tf.registerKernel>[0];

const COUNTED = 'BatchMatMul';
/** Other kernels that multiply and add. The models use none of them; the counter refuses them. */
const REFUSED = ['_FusedMatMul', 'Einsum', 'Conv2D', 'FusedConv2D', 'DepthwiseConv2dNative'];

/**
 * Runs `work`, which must not be async, and counts the floating-point operations of its matrix
 * products. The caller owns the result.
 * @throws Error if it runs a product that is not counted, such as a convolution.
 */
export function countFlops<T>(work: () => T): { result: T; flops: number } {
  let flops = 0;
  const originals: KernelConfig[] = [];
  for (const name of [COUNTED, ...REFUSED]) {
    const kernel = tf.getKernel(name, tf.getBackend()) as KernelConfig | undefined;
    if (kernel) originals.push(kernel);
  }
  const counting = originals.map(({ kernelName, kernelFunc, ...rest }): KernelConfig => {
    const counted: typeof kernelFunc = (call) => {
      if (kernelName !== COUNTED)
        throw new Error(`countFlops: ${kernelName} is not counted; write it as a matrix product.`);
      const product = kernelFunc(call) as tf.TensorInfo; // [..., M, N]
      const [rows, columns] = call.inputs.a!.shape.slice(-2); // [M, K], or [K, M] transposed
      const K = (rows * columns) / product.shape.at(-2)!;
      flops += 2 * tf.util.sizeFromShape(product.shape) * K;
      return product;
    };
    return { ...rest, kernelName, kernelFunc: counted };
  });

  registerAll(counting);
  try {
    const result = work();
    return { result, flops };
  } finally {
    registerAll(originals);
  }
}

function registerAll(kernels: KernelConfig[]): void {
  for (const kernel of kernels) {
    tf.unregisterKernel(kernel.kernelName, kernel.backendName);
    tf.registerKernel(kernel);
  }
}
