/**
 * The parts that every model shares, as loops over plain numbers (JavaScript's are float64). They
 * judge the tensor forms.
 */

/** y_j = Σ_i x_i W[i][j]. */
export const linearByDefinition = (x: number[], W: number[][]): number[] =>
  W[0].map((_, j) => x.reduce((sum, xi, i) => sum + xi * W[i][j], 0));

/** x / √(mean(x²) + eps) · weight. No mean is subtracted, so the direction is kept. */
export function rmsNormByDefinition(x: number[], eps: number, weight = x.map(() => 1)): number[] {
  const meanSquare = x.reduce((sum, xi) => sum + xi * xi, 0) / x.length;
  return x.map((xi, i) => (xi / Math.sqrt(meanSquare + eps)) * weight[i]);
}

/** swish(z) = z σ(z), also called SiLU. It has no weights of its own. */
export const swishByDefinition = (z: number): number => z / (1 + Math.exp(-z));

/** swish(a) ⊙ b. */
export const swigluByDefinition = (a: number[], b: number[]): number[] =>
  a.map((ai, i) => swishByDefinition(ai) * b[i]);

/** One pair of features as the complex number x + iy, rotated: (x + iy) e^{i angle}. */
export const rotatePair = (x: number, y: number, angle: number): [number, number] => [
  x * Math.cos(angle) - y * Math.sin(angle),
  x * Math.sin(angle) + y * Math.cos(angle),
];

/**
 * One head's features at `position`; `interleaved` pairs 2i with 2i+1, `half-split` i with i+D/2.
 */
export function rotaryByDefinition(
  x: number[],
  position: number,
  angles: number[],
  style: 'interleaved' | 'half-split',
): number[] {
  const out = [...x];
  for (const [i, angle] of angles.entries()) {
    const [first, second] = style === 'interleaved' ? [2 * i, 2 * i + 1] : [i, i + x.length / 2];
    [out[first], out[second]] = rotatePair(x[first], x[second], position * angle);
  }
  return out;
}
