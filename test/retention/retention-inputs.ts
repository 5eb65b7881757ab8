/** Seeded inputs for retention, and the float64 definition over all batches and heads of them. */
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { type OneHead, recurrenceByDefinition } from '../../src/retention/definition';
import type { RetentionForm, RetentionInputs } from '../../src/retention/types';
import { normal, SeededRandom } from '../helpers';

export interface Drawn {
  B: number;
  H: number;
  N: number;
  Dk: number;
  Dv: number;
  /** Is there a state before the first token? */
  carried: boolean;
  /** Centre of the gates' logits: −60 forgets at once, 60 forgets nothing. */
  gateLogit: number;
  seed: number;
}
export type DrawnInputs = RetentionInputs & { initialState?: tf.Tensor4D };

/** From "forget at once" to "forget nothing", with τ = 1 so that the range is really reached. */
export const sizes = (longest: number): fc.Arbitrary<Drawn> =>
  fc.record({
    B: fc.integer({ min: 1, max: 3 }),
    H: fc.integer({ min: 1, max: 3 }),
    N: fc.integer({ min: 1, max: longest }),
    Dk: fc.integer({ min: 1, max: 6 }),
    Dv: fc.integer({ min: 1, max: 6 }),
    carried: fc.boolean(),
    gateLogit: fc.constantFrom(-60, -4, 0, 4, 60),
    seed: fc.nat(9999),
  });
export const small: Drawn = {
  B: 1,
  H: 1,
  N: 9,
  Dk: 3,
  Dv: 2,
  carried: false,
  gateLogit: 0,
  seed: 3,
};

/** The caller owns the tensors. */
export function drawInputs({ B, H, N, Dk, Dv, carried, gateLogit, seed }: Drawn): DrawnInputs {
  const random = new SeededRandom(seed);
  const logDecays = Array.from(
    random.normals(B * H * N, gateLogit),
    (z) => -Math.log1p(Math.exp(-z)),
  );
  return {
    q: normal<tf.Tensor4D>(random, [B, H, N, Dk]),
    k: normal<tf.Tensor4D>(random, [B, H, N, Dk]),
    v: normal<tf.Tensor4D>(random, [B, H, N, Dv]),
    logDecay: tf.tensor3d(logDecays, [B, H, N]),
    ...(carried ? { initialState: normal<tf.Tensor4D>(random, [B, H, Dk, Dv]) } : {}),
  };
}

/** [B][H] of the plain numbers that one head needs, with its state. */
export function perHead({
  q,
  k,
  v,
  logDecay,
  initialState,
}: DrawnInputs): (OneHead & { initialState?: number[][] })[][] {
  const [Q, K, V, G, S] = [
    q.arraySync(),
    k.arraySync(),
    v.arraySync(),
    logDecay.arraySync(),
    initialState?.arraySync(),
  ];
  return Q.map((heads, b) =>
    heads.map((_, h) => ({
      q: Q[b][h],
      k: K[b][h],
      v: V[b][h],
      logDecay: G[b][h],
      initialState: S?.[b]?.[h],
    })),
  );
}

/** What the recurrence in float64 says: output [B][H][N][Dv] and state [B][H][Dk][Dv]. */
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
export const asList = ({ q, k, v, logDecay, initialState }: DrawnInputs): tf.Tensor[] => [
  q,
  k,
  v,
  logDecay,
  ...(initialState ? [initialState] : []),
];
export const names = ['q', 'k', 'v', 'logDecay', 'initialState'];

/** Gradients of Σ output·a + Σ state·b for seeded a and b: both results count, each element with a weight of its own. */
export function gradients(
  form: RetentionForm,
  inputs: DrawnInputs,
  chunkSize?: number,
): tf.Tensor[] {
  const { a, b } = lossWeights(inputs);
  const loss = (...[q, k, v, logDecay, initialState]: tf.Tensor[]) => {
    const given = { q, k, v, logDecay } as unknown as RetentionInputs;
    const { output, state } = form(given, {
      initialState: initialState as tf.Tensor4D | undefined,
      chunkSize,
    });
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
