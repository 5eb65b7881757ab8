/**
 * What is done to a weight when it moves to a model with another order of features or heads.
 *
 * A projection is stored [out, in]: a row for each feature that it makes, a column for each that it
 * reads. The features of one head are D neighbouring rows. All functions return copies.
 */
import type { StateTensor } from './state-dict';

/** [count, columns], made of the rows that `sourceOf` names. */
function gatherRows(
  { dtype, shape, data }: StateTensor,
  count: number,
  sourceOf: (row: number) => number,
): StateTensor {
  const columns = shape[1];
  const gathered = new Float32Array(count * columns);
  for (let row = 0; row < count; row++) {
    const start = sourceOf(row) * columns;
    gathered.set(data.subarray(start, start + columns), row * columns);
  }
  return { dtype, shape: [count, columns], data: gathered };
}

/**
 * From rotary's `half-split` pairs (i, i + D/2) to `interleaved` pairs (2i, 2i + 1), in each head.
 * Queries and keys that are both reordered have the same dot products, and each pair keeps its
 * frequency: nothing is lost.
 */
export function interleavedPairs(weight: StateTensor, heads: number): StateTensor {
  const D = weight.shape[0] / heads;
  return gatherRows(weight, heads * D, (row) => {
    const feature = row % D;
    return row - feature + Math.floor(feature / 2) + (feature % 2) * (D / 2);
  });
}

/**
 * From one number of heads to another. More: neighbours get the same copy, which is what a shared
 * head means, so nothing changes. Fewer: each is the mean of its neighbours, as when attention is
 * made grouped (Ainslie et al., arXiv 2305.13245).
 * @throws RangeError if neither number divides the other.
 */
export function resizedHeads(weight: StateTensor, from: number, to: number): StateTensor {
  if (to % from !== 0 && from % to !== 0)
    throw new RangeError(
      `resizedHeads: ${from} heads cannot become ${to}; one must divide the other.`,
    );
  const D = weight.shape[0] / from;
  const members: StateTensor[] = []; // several if each new head is the mean of several old ones
  for (let i = 0; i < Math.max(1, from / to); i++) {
    const sourceHead = (row: number) => Math.floor((Math.floor(row / D) * from) / to) + i;
    members.push(gatherRows(weight, to * D, (row) => sourceHead(row) * D + (row % D)));
  }
  return meanOf(members);
}

/** W diag(g): the weights of a norm folded into the projection that reads it. */
export function foldNorm(weight: StateTensor, norm: StateTensor): StateTensor {
  const columns = weight.shape[1];
  return mapped(weight, (w, i) => w * norm.data[i % columns]);
}

export function meanOf(weights: readonly StateTensor[]): StateTensor {
  const sumAt = (i: number) => weights.reduce((sum, { data }) => sum + data[i], 0);
  return mapped(weights[0], (_, i) => sumAt(i) / weights.length);
}

export const scaled = (weight: StateTensor, factor: number): StateTensor =>
  mapped(weight, (w) => w * factor);

const mapped = (weight: StateTensor, f: (w: number, i: number) => number): StateTensor => ({
  ...weight,
  data: Float32Array.from(weight.data, f),
});
