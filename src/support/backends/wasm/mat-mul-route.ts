/**
 * Three ways to compute the same product, and which is the fastest.
 *
 * The compiled code has one fast product: two matrices without transpose flags. It first *packs*
 * the right-hand one, that is, copies it into the order in which the multiplier reads it. So a
 * product C = A·B [M,K]·[K,N] costs
 *
 *   rows      C  = A·B      transposing A and B where a flag is set, packing K·N numbers,
 *                           the product
 *   columns   Cᵀ = Bᵀ·Aᵀ    transposing A and B where no flag is set, packing only K·M numbers,
 *                           the product, transposing the result
 *   plain     upstream's naive loop: no preparation, but ten times slower per multiplication
 *
 * With few rows (a decoded token: M is 1 per head, K or N the whole cache) packing would cost more
 * than the product: then `columns` packs the small side instead. With tiny matrices every
 * preparation costs more than it saves: `plain`.
 */
export type Route = 'rows' | 'columns' | 'plain';

/** M, K, N of the product; whether each operand lies transposed in memory. */
export interface ProductShape {
  M: number;
  K: number;
  N: number;
  transposeA: boolean;
  transposeB: boolean;
}

// Nanoseconds, measured on one core. `npm run bench -- --only matmul` shows whether they hold.
const perCall = 7000; // registering three views, and one call from JavaScript to compiled code
const perFlipped = 1.2;
const perPacked = 3;
const perMultiplied = 0.065;
const perMultipliedPlain = 0.9;
/** The naive loop goes down B's columns: in a wide B each step loads another line of memory. */
const perMultipliedPlainWide = 3;
const wide = 512;
/** The multiplier computes eight columns at a time, even if fewer are needed. */
const lanes = 8;

const flipCost = (rows: number, columns: number) =>
  rows === 1 || columns === 1 ? 0 : perFlipped * rows * columns;

/** The estimated time of each way, in nanoseconds. */
export function costs({ M, K, N, transposeA, transposeB }: ProductShape): Record<Route, number> {
  const roundedUp = (columns: number) => Math.ceil(columns / lanes) * lanes;
  const flipA = flipCost(M, K);
  const flipB = flipCost(K, N);
  const rows =
    perCall +
    (transposeA ? flipA : 0) +
    (transposeB ? flipB : 0) +
    perPacked * K * N +
    perMultiplied * M * K * roundedUp(N);
  const columns =
    perCall +
    (transposeA ? 0 : flipA) +
    (transposeB ? 0 : flipB) +
    perPacked * K * M +
    perMultiplied * N * K * roundedUp(M) +
    flipCost(N, M);
  const isWide = N >= wide && !transposeB;
  const plain = (isWide ? perMultipliedPlainWide : perMultipliedPlain) * M * K * N;
  return { rows, columns, plain };
}

export function shortestRoute(shape: ProductShape): Route {
  const cost = costs(shape);
  if (cost.plain <= cost.rows && cost.plain <= cost.columns) return 'plain';
  return cost.rows <= cost.columns ? 'rows' : 'columns';
}
