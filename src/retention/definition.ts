/**
 * Retention as loops over plain numbers, for one head: the formula itself, and the judge of every faster form.
 *
 *   out_n = Σ_{m ≤ n} (γ_{m+1} ⋯ γ_n) (q_n · k_m) v_m
 *
 * Read it as: token n asks every earlier token "how much do you have for me?" (q · k), and the answer has faded once for
 * each gate passed since. A token's own gate fades what came before it, not the token itself.
 *
 * Source: YOCO, "gated retention, parallel" and "recurrent" (arXiv eqs. 4 and 5, NeurIPS eqs. 5 and 6).
 */
export interface OneHead {
  /** [N][Dk], rotated if the model rotates. */
  q: number[][];
  k: number[][];
  /** [N][Dv] */
  v: number[][];
  /** [N], ln γ ≤ 0. */
  logDecay: number[];
}

/** Dot product of two lists. */
const dot = (a: number[], b: number[]): number => a.reduce((sum, x, i) => sum + x * b[i], 0);

/**
 * out [N][Dv]. `from` and `to` shift which gates lie between m and n: they allow the mistakes that lessons and tests make
 * on purpose. `from: 0` lets a token fade before anyone reads it, `to: -1` forgets the reader's own gate.
 */
export const byDefinition = (
  { q, k, v, logDecay }: OneHead,
  { from = 1, to = 0 } = {},
): number[][] =>
  q.map((qn, n) =>
    v[0].map((_, d) => {
      let out = 0;
      for (let m = 0; m <= n; m++) {
        let logFade = 0;
        for (let i = m + from; i <= n + to; i++) logFade += logDecay[i];
        out += Math.exp(logFade) * dot(qn, k[m]) * v[m][d];
      }
      return out;
    }),
  );

/**
 * The same numbers one token at a time, S_n = γ_n S_{n−1} + k_nᵀ v_n and out_n = q_n S_n, and the state [Dk][Dv] that
 * remains. A sequence can be continued: what went before is in `initialState`.
 */
export function recurrenceByDefinition(
  { q, k, v, logDecay }: OneHead,
  initialState?: number[][],
): { output: number[][]; state: number[][] } {
  let S = initialState ?? k[0].map(() => v[0].map(() => 0));
  const output = q.map((qn, n) => {
    const gamma = Math.exp(logDecay[n]);
    S = S.map((row, i) => row.map((s, d) => gamma * s + k[n][i] * v[n][d]));
    return v[0].map((_, d) =>
      dot(
        qn,
        S.map((row) => row[d]),
      ),
    );
  });
  return { output, state: S };
}
