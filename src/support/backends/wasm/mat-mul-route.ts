/**
 * Four ways to the same product, and which is the shortest.
 *
 * The compiled code has one fast product: straight rows times straight columns, both in two dimensions. It first *packs* the
 * right-hand matrix, that is copies it into the order in which the multiplier reads it. So a product C = A·B [M,K]·[K,N] costs
 *
 *   rows      C  = A·B      flips of A and B where they lie the other way, packing K·N numbers, the product
 *   columns   Cᵀ = Bᵀ·Aᵀ    flips likewise, packing only K·M numbers, the product, flipping the result back
 *   plain     the stock kernel's naive loop: no preparation, but ten times slower per multiplication
 *
 * With few rows (a decoded token: M is 1 per head, K or N the whole cache) packing would cost more than the product: then
 * `columns` packs the small side instead. With tiny matrices every preparation costs more than it saves: `plain`.
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

/** Nanoseconds, measured on one core: `npm run bench -- --only matmul` shows whether the choice still pays. */
const perCall = 7000; // registering three views and crossing the border
const perFlipped = 1.2;
const perPacked = 3;
const perMultiplied = 0.065;
const perMultipliedPlain = 0.9;
/** The naive loop walks down B's columns: in a wide B each step is a fresh line of memory. */
const perMultipliedPlainWide = 3;
const wide = 512;
/** The multiplier computes eight columns at a time, wanted or not. */
const lanes = 8;

const flipCost = (rows: number, columns: number) =>
  rows === 1 || columns === 1 ? 0 : perFlipped * rows * columns;

export function costs({ M, K, N, transposeA, transposeB }: ProductShape): Record<Route, number> {
  const lanesOf = (columns: number) => Math.ceil(columns / lanes) * lanes;
  return {
    rows:
      perCall +
      (transposeA ? flipCost(K, M) : 0) +
      (transposeB ? flipCost(N, K) : 0) +
      perPacked * K * N +
      perMultiplied * M * K * lanesOf(N),
    columns:
      perCall +
      (transposeA ? 0 : flipCost(M, K)) +
      (transposeB ? 0 : flipCost(K, N)) +
      perPacked * K * M +
      perMultiplied * N * K * lanesOf(M) +
      flipCost(N, M),
    plain: (N >= wide && !transposeB ? perMultipliedPlainWide : perMultipliedPlain) * M * K * N,
  };
}

export function shortestRoute(shape: ProductShape): Route {
  const cost = costs(shape);
  if (cost.plain <= cost.rows && cost.plain <= cost.columns) return 'plain';
  return cost.rows <= cost.columns ? 'rows' : 'columns';
}
