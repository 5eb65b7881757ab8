/**
 * AdamW: each weight walks with its own stride, long where its gradient is steady, short where it is noisy.
 *
 *   m ← β₁ m + (1 − β₁) g          v ← β₂ v + (1 − β₂) g²          m̂ = m / (1 − β₁ᵗ)          v̂ = v / (1 − β₂ᵗ)
 *   p ← p − lr · ( m̂ / (√v̂ + eps) + weightDecay · p )
 *
 * m and v start at 0 and would be too small at first; m̂ and v̂ mend that. The decay stands outside the fraction
 * ("decoupled"): mixed into g, as L2 in plain Adam, it would be divided by √v̂ and hardly touch the weights that move most.
 *
 * Source: Loshchilov & Hutter, arXiv 1711.05101; YOCO trains with β = (0.9, 0.95) and decay 0.1. Adam is weightDecay 0.
 */
import * as tf from '@tensorflow/tfjs';
import type { ParameterStore } from '../layers/parameters';
import type { Gradients } from './gradients';

export interface AdamWOptions {
  beta1?: number;
  beta2?: number;
  eps?: number;
  weightDecay?: number;
}
/** What a checkpoint needs to go on: plain numbers. */
export interface AdamWState {
  steps: number;
  moments: Record<string, { m: Float32Array; v: Float32Array }>;
}

export class AdamW {
  private readonly options: Required<AdamWOptions>;
  private readonly moments = new Map<string, { m: tf.Tensor; v: tf.Tensor }>();
  private taken = 0;

  /** @throws RangeError naming the option that is out of range. The parameters stay the model's. */
  constructor(
    private readonly parameters: ParameterStore,
    { beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weightDecay = 0.01 }: AdamWOptions = {},
  ) {
    for (const [name, beta] of Object.entries({ beta1, beta2 }))
      if (!(beta >= 0 && beta < 1))
        throw new RangeError(
          `AdamW: ${name} is ${beta}; give a number from 0 up to, not including, 1.`,
        );
    if (!(eps > 0)) throw new RangeError(`AdamW: eps is ${eps}; give a number above 0.`);
    if (!(weightDecay >= 0))
      throw new RangeError(`AdamW: weightDecay is ${weightDecay}; give 0 or more.`);
    this.options = { beta1, beta2, eps, weightDecay };
    for (const { name, variable } of parameters.all())
      this.moments.set(
        name,
        tf.tidy(() => ({ m: tf.keep(tf.zerosLike(variable)), v: tf.keep(tf.zerosLike(variable)) })),
      );
  }

  /** Updates made so far: the t of the formula. */
  get steps(): number {
    return this.taken;
  }

  /** One update of every weight. @throws RangeError before any weight moves if a gradient is missing or `rate` is no rate. */
  update(gradients: Gradients, rate: number): void {
    if (!(rate >= 0 && Number.isFinite(rate)))
      throw new RangeError(`AdamW.update: the learning rate is ${rate}; give 0 or more.`);
    const all = this.parameters.all();
    const missing = all.find(({ name }) => !gradients[name]);
    if (missing) throw new RangeError(`AdamW.update: there is no gradient for ${missing.name}.`);
    this.taken++;
    const { beta1, beta2, eps, weightDecay } = this.options;
    const mend1 = 1 - beta1 ** this.taken;
    const mend2 = 1 - beta2 ** this.taken;
    for (const { name, variable } of all) {
      const before = this.moments.get(name)!;
      const g = gradients[name];
      const after = tf.tidy(() => {
        const m = before.m.mul(beta1).add(g.mul(1 - beta1));
        const v = before.v.mul(beta2).add(g.square().mul(1 - beta2));
        const stride = m.div(mend1).div(v.div(mend2).sqrt().add(eps));
        variable.assign(variable.mul(1 - rate * weightDecay).sub(stride.mul(rate)));
        return { m: tf.keep(m), v: tf.keep(v) };
      });
      tf.dispose([before.m, before.v]);
      this.moments.set(name, after);
    }
  }

  /** A copy of everything that the next update depends on. */
  state(): AdamWState {
    const copy = [...this.moments].map(
      ([name, { m, v }]) =>
        [name, { m: m.dataSync() as Float32Array, v: v.dataSync() as Float32Array }] as const,
    );
    return { steps: this.taken, moments: Object.fromEntries(copy) };
  }
  /** Goes on from `state`. @throws RangeError, with nothing changed, if it belongs to other weights. */
  restore({ steps, moments }: AdamWState): void {
    for (const { name, variable } of this.parameters.all())
      if (moments[name]?.m.length !== variable.size || moments[name]?.v.length !== variable.size)
        throw new RangeError(
          `AdamW.restore: the state of ${name} is missing or of another size; it belongs to another model.`,
        );
    for (const [name, held] of this.moments) {
      const shape = held.m.shape;
      tf.dispose([held.m, held.v]);
      this.moments.set(
        name,
        tf.tidy(() => ({
          m: tf.keep(tf.tensor(moments[name].m, shape)),
          v: tf.keep(tf.tensor(moments[name].v, shape)),
        })),
      );
    }
    this.taken = steps;
  }
  dispose(): void {
    for (const { m, v } of this.moments.values()) tf.dispose([m, v]);
    this.moments.clear();
  }
}
