/**
 * Operations counted while they run: every matrix product passes a toll gate that books 2·M·K·N and lets it through.
 *
 * What the formula promises and what the machine did should be one number. Where they differ, one of them is wrong.
 */
import * as tf from '@tensorflow/tfjs';
import { peakOf } from '../tensor/ledger';

export interface Counted<T> {
  /** What the work returned; the caller owns it. */
  result: T;
  /** Floating-point operations of all matrix products. */
  flops: number;
  /** How many products that were. */
  products: number;
  /** The most bytes alive at once, beyond what was there before. */
  peakBytes: number;
}

type KernelConfig = Parameters<typeof tf.registerKernel>[0];
const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
const MATRIX_PRODUCT = 'BatchMatMul';
/** Other operations that multiply and add; none of ours uses them, and an uncounted product must not pass unseen. */
const UNCOUNTED = ['_FusedMatMul', 'Einsum', 'Conv2D', 'FusedConv2D', 'DepthwiseConv2dNative'];

/** Runs `work`, which must not be async. @throws Error if it uses a kind of product that the gate does not count. */
export function countOperations<T>(work: () => T): Counted<T> {
  const backendName = tf.getBackend();
  const stock = tf.getKernel(MATRIX_PRODUCT, backendName) as KernelConfig;
  let flops = 0;
  let products = 0;
  const counting: KernelConfig = {
    ...stock,
    kernelFunc: (call) => {
      const out = stock.kernelFunc(call) as tf.TensorInfo;
      const a = call.inputs.a!.shape;
      // out is [..., M, N] and a is [M,K] or [K,M]: K is what a has beside M.
      const K = size(a.slice(-2)) / out.shape.at(-2)!;
      flops += 2 * size(out.shape) * K;
      products++;
      return out;
    },
  };
  const others = UNCOUNTED.flatMap(
    (name) => tf.getKernel(name, backendName) ?? [],
  ) as KernelConfig[];
  const refusing = others.map(
    (config): KernelConfig => ({
      ...config,
      kernelFunc: () => {
        throw new Error(
          `countOperations: the work runs ${config.kernelName}, which is not counted; write it as a matrix product.`,
        );
      },
    }),
  );
  const put = (configs: KernelConfig[]) => {
    for (const config of configs) {
      tf.unregisterKernel(config.kernelName, backendName);
      tf.registerKernel(config);
    }
  };
  put([counting, ...refusing]);
  try {
    const { result, needed } = peakOf(work);
    return { result, flops, products, peakBytes: needed.bytes };
  } finally {
    put([stock, ...others]);
  }
}
