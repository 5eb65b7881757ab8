/**
 * [A, m, n, w] → [A, n, m, w] on plain memory: the one move that every transpose here comes down to.
 *
 * With w = 1 it is a matrix transpose, with w = D the change from [N, H, D] to [H, N, D]. Small square tiles keep the
 * lines that are read and those that are written in the cache; whole runs of w are copied at once.
 */
const TILE = 16;

export function swapAxes(from: Float32Array, first: number, to: Float32Array, firstTo: number, [A, m, n, w]: [number, number, number, number]): void {
  for (let a = 0; a < A; a++) {
    const source = first + a * m * n * w;
    const target = firstTo + a * m * n * w;
    for (let i0 = 0; i0 < m; i0 += TILE)
      for (let j0 = 0; j0 < n; j0 += TILE) swapTile(from, source, to, target, m, n, w, i0, Math.min(m, i0 + TILE), j0, Math.min(n, j0 + TILE));
  }
}

function swapTile(
  from: Float32Array,
  source: number,
  to: Float32Array,
  target: number,
  m: number,
  n: number,
  w: number,
  i0: number,
  i1: number,
  j0: number,
  j1: number,
): void {
  for (let j = j0; j < j1; j++)
    for (let i = i0; i < i1; i++) {
      const read = source + (i * n + j) * w;
      const write = target + (j * m + i) * w;
      if (w === 1) to[write] = from[read]!;
      else if (w >= 64) to.set(from.subarray(read, read + w), write);
      else for (let k = 0; k < w; k++) to[write + k] = from[read + k]!;
    }
}

/**
 * Reads a transpose of any rank as one swap: neighbours that stay neighbours are one axis, axes of length 1 none.
 * `undefined` if it takes more than one.
 */
export function asOneSwap(shape: readonly number[], perm: readonly number[]): [number, number, number, number] | undefined {
  const moved = perm.filter((axis) => shape[axis] !== 1);
  const runs: number[][] = [];
  for (const axis of moved) {
    const run = runs.at(-1);
    const previous = run?.at(-1);
    const nextInSource = previous === undefined ? undefined : shape.findIndex((length, i) => i > previous && length !== 1);
    if (run && nextInSource === axis) run.push(axis);
    else runs.push([axis]);
  }
  const size = (run?: number[]): number => (run ?? []).reduce((product, axis) => product * shape[axis]!, 1);
  const order = runs.map((run) => run[0]!);
  const rank = order.map((axis) => [...order].sort((a, b) => a - b).indexOf(axis)).join();
  if (rank === '' || rank === '0') return [1, 1, 1, size(runs[0])];
  if (rank === '1,0') return [1, size(runs[1]), size(runs[0]), 1];
  if (rank === '0,2,1') return [size(runs[0]), size(runs[2]), size(runs[1]), 1];
  if (rank === '1,0,2') return [1, size(runs[1]), size(runs[0]), size(runs[2])];
  if (rank === '0,2,1,3') return [size(runs[0]), size(runs[2]), size(runs[1]), size(runs[3])];
  return undefined;
}
