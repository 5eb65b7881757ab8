/** Seeded inputs for the gated delta rule, its definition over all heads, and wrong forms of it. */
import * as tf from '@tensorflow/tfjs';
import { gatedDeltaByDefinition, type OneHead } from '../../src/delta-rule/definition';
import {
  type GatedDeltaForm,
  type GatedDeltaInputs,
  recurrentGatedDelta,
  unitLength,
} from '../../src/delta-rule/index';
import { recurrentRetention } from '../../src/retention/index';
import { normal, SeededRandom } from '../helpers';
import { type DrawnInputs, drawInputs, perHead, type Sizes } from '../retention/retention-inputs';

export type DrawnDelta = GatedDeltaInputs & { initialState?: tf.Tensor4D };

/** Retention's inputs with keys of length 1, and β between 0 and 1, some exactly 0 or 1. */
export function drawDelta(sizes: Sizes): DrawnDelta {
  const inputs: DrawnInputs = drawInputs(sizes);
  const random = new SeededRandom(sizes.seed + 500);
  const betas = Array.from(random.uniforms(sizes.B * sizes.H * sizes.N, -0.3, 1.3), (x) =>
    Math.min(1, Math.max(0, x)),
  );
  const beta = tf.tensor3d(betas, [sizes.B, sizes.H, sizes.N]);
  return { ...inputs, k: unitLength(inputs.k), beta };
}

export type DeltaHead = OneHead & { initialState?: number[][] };

/** [B][H] of the plain numbers that one head needs. */
export function deltaHeads(inputs: DrawnDelta): DeltaHead[][] {
  const beta = inputs.beta.arraySync();
  return perHead(inputs).map((heads, b) => heads.map((head, h) => ({ ...head, beta: beta[b][h] })));
}

/** What the definition gives: output [B][H][N][Dv] and state [B][H][Dk][Dv]. */
export function deltaInFloat64(inputs: DrawnDelta) {
  const results = deltaHeads(inputs).map((heads) =>
    heads.map((head) => gatedDeltaByDefinition(head, head.initialState)),
  );
  return {
    output: results.map((heads) => heads.map(({ output }) => output)),
    state: results.map((heads) => heads.map(({ state }) => state)),
  };
}

export const deltaNames = ['q', 'k', 'v', 'beta', 'logDecay', 'initialState'];
export function deltaList({ q, k, v, beta, logDecay, initialState }: DrawnDelta): tf.Tensor[] {
  const list: tf.Tensor[] = [q, k, v, beta, logDecay];
  return initialState ? [...list, initialState] : list;
}

/** Seeded weights of the loss Σ output·a + Σ state·b. */
export function deltaLossWeights({ k, v }: DrawnDelta): { a: tf.Tensor4D; b: tf.Tensor4D } {
  const random = new SeededRandom(78);
  const [B, H, , Dk] = k.shape;
  return { a: normal(random, v.shape), b: normal(random, [B, H, Dk, v.shape[3]]) };
}

export function deltaGradients(
  form: GatedDeltaForm,
  inputs: DrawnDelta,
  chunkSize?: number,
): tf.Tensor[] {
  const { a, b } = deltaLossWeights(inputs);
  const loss = (...[q, k, v, beta, logDecay, initialState]: tf.Tensor[]): tf.Scalar => {
    const given = { q, k, v, beta, logDecay } as GatedDeltaInputs;
    const options = { initialState: initialState as tf.Tensor4D | undefined, chunkSize };
    const { output, state } = form(given, options);
    return output.mul(a).sum().add<tf.Scalar>(state.mul(b).sum());
  };
  return tf.grads(loss)(deltaList(inputs));
}

/** Mistakes that people make; each comparison must notice them. */
export const wrongForms: Record<string, GatedDeltaForm> = {
  'retention of β v: nothing is read before writing': (inputs, options) => {
    const v: tf.Tensor4D = inputs.v.mul(inputs.beta.expandDims(3));
    return recurrentRetention({ ...inputs, v }, options);
  },
  'what the key finds is read before the state decays': (inputs, { initialState } = {}) => {
    const [B, H, N, Dk] = inputs.k.shape;
    let S: tf.Tensor4D = initialState ?? tf.zeros([B, H, Dk, inputs.v.shape[3]]);
    const outputs: tf.Tensor4D[] = [];
    for (let n = 0; n < N; n++) {
      const at = <T extends tf.Tensor>(x: T): T => x.slice([0, 0, n], [-1, -1, 1]) as T;
      const found = tf.matMul(at(inputs.k), S);
      const correction: tf.Tensor4D = at(inputs.v).sub(found).mul(at(inputs.beta).expandDims(3));
      const decayed: tf.Tensor4D = S.mul(at(inputs.logDecay).exp().expandDims(3));
      S = decayed.add(tf.matMul(at(inputs.k), correction, true));
      outputs.push(tf.matMul(at(inputs.q), S));
    }
    return { output: tf.concat(outputs, 2), state: S };
  },
  'β left out': (inputs, options) =>
    recurrentGatedDelta({ ...inputs, beta: tf.onesLike(inputs.beta) }, options),
  'the corrections of a chunk ignore one another': (inputs, { initialState } = {}) => {
    // A = 0: each token corrects what its key finds in the state before the chunk.
    const [B, H, , Dk] = inputs.k.shape;
    const S: tf.Tensor4D = initialState ?? tf.zeros([B, H, Dk, inputs.v.shape[3]]);
    const decay = tf.cumsum(inputs.logDecay, 2).exp().expandDims(3);
    const found = tf.matMul(inputs.k, S).mul(decay);
    const v: tf.Tensor4D = inputs.v.sub(found).mul(inputs.beta.expandDims(3));
    return recurrentRetention({ ...inputs, v }, { initialState });
  },
  'the last state decays once too often': (inputs, options) => {
    const { output, state } = recurrentGatedDelta(inputs, options);
    return { output, state: state.mul(0.9) };
  },
  'keys a little too long': (inputs, options) =>
    recurrentGatedDelta({ ...inputs, k: inputs.k.mul(1.01) }, options),
};
