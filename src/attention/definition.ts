/**
 * Softmax attention for one head as loops over plain numbers (float64): the judge of the fast form.
 *
 *   out_n = Σ_m p_nm v_m,   p_n = softmax over the keys m that position n may see of  scale · q_n·k_m
 *
 * The last query stands at the last key: query n sees keys up to n + M − N, and with a window C the last C of those,
 * its own among them. Source: YOCO, sliding-window attention (arXiv eq. 8) and cross-decoder (arXiv eq. 3).
 */
export interface OneHeadAttention {
  q: number[][];
  k: number[][];
  v: number[][];
}
export interface AttentionRule {
  causal?: boolean;
  windowSize?: number;
  scale?: number;
}

/** Which keys query n of N sees among M: [first, end). */
export function visibleKeys(
  n: number,
  N: number,
  M: number,
  { causal = true, windowSize = Infinity }: AttentionRule = {},
): [number, number] {
  const own = n + M - N;
  const end = causal ? own + 1 : M;
  return [Math.max(0, own + 1 - windowSize), end];
}

export function attentionByDefinition(
  { q, k, v }: OneHeadAttention,
  rule: AttentionRule = {},
): number[][] {
  const scale = rule.scale ?? q[0].length ** -0.5;
  return q.map((qn, n) => {
    const [first, end] = visibleKeys(n, q.length, k.length, rule);
    const scores = k
      .slice(first, end)
      .map((km) => scale * qn.reduce((dot, x, j) => dot + x * km[j], 0));
    const largest = Math.max(...scores); // the softmax does not change, and exp cannot overflow
    const weights = scores.map((s) => Math.exp(s - largest));
    const total = weights.reduce((a, b) => a + b, 0);
    return v[0].map((_, d) =>
      weights.reduce((sum, w, i) => sum + (w / total) * v[first + i][d], 0),
    );
  });
}
