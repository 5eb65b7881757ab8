/**
 * Broadcasting two batches: which matrix of `a` meets which matrix of `b`.
 *
 * Axes are lined up from the right; an axis of length 1 stands for as many copies as the other side has. [2,1] against [2,4]
 * gives eight pairs, in which each matrix of `a` appears four times in a row.
 */
export interface BroadcastPairs {
  shape: number[];
  /** For each entry of the result, in order, the index of the matrix in a and in b. */
  pairs: [number, number][];
  aCount: number;
  bCount: number;
}

const count = (axes: readonly number[]) => axes.reduce((x, y) => x * y, 1);

/** @throws RangeError if two lengths differ and neither is 1. */
export function broadcastPairs(where: string, a: readonly number[], b: readonly number[]): BroadcastPairs {
  if (a.length === b.length && a.every((n, axis) => n === b[axis])) {
    // By far the most common case, and one that must cost nothing beside a small product: equal batches meet one to one.
    const size = count(a);
    return { shape: [...a], pairs: Array.from({ length: size }, (_, i) => [i, i]), aCount: size, bCount: size };
  }
  const rank = Math.max(a.length, b.length);
  const padded = (shape: readonly number[]) => [...new Array<number>(rank - shape.length).fill(1), ...shape];
  const [aAxes, bAxes] = [padded(a), padded(b)];
  let pairs: [number, number][] = [[0, 0]];
  const shape = aAxes.map((n, axis) => {
    const m = bAxes[axis]!;
    if (n !== m && n !== 1 && m !== 1)
      throw new RangeError(`${where}: the batch axes [${a}] and [${b}] do not fit: ${n} against ${m}. They must be equal, or one of them 1.`);
    const length = n === 1 ? m : n;
    const steps = Array.from({ length }, (_, i) => i);
    pairs = pairs.flatMap(([i, j]) => steps.map((s): [number, number] => [n === 1 ? i : i * n + s, m === 1 ? j : j * m + s]));
    return length;
  });
  return { shape, pairs, aCount: count(aAxes), bCount: count(bAxes) };
}
