/**
 * Broadcasting two batches of matrices: which matrix of `a` is multiplied by which matrix of `b`.
 *
 * Axes are aligned from the right; an axis of length 1 is repeated to the length of the other side.
 * [2,1] against [2,4] gives eight pairs, in which each matrix of `a` occurs four times in a row.
 */
export interface BroadcastPairs {
  /** The batch axes of the result. */
  shape: number[];
  /** The number of matrices in the result, in a and in b. */
  count: number;
  aCount: number;
  bCount: number;
  /** For each matrix of the result, in order, the index of the one in a and of the one in b. */
  pairs: () => [number, number][];
}

const product = (axes: readonly number[]) => axes.reduce((x, y) => x * y, 1);

/** @throws RangeError if two lengths differ and neither is 1. */
export function broadcastPairs(
  where: string,
  a: readonly number[],
  b: readonly number[],
): BroadcastPairs {
  const aCount = product(a);
  const bCount = product(b);
  if (a.length === b.length && a.every((n, axis) => n === b[axis])) {
    // By far the most common case, and it must cost little beside a small product: equal batches.
    const pairs = () => Array.from({ length: aCount }, (_, i): [number, number] => [i, i]);
    return { shape: [...a], count: aCount, aCount, bCount, pairs };
  }

  const rank = Math.max(a.length, b.length);
  const aAxes = padLeft(a, rank);
  const bAxes = padLeft(b, rank);
  const shape: number[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const [n, m] = [aAxes[axis], bAxes[axis]];
    if (n !== m && n !== 1 && m !== 1)
      throw new RangeError(
        `${where}: the batch axes [${a}] and [${b}] do not fit: ${n} against ${m}. ` +
          'They must be equal, or one of them 1.',
      );
    shape.push(n === 1 ? m : n);
  }
  const pairs = () => {
    let found: [number, number][] = [[0, 0]];
    for (let axis = 0; axis < rank; axis++) {
      const [n, m] = [aAxes[axis], bAxes[axis]];
      const longer: [number, number][] = [];
      for (const [i, j] of found) {
        for (let step = 0; step < shape[axis]; step++)
          longer.push([n === 1 ? i : i * n + step, m === 1 ? j : j * m + step]);
      }
      found = longer;
    }
    return found;
  };
  return { shape, count: product(shape), aCount, bCount, pairs };
}

/** [4] at rank 2 becomes [1, 4]. */
const padLeft = (axes: readonly number[], rank: number): number[] => [
  ...new Array<number>(rank - axes.length).fill(1),
  ...axes,
];
