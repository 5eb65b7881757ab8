/**
 * The shapes a reader sees are the shapes that are checked, so they cannot go stale.
 *
 * `readShapes('attention', { q: 'B N H D', k: 'B M H D' }, { q, k })` returns `{ B, N, H, D, M }`
 * and refuses, before anything is allocated, when one letter would have to mean two numbers.
 */
import type { Tensor } from '@tensorflow/tfjs';

/** The letters of `'B H N Dk'` as a type: `'B' | 'H' | 'N' | 'Dk'`. */
type Letters<S extends string> = S extends `${infer Head} ${infer Rest}` ? Head | Letters<Rest> : S;

/**
 * Reads axis sizes; a letter means the same number in every tensor. Absent tensors are skipped.
 * @throws RangeError naming the tensor, its shape and the axes it needs.
 */
export function readShapes<const Spec extends Record<string, string>>(
  where: string,
  spec: Spec,
  tensors: { [K in keyof Spec]?: Tensor },
): Record<Letters<Spec[keyof Spec]>, number> {
  const size: Record<string, number> = {};
  const firstSeen: Record<string, string> = {};
  for (const name in spec) {
    const shape = tensors[name]?.shape;
    if (!shape) continue;
    const axes = spec[name].split(' ');
    if (shape.length !== axes.length)
      throw new RangeError(
        `${where}: ${name} has shape [${shape}], ` +
          `but needs ${axes.length} axes: [${axes.join(', ')}].`,
      );
    axes.forEach((axis, i) => {
      const n = shape[i];
      firstSeen[axis] ??= name;
      size[axis] ??= n;
      if (size[axis] !== n)
        throw new RangeError(
          `${where}: ${axis} is ${size[axis]} in ${firstSeen[axis]}, ` +
            `but ${n} in ${name} [${shape}]. Every tensor needs the same ${axis}; ` +
            `${name} is [${axes.join(', ')}].`,
        );
    });
  }
  return size;
}

/** A value as an error message shows it: text in quotes, so that '3' is not taken for 3. */
export const shown = (value: unknown): string =>
  typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : String(value);

/**
 * Text from a file as an error message shows it: at most 200 characters, and none that a terminal
 * would obey.
 */
export const shownName = (name: string): string =>
  JSON.stringify(name.slice(0, 200)).slice(1, -1).slice(0, 200);

/** @throws RangeError unless `n` is a whole number, 1 or more. */
export function checkCount(where: string, name: string, n: number, unit: string): void {
  if (!Number.isInteger(n) || n < 1)
    throw new RangeError(
      `${where}: ${name} is ${shown(n)}; give a whole number of ${unit}, 1 or more.`,
    );
}
