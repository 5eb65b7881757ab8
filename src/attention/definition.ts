/**
 * Softmax attention of one head as loops over plain numbers (float64): the judge of the others.
 *
 *   output_n = Σ_m weight_nm v_m,   weight_n = softmax over the visible keys m of scale · q_n·k_m
 *
 * The last query stands at the last key: query n has position p = n + M − N. It sees the keys up
 * to p, with a window of C tokens the keys p − C + 1 … p.
 *
 * Source: YOCO, arXiv 2405.05254, sliding-window attention (arXiv eq. 8, NeurIPS 4) and
 * cross-decoder (arXiv eq. 3). Eq. 8 prints no scale; the official code has 1/√Dk.
 */
export interface OneHeadAttention {
  q: number[][]; // [N, Dk]
  k: number[][]; // [M, Dk]
  v: number[][]; // [M, Dv]
}
export interface AttentionRule {
  causal?: boolean; // default true
  windowSize?: number; // C: keys that a query sees, its own included; default all
  scale?: number; // factor of the scores; default 1/√Dk
}

/** Which of M keys query n of N sees: [first, end). */
export function visibleKeys(
  n: number,
  N: number,
  M: number,
  { causal = true, windowSize = Infinity }: AttentionRule = {},
): [number, number] {
  const position = n + M - N;
  const end = causal ? position + 1 : M;
  return [Math.max(0, position + 1 - windowSize), end];
}

/** [N, Dv]. */
export function attentionByDefinition(
  { q, k, v }: OneHeadAttention,
  rule: AttentionRule = {},
): number[][] {
  const { scale = q[0].length ** -0.5 } = rule;
  return q.map((qn, n) => {
    const [first, end] = visibleKeys(n, q.length, k.length, rule);
    const scores = k.slice(first, end).map((km) => scale * dot(qn, km));
    const largest = Math.max(...scores); // the softmax does not change, and exp cannot overflow
    const exps = scores.map((score) => Math.exp(score - largest));
    const total = exps.reduce((a, b) => a + b, 0);
    const weights = exps.map((exp) => exp / total);
    return v[0].map((_, d) => weights.reduce((sum, w, i) => sum + w * v[first + i][d], 0));
  });
}

const dot = (a: number[], b: number[]): number => a.reduce((sum, x, i) => sum + x * b[i], 0);
