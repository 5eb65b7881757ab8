/**
 * What is done to a weight when it moves to a model that does the same thing in another order.
 *
 * A projection is stored [out, in]: a row for each feature that it makes, a column for each that it reads. The features of
 * a head stand together, so a head is a band of D rows. All functions give copies.
 */
import type { StateTensor } from './state-dict';

/** [rows, columns] made of the rows that `sourceOf` names. */
function rowsFrom(
  { dtype, shape, data }: StateTensor,
  count: number,
  sourceOf: (row: number) => number,
): StateTensor {
  const width = shape[1];
  const out = new Float32Array(count * width);
  for (let row = 0; row < count; row++)
    out.set(data.subarray(sourceOf(row) * width, (sourceOf(row) + 1) * width), row * width);
  return { dtype, shape: [count, width], data: out };
}

/**
 * From rotary's `half-split` pairs (i, i + D/2) to `interleaved` pairs (2i, 2i + 1), in each head.
 *
 * Queries and keys that are both reordered have the same dot products, and each pair keeps its speed: nothing is lost.
 */
export function interleavedPairs(weight: StateTensor, heads: number): StateTensor {
  const D = weight.shape[0] / heads;
  return rowsFrom(weight, heads * D, (row) => {
    const [head, feature] = [Math.floor(row / D), row % D];
    return head * D + Math.floor(feature / 2) + (feature % 2) * (D / 2);
  });
}

/**
 * From so many heads to another number. More: neighbours get the same copy, which is what a shared head means, so nothing
 * changes. Fewer: each is the mean of its neighbours, as when attention is made grouped (Ainslie et al., arXiv 2305.13245).
 * @throws RangeError if neither number divides the other.
 */
export function resizedHeads(weight: StateTensor, from: number, to: number): StateTensor {
  const D = weight.shape[0] / from;
  if (to % from === 0)
    return rowsFrom(weight, to * D, (row) => Math.floor(row / D / (to / from)) * D + (row % D));
  if (from % to !== 0)
    throw new RangeError(
      `resizedHeads: ${from} heads cannot become ${to}; one number must divide the other.`,
    );
  const share = from / to;
  const members = Array.from({ length: share }, (_, i) =>
    rowsFrom(weight, to * D, (row) => (Math.floor(row / D) * share + i) * D + (row % D)),
  );
  return meanOf(members);
}

/** W diag(g): a norm's weights taken into the projection that reads the norm. */
export function withNormInside(weight: StateTensor, norm: StateTensor): StateTensor {
  const width = weight.shape[1];
  return { ...weight, data: Float32Array.from(weight.data, (w, i) => w * norm.data[i % width]) };
}

export function meanOf(weights: readonly StateTensor[]): StateTensor {
  const data = Float32Array.from(
    weights[0].data,
    (_, i) => weights.reduce((sum, weight) => sum + weight.data[i], 0) / weights.length,
  );
  return { ...weights[0], data };
}

export const timesNumber = (weight: StateTensor, factor: number): StateTensor => ({
  ...weight,
  data: Float32Array.from(weight.data, (w) => w * factor),
});
