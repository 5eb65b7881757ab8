/** Seeded inputs for retention, and the float64 definition over all batches and heads of them. */
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { type OneHead, recurrenceByDefinition } from '../../src/retention/definition';
import type { RetentionForm, RetentionInputs } from '../../src/retention/retention-form';
import { normal, SeededRandom } from '../helpers';

export interface Sizes {
  B: number;
  H: number;
  N: number;
  Dk: number;
  Dv: number;
  /** Is there a state before the first token? */
  carried: boolean;
  /** Centre of the gates' logits: −60 forgets at once, 60 forgets nothing. */
  gateLogit: number;
  /** The share of gates replaced: half of them by exactly 0 (logDecay −∞), half by exactly 1. */
  exactGates: number;
  seed: number;
}
export type DrawnInputs = RetentionInputs & { initialState?: tf.Tensor4D };

/** From "forgets at once" to "forgets nothing", with τ = 1 so that the range is really reached. */
export const drawnSizes = (longest: number): fc.Arbitrary<Sizes> =>
  fc.record({
    B: fc.integer({ min: 1, max: 3 }),
    H: fc.integer({ min: 1, max: 3 }),
    N: fc.integer({ min: 1, max: longest }),
    Dk: fc.integer({ min: 1, max: 6 }),
    Dv: fc.integer({ min: 1, max: 6 }),
    carried: fc.boolean(),
    gateLogit: fc.constantFrom(-60, -4, 0, 4, 60),
    exactGates: fc.constantFrom(0, 0, 0.4, 1),
    seed: fc.nat(9999),
  });
export const small: Sizes = {
  B: 1,
  H: 1,
  N: 9,
  Dk: 3,
  Dv: 2,
  carried: false,
  gateLogit: 0,
  exactGates: 0,
  seed: 3,
};

/** The caller owns the tensors. */
export function drawInputs(sizes: Sizes): DrawnInputs {
  const { B, H, N, Dk, Dv, carried, gateLogit, exactGates, seed } = sizes;
  const random = new SeededRandom(seed);
  const gateLogits = Array.from(random.normals(B * H * N, gateLogit));
  const logDecays = gateLogits.map((z) => -Math.log1p(Math.exp(-z)));
  const inputs: DrawnInputs = {
    q: normal<tf.Tensor4D>(random, [B, H, N, Dk]),
    k: normal<tf.Tensor4D>(random, [B, H, N, Dk]),
    v: normal<tf.Tensor4D>(random, [B, H, N, Dv]),
    logDecay: tf.tensor3d(withExactGates(logDecays, exactGates, random), [B, H, N]),
  };
  if (carried) inputs.initialState = normal<tf.Tensor4D>(random, [B, H, Dk, Dv]);
  return inputs;
}
function withExactGates(logDecays: number[], share: number, random: SeededRandom): number[] {
  if (share === 0) return logDecays;
  return logDecays.map((logDecay) => {
    if (random.uniform() >= share) return logDecay;
    return random.uniform() < 0.5 ? Number.NEGATIVE_INFINITY : 0;
  });
}

/** [B][H] of the plain numbers that one head needs, with its state. */
export function perHead(inputs: DrawnInputs): (OneHead & { initialState?: number[][] })[][] {
  const q = inputs.q.arraySync();
  const k = inputs.k.arraySync();
  const v = inputs.v.arraySync();
  const logDecay = inputs.logDecay.arraySync();
  const S = inputs.initialState?.arraySync();
  return q.map((heads, b) =>
    heads.map((_, h) => ({
      q: q[b][h],
      k: k[b][h],
      v: v[b][h],
      logDecay: logDecay[b][h],
      initialState: S?.[b][h],
    })),
  );
}

/** What the recurrence in float64 gives: output [B][H][N][Dv] and state [B][H][Dk][Dv]. */
export function inFloat64(inputs: DrawnInputs): { output: number[][][][]; state: number[][][][] } {
  const results = perHead(inputs).map((heads) =>
    heads.map((head) => recurrenceByDefinition(head, head.initialState)),
  );
  return {
    output: results.map((heads) => heads.map((r) => r.output)),
    state: results.map((heads) => heads.map((r) => r.state)),
  };
}

/** The tensors in the order in which gradients are asked for. */
export function asList({ q, k, v, logDecay, initialState }: DrawnInputs): tf.Tensor[] {
  const list: tf.Tensor[] = [q, k, v, logDecay];
  return initialState ? [...list, initialState] : list;
}
export const names = ['q', 'k', 'v', 'logDecay', 'initialState'];

/**
 * Gradients of Σ output·a + Σ state·b for seeded a and b: both results count, each element with a
 * weight of its own.
 */
export function gradients(
  form: RetentionForm,
  inputs: DrawnInputs,
  chunkSize?: number,
): tf.Tensor[] {
  const { a, b } = lossWeights(inputs);
  const loss = (...[q, k, v, logDecay, initialState]: tf.Tensor[]) => {
    const given = { q, k, v, logDecay } as unknown as RetentionInputs;
    const options = { initialState: initialState as tf.Tensor4D | undefined, chunkSize };
    const { output, state } = form(given, options);
    return output.mul(a).sum().add<tf.Scalar>(state.mul(b).sum());
  };
  return tf.grads(loss as (...args: tf.Tensor[]) => tf.Scalar)(asList(inputs));
}
export function lossWeights({ k, v }: DrawnInputs): { a: tf.Tensor4D; b: tf.Tensor4D } {
  const random = new SeededRandom(77);
  const [B, H, , Dk] = k.shape;
  return {
    a: normal<tf.Tensor4D>(random, v.shape),
    b: normal<tf.Tensor4D>(random, [B, H, Dk, v.shape[3]]),
  };
}
