/**
 * transpose on wasm: where two neighbouring groups of axes change places, it is a batch of matrix
 * transposes, and flip.ts is faster for large ones. For small ones, and for any other order of
 * axes, upstream's kernel is good.
 */
import type * as tf from '@tensorflow/tfjs';
import type { Kernel } from '../patches/replace-kernel';
import { hasWords, type KernelCall, sizeOf, wordsOf } from './backend';
import { flip } from './flip';

/** `[batch, rows, columns]` if the permutation only swaps the last two groups of axes. */
export function asMatrixFlip(
  shape: readonly number[],
  perm: readonly number[],
): [number, number, number] | undefined {
  const order = perm.filter((axis) => shape[axis] !== 1); // axes of length 1 do not move numbers
  const sorted = [...order].sort((x, y) => x - y);
  const from = order.findIndex((axis, i) => axis !== sorted[i]);
  if (from < 0) return undefined;
  const moved = order.slice(from);
  const first = moved.indexOf(sorted[from]); // where the leading group begins now
  const swapped = [...moved.slice(first), ...moved.slice(0, first)];
  if (swapped.some((axis, i) => axis !== sorted[from + i])) return undefined;
  const length = (axes: number[]) => sizeOf(axes.map((axis) => shape[axis]));
  return [length(order.slice(0, from)), length(moved.slice(first)), length(moved.slice(0, first))];
}

/**
 * The size of a matrix from which on flip.ts is faster: below it, all that upstream's kernel jumps
 * over stays in the processor's cache.
 */
const large = 2 ** 16;

type Transpose = KernelCall<{ x: tf.TensorInfo }, { perm: number[] }>;

export const fastTranspose =
  (upstream: Kernel): Kernel =>
  (call) => {
    const { backend, inputs, attrs } = call as unknown as Transpose;
    const { x } = inputs;
    const matrices = asMatrixFlip(x.shape, attrs.perm);
    if (!matrices || !hasWords(x)) return upstream(call);
    const [batch, rows, columns] = matrices;
    const size = rows * columns;
    if (size < large) return upstream(call);

    const outShape = attrs.perm.map((axis) => x.shape[axis]);
    const out = backend.makeOutput(outShape, x.dtype);
    const from = wordsOf(backend, x);
    const to = wordsOf(backend, out);
    for (let i = 0; i < batch; i++) flip(to, i * size, from, i * size, rows, columns);
    return out;
  };
