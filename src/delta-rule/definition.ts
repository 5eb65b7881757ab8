/**
 * The gated delta rule of one head, as loops over plain numbers (float64): the judge of both forms.
 *
 *   S'_n = γ_n S_{n−1}                          the state before the token, decayed
 *   S_n  = S'_n + k_nᵀ β_n (v_n − k_n S'_n)     what k_n finds is moved towards v_n
 *   output_n = q_n S_n
 *
 * Retention adds k_nᵀ v_n to whatever stands there. The delta rule first reads what the key finds
 * already, and adds only the difference: with β = 1 and a key of length 1, the key finds exactly
 * v_n afterwards, and what it found before is gone. β = 0 leaves the state as it was.
 *
 * Source: Yang et al., Gated Delta Networks, arXiv 2412.06464 (γ = 1: DeltaNet, arXiv 2406.06484).
 */

export interface OneHead {
  q: number[][]; // [N, Dk]
  k: number[][]; // [N, Dk], of length 1 in the layer
  v: number[][]; // [N, Dv]
  beta: number[]; // [N], from 0 to 1
  logDecay: number[]; // [N], ln γ, from −∞ to 0
}

/** Outputs [N, Dv], and the state [Dk, Dv] after the last token, from `initialState` or zeros. */
export function gatedDeltaByDefinition(
  { q, k, v, beta, logDecay }: OneHead,
  initialState?: number[][],
): { output: number[][]; state: number[][] } {
  let S = initialState ?? k[0].map(() => v[0].map(() => 0)); // [Dk, Dv]
  const output: number[][] = []; // [N, Dv]
  for (let n = 0; n < q.length; n++) {
    const gamma = Math.exp(logDecay[n]);
    const decayed = S.map((row) => row.map((s) => gamma * s)); // [Dk, Dv]
    const found = readState(k[n], decayed); // [Dv]
    const written = v[n].map((value, d) => beta[n] * (value - found[d])); // [Dv]
    S = decayed.map((row, i) => row.map((s, d) => s + k[n][i] * written[d]));
    output.push(readState(q[n], S));
  }
  return { output, state: S };
}

/** x S: [Dk] and [Dk, Dv] → [Dv]. */
function readState(x: number[], S: number[][]): number[] {
  const result = S[0].map(() => 0);
  for (let i = 0; i < x.length; i++) {
    for (let d = 0; d < result.length; d++) result[d] += x[i] * S[i][d];
  }
  return result;
}
