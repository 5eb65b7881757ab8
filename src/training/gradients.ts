/** Gradients of a loss by every weight: computed, added up, clipped. */
import * as tf from '@tensorflow/tfjs';
import type { ParameterStore } from '../layers/parameters';
import { freeOnError } from '../tensor/all-or-nothing';

/** By the weight's name, each in the layout of memory ([in, out] for matrices). */
export type Gradients = Record<string, tf.Tensor>;

/**
 * Computes the loss once and its gradients. The caller disposes both. After an error nothing is
 * left of what it has computed; a cache that the loss has filled can only be disposed.
 * @throws Error naming the weights that the loss does not depend on.
 */
export function lossAndGradients(
  parameters: ParameterStore,
  lossOf: () => tf.Scalar,
): { loss: tf.Scalar; gradients: Gradients } {
  return freeOnError(() => {
    const all = parameters.all();
    const variables = all.map(({ variable }) => variable);
    const { value: loss, grads } = tf.variableGrads(lossOf, variables);
    const gradients: Gradients = {};
    for (const { name, variable } of all) gradients[name] = grads[variable.name];
    const missing = Object.keys(gradients).filter((name) => !gradients[name]);
    if (missing.length === 0) return { loss, gradients };
    throw new Error(`lossAndGradients: the loss does not depend on ${missing.join(', ')}.`);
  });
}

/** Adds `more`, which is freed, to `sum`, which is empty at first. */
export function addGradients(sum: Gradients, more: Gradients): void {
  try {
    for (const name in more) {
      const before = sum[name];
      sum[name] = before ? before.add(more[name]) : more[name].clone();
      before?.dispose();
    }
  } finally {
    tf.dispose(more);
  }
}

/** √ of the sum of all squares: the gradients' length as one vector over all weights. */
export function globalNorm(gradients: Gradients): number {
  return tf.tidy(() => {
    const squares = Object.values(gradients).map((gradient) => gradient.square().sum());
    return Math.sqrt(tf.addN(squares).dataSync()[0]);
  });
}

/**
 * Scales all gradients down together if their length exceeds `maxNorm`, so the direction stays.
 * Returns copies, which the caller owns, and the length before.
 */
export function clipByGlobalNorm(
  gradients: Gradients,
  maxNorm: number,
): { gradients: Gradients; norm: number } {
  const norm = globalNorm(gradients);
  const clipped: Gradients = {};
  for (const [name, gradient] of Object.entries(gradients)) {
    clipped[name] = norm > maxNorm ? gradient.mul(maxNorm / norm) : gradient.clone();
  }
  return { gradients: clipped, norm };
}
