/**
 * Transposing on wasm: when the axes fall into two neighbouring groups that change places, it is a batch of matrix flips,
 * and large ones have a faster way (see flip.ts). Small ones, and any other order of axes, the stock kernel is good at.
 */
import type * as tf from '@tensorflow/tfjs';
import type { Kernel } from '../patches/replace-kernel';
import { hasWords, type KernelCall, sizeOf, wordsOf } from './backend';
import { flip } from './flip';

/** `[batch, rows, columns]` if the permutation only swaps the last two groups of axes, else undefined. */
export function asMatrixFlip(
  shape: readonly number[],
  perm: readonly number[],
): [number, number, number] | undefined {
  const order = perm.filter((axis) => shape[axis] !== 1); // axes of length 1 move for free
  const sorted = [...order].sort((x, y) => x - y);
  const from = order.findIndex((axis, i) => axis !== sorted[i]);
  if (from < 0) return undefined;
  const moved = order.slice(from);
  const first = moved.indexOf(sorted[from]); // where the leading group has gone
  const swapped = [...moved.slice(first), ...moved.slice(0, first)];
  if (swapped.some((axis, i) => axis !== sorted[from + i])) return undefined;
  const length = (axes: number[]) => sizeOf(axes.map((axis) => shape[axis]));
  return [length(order.slice(0, from)), length(moved.slice(first)), length(moved.slice(0, first))];
}

/** Numbers in one matrix from which on flip.ts is faster: until then, the stock kernel's long jumps stay inside the cache. */
const large = 2 ** 16;

export const fastTranspose =
  (stock: Kernel): Kernel =>
  (call) => {
    const { backend, inputs, attrs } = call as unknown as KernelCall<
      { x: tf.TensorInfo },
      { perm: number[] }
    >;
    const { x } = inputs;
    const matrices = asMatrixFlip(x.shape, attrs.perm);
    if (!matrices || matrices[1] * matrices[2] < large || !hasWords(x)) return stock(call);
    const [batch, rows, columns] = matrices;
    const out = backend.makeOutput(
      attrs.perm.map((axis) => x.shape[axis]),
      x.dtype,
    );
    const [from, to] = [wordsOf(backend, x), wordsOf(backend, out)];
    const size = rows * columns;
    for (let i = 0; i < batch; i++) flip(to, i * size, from, i * size, rows, columns);
    return out;
  };
