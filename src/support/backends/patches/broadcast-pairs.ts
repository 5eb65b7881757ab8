/**
 * Broadcasting two batches: which matrix of `a` meets which matrix of `b`.
 *
 * Axes are lined up from the right; an axis of length 1 stands for as many copies as the other side has. [2,1] against [2,4]
 * gives eight pairs, in which each matrix of `a` appears four times in a row.
 */
export interface BroadcastPairs {
  shape: number[];
  /** How many matrices each side has, and the result. */
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
    // By far the most common case, and one that must cost nothing beside a small product: equal batches meet one to one.
    const pairs = () => Array.from({ length: aCount }, (_, i): [number, number] => [i, i]);
    return { shape: [...a], count: aCount, aCount, bCount, pairs };
  }
  const rank = Math.max(a.length, b.length);
  const padded = (shape: readonly number[]) => [
    ...new Array<number>(rank - shape.length).fill(1),
    ...shape,
  ];
  const [aAxes, bAxes] = [padded(a), padded(b)];
  const shape = aAxes.map((n, axis) => {
    const m = bAxes[axis];
    if (n !== m && n !== 1 && m !== 1)
      throw new RangeError(
        `${where}: the batch axes [${a}] and [${b}] do not fit: ${n} against ${m}. They must be equal, or one of them 1.`,
      );
    return n === 1 ? m : n;
  });
  const pairs = () =>
    shape.reduce<[number, number][]>(
      (found, length, axis) => {
        const [n, m] = [aAxes[axis], bAxes[axis]];
        const steps = Array.from({ length }, (_, i) => i);
        return found.flatMap(([i, j]) =>
          steps.map((s): [number, number] => [n === 1 ? i : i * n + s, m === 1 ? j : j * m + s]),
        );
      },
      [[0, 0]],
    );
  return { shape, count: product(shape), aCount, bCount, pairs };
}
