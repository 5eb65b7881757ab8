/**
 * AdamW: each weight has its own step size, large where its gradient is steady, small where it is
 * noisy.
 *
 *   m ← β₁ m + (1 − β₁) g          m̂ = m / (1 − β₁ᵗ)
 *   v ← β₂ v + (1 − β₂) g²         v̂ = v / (1 − β₂ᵗ)
 *   p ← p − rate · ( m̂ / (√v̂ + eps) + weightDecay · p )
 *
 * m and v start at 0 and are too small at first; the bias corrections 1 − βᵗ make up for that. The
 * decay stands outside of the fraction ("decoupled"): added to g, as L2 in plain Adam, it would be
 * divided by √v̂ and hardly reach the weights with large gradients.
 *
 * Source: Loshchilov & Hutter, arXiv 1711.05101. YOCO trains with β = (0.9, 0.95) and decay 0.1.
 */
import * as tf from '@tensorflow/tfjs';
import type { ParameterStore } from '../layers/parameters';
import { assignAll, freeOnError } from '../tensor/all-or-nothing';
import type { Gradients } from './gradients';

export interface AdamWOptions {
  beta1?: number;
  beta2?: number;
  eps?: number;
  weightDecay?: number;
}
/** What a checkpoint needs to resume: plain numbers. */
export interface AdamWState {
  steps: number;
  moments: Record<string, { m: Float32Array; v: Float32Array }>;
}

export class AdamW {
  /** Updates made so far: the t of the formula. */
  stepCount = 0;
  private readonly options: Required<AdamWOptions>;
  private readonly moments = new Map<string, { m: tf.Variable; v: tf.Variable }>();

  /** The parameters stay the model's. @throws RangeError naming the option out of range. */
  constructor(
    private readonly parameters: ParameterStore,
    { beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weightDecay = 0.01 }: AdamWOptions = {},
  ) {
    for (const [name, beta] of Object.entries({ beta1, beta2 }))
      if (!(beta >= 0 && beta < 1))
        throw new RangeError(`AdamW: ${name} is ${beta}; give 0 or more, but less than 1.`);
    if (!(eps > 0)) throw new RangeError(`AdamW: eps is ${eps}; give a number above 0.`);
    if (!(weightDecay >= 0))
      throw new RangeError(`AdamW: weightDecay is ${weightDecay}; give 0 or more.`);
    this.options = { beta1, beta2, eps, weightDecay };
    const zeros = (like: tf.Tensor) => tf.tidy(() => tf.variable(tf.zerosLike(like), false));
    freeOnError(() => {
      for (const { name, variable } of parameters.all())
        this.moments.set(name, { m: zeros(variable), v: zeros(variable) });
    });
  }

  /**
   * One update of every weight; of all or, after an error, of none.
   * @throws RangeError if a gradient is missing or of another shape, or the rate is negative.
   */
  update(gradients: Gradients, rate: number): void {
    if (!(rate >= 0 && Number.isFinite(rate)))
      throw new RangeError(`AdamW.update: the learning rate is ${rate}; give 0 or more.`);
    const parameters = this.parameters.all();
    for (const { name, variable } of parameters) {
      const shape = gradients[name]?.shape;
      if (!shape) throw new RangeError(`AdamW.update: there is no gradient for ${name}.`);
      if (!tf.util.arraysEqual(shape, variable.shape))
        throw new RangeError(
          `AdamW.update: the gradient of ${name} is [${shape}]; give [${variable.shape}].`,
        );
    }
    const { beta1, beta2, eps, weightDecay } = this.options;
    const t = this.stepCount + 1;
    const biasCorrection1 = 1 - beta1 ** t;
    const biasCorrection2 = 1 - beta2 ** t;
    assignAll(() => {
      const updates: [tf.Variable, tf.Tensor][] = [];
      for (const { name, variable } of parameters) {
        const g = gradients[name];
        const moments = this.moments.get(name)!;
        const { m, v, p } = tf.tidy(() => {
          const m = moments.m.mul(beta1).add(g.mul(1 - beta1));
          const v = moments.v.mul(beta2).add(g.square().mul(1 - beta2));
          const mHat = m.div(biasCorrection1);
          const vHat = v.div(biasCorrection2);
          const update = mHat.div(vHat.sqrt().add(eps));
          const decayed = variable.mul(1 - rate * weightDecay);
          return { m, v, p: decayed.sub(update.mul(rate)) };
        });
        updates.push([moments.m, m], [moments.v, v], [variable, p]);
      }
      return updates;
    });
    this.stepCount = t;
  }

  /** A copy of everything that the next update depends on. */
  state(): AdamWState {
    const moments: AdamWState['moments'] = {};
    for (const [name, { m, v }] of this.moments) {
      moments[name] = { m: m.dataSync() as Float32Array, v: v.dataSync() as Float32Array };
    }
    return { steps: this.stepCount, moments };
  }

  /** Continues from `state`. @throws RangeError, with nothing changed, if it is another model's. */
  restore({ steps, moments }: AdamWState): void {
    for (const { name, variable } of this.parameters.all()) {
      const saved = moments[name];
      if (saved?.m?.length !== variable.size || saved.v?.length !== variable.size)
        throw new RangeError(`AdamW.restore: the state of ${name} is missing or of another size.`);
    }
    assignAll(() =>
      [...this.moments].flatMap(([name, { m, v }]) => [
        [m, tf.tensor(moments[name].m, m.shape)],
        [v, tf.tensor(moments[name].v, v.shape)],
      ]),
    );
    this.stepCount = steps;
  }

  dispose(): void {
    for (const { m, v } of this.moments.values()) tf.dispose([m, v]);
    this.moments.clear();
  }
}
