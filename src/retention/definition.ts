/**
 * Retention of one head, as loops over plain numbers (float64): the judge of every faster form.
 *
 *   output_n = Σ_{m ≤ n} (γ_{m+1} ⋯ γ_n) (q_n · k_m) v_m
 *
 * A token's own gate decays what came before it, not the token itself: the product of gates starts
 * at m + 1.
 *
 * Source: YOCO, arXiv 2405.05254, gated retention, parallel and recurrent (arXiv eqs. 4 and 5,
 * NeurIPS 5 and 6).
 */

export interface OneHead {
  q: number[][]; // [N, Dk], rotated if the model rotates
  k: number[][]; // [N, Dk]
  v: number[][]; // [N, Dv]
  logDecay: number[]; // [N], ln γ, from −∞ to 0
}

/**
 * The outputs [N, Dv]. `from` and `to` shift which gates lie between m and n, to make two common
 * mistakes on purpose: `from: 0` decays a token before it is read, `to: -1` leaves out the gate of
 * the token that reads.
 */
export function retentionByDefinition(
  { q, k, v, logDecay }: OneHead,
  { from = 1, to = 0 } = {},
): number[][] {
  const output: number[][] = []; // [N, Dv]
  for (let n = 0; n < q.length; n++) {
    const row = v[0].map(() => 0); // [Dv]
    for (let m = 0; m <= n; m++) {
      let logProduct = 0;
      for (let i = m + from; i <= n + to; i++) logProduct += logDecay[i];
      const weight = Math.exp(logProduct) * dot(q[n], k[m]);
      for (let d = 0; d < row.length; d++) row[d] += weight * v[m][d];
    }
    output.push(row);
  }
  return output;
}

/**
 * The same outputs one token at a time, and the state [Dk, Dv] after the last token:
 * S_n = γ_n S_{n−1} + k_nᵀ v_n and output_n = q_n S_n. `initialState` is S before the first token.
 */
export function recurrenceByDefinition(
  { q, k, v, logDecay }: OneHead,
  initialState?: number[][],
): { output: number[][]; state: number[][] } {
  let S = initialState ?? k[0].map(() => v[0].map(() => 0)); // [Dk, Dv]
  const output: number[][] = []; // [N, Dv]
  for (let n = 0; n < q.length; n++) {
    const gamma = Math.exp(logDecay[n]);
    S = S.map((row, i) => row.map((s, d) => gamma * s + k[n][i] * v[n][d]));
    const columns = v[n].map((_, d) => S.map((row) => row[d])); // [Dv, Dk]
    output.push(columns.map((column) => dot(q[n], column)));
  }
  return { output, state: S };
}

/** Upstream gradients: those of a loss for the outputs and for the last state. */
export interface OneHeadUpstream {
  output: number[][]; // dO, [N, Dv]
  state: number[][]; // dS after the last token, [Dk, Dv]
}
export interface OneHeadGradients extends OneHead {
  initialState: number[][]; // [Dk, Dv]
}

/**
 * The gradients of the recurrence, by the chain rule from the last token to the first:
 *
 *   dS_n = q_nᵀ do_n + γ_{n+1} dS_{n+1}    what reads S_n: this token, and the next state
 *   dq_n = do_n S_nᵀ     dk_n = v_n dS_nᵀ     dv_n = k_n dS_n
 *   d ln γ_n = γ_n ⟨S_{n−1}, dS_n⟩         ⟨A, B⟩: the sum over all entries of A ⊙ B
 *
 * `initialState` is S before the first token; zeros if absent.
 */
export function recurrenceGradientsByDefinition(
  { q, k, v, logDecay }: OneHead,
  upstream: OneHeadUpstream,
  initialState?: number[][],
): OneHeadGradients {
  const first = initialState ?? k[0].map(() => v[0].map(() => 0)); // [Dk, Dv]
  const states: number[][][] = []; // S_n, kept on the way forward
  for (let n = 0; n < q.length; n++) {
    const before = states[n - 1] ?? first;
    const gamma = Math.exp(logDecay[n]);
    states.push(before.map((row, i) => row.map((s, d) => gamma * s + k[n][i] * v[n][d])));
  }

  const gradients: OneHeadGradients = { q: [], k: [], v: [], logDecay: [], initialState: [] };
  let dS = upstream.state; // of what follows token n
  for (let n = q.length - 1; n >= 0; n--) {
    const dO = upstream.output[n];
    const dStateN = dS.map((row, i) => row.map((s, d) => s + q[n][i] * dO[d]));
    const gamma = Math.exp(logDecay[n]);
    const before = states[n - 1] ?? first;

    gradients.q[n] = states[n].map((row) => dot(row, dO));
    gradients.k[n] = dStateN.map((row) => dot(row, v[n]));
    gradients.v[n] = v[n].map((_, d) => dot(k[n], columnOf(dStateN, d)));
    gradients.logDecay[n] = gamma * innerProduct(before, dStateN);
    dS = dStateN.map((row) => row.map((s) => gamma * s));
  }
  gradients.initialState = dS;
  return gradients;
}

const columnOf = (M: number[][], d: number): number[] => M.map((row) => row[d]);
const innerProduct = (A: number[][], B: number[][]): number =>
  A.reduce((sum, row, i) => sum + dot(row, B[i]), 0);
const dot = (a: number[], b: number[]): number => a.reduce((sum, x, i) => sum + x * b[i], 0);
