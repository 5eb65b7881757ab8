/** A loss and its slope in every weight, by name. */
import * as tf from '@tensorflow/tfjs';
import type { ParameterStore } from '../layers/parameters';

/** Gradients by the weight's name, each in the layout of memory ([in, out] for matrices). */
export type Gradients = Record<string, tf.Tensor>;

/**
 * Runs `lossOf` once and walks back. The caller disposes the loss and the gradients.
 * @throws Error naming the weights that the loss does not depend on.
 */
export function lossAndGradients(
  parameters: ParameterStore,
  lossOf: () => tf.Scalar,
): { loss: tf.Scalar; gradients: Gradients } {
  const all = parameters.all();
  const { value, grads } = tf.variableGrads(
    lossOf,
    all.map(({ variable }) => variable),
  );
  const missing = all.filter(({ variable }) => !grads[variable.name]);
  if (missing.length > 0) {
    tf.dispose([value, grads]);
    throw new Error(
      `lossAndGradients: the loss does not depend on ${missing.map(({ name }) => name).join(', ')}.`,
    );
  }
  return {
    loss: value,
    gradients: Object.fromEntries(all.map(({ name, variable }) => [name, grads[variable.name]])),
  };
}

/** √ of the sum of all squares: the gradient's length as one vector over all weights. */
export function globalNorm(gradients: Gradients): number {
  return tf.tidy(() => {
    const squares = Object.values(gradients).map((g) => g.square().sum());
    return Math.sqrt(tf.addN(squares).dataSync()[0]);
  });
}

/**
 * Scales all gradients down together if their length exceeds `longest`: the direction stays. Returns them (the caller owns
 * them; the given ones stay the caller's too) and the length before.
 */
export function clipByGlobalNorm(
  gradients: Gradients,
  longest: number,
): { gradients: Gradients; norm: number } {
  const norm = globalNorm(gradients);
  const factor = norm > longest ? longest / norm : 1;
  const clipped = Object.entries(gradients).map(
    ([name, g]) => [name, factor === 1 ? g.clone() : g.mul(factor)] as const,
  );
  return { gradients: Object.fromEntries(clipped), norm };
}
