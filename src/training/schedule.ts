/**
 * The learning rate over a run: up in a straight line, then down.
 *
 *   warm-up   rate = peak · (step + 1) / warmUpSteps
 *   cosine    rate = floor + (peak − floor) · (1 + cos π x) / 2    x runs from 0 to 1 over the rest
 *   linear    rate = floor + (peak − floor) · (1 − x)
 *
 * Warm-up, because Adam's first updates have full size while its averages know one batch only.
 * Decay, because late updates should settle. YOCO's 3B run: 1,000 steps up to 3.2e-4, then linearly
 * down to 1.28e-5.
 */
import { checkCount, shown } from '../tensor/shapes';

export interface Schedule {
  peak: number;
  steps: number;
  warmUpSteps: number;
  /** The last step's rate, as a fraction of the peak. */
  floor: number;
  decay: (typeof decays)[number];
}
export const decays = ['cosine', 'linear', 'none'] as const;

/** @throws RangeError naming the field, its value and what is allowed. */
export function checkSchedule({ peak, steps, warmUpSteps, floor, decay }: Schedule): void {
  if (!(peak > 0 && Number.isFinite(peak)))
    throw new RangeError(`schedule: the learning rate is ${peak}; give a number above 0.`);
  checkCount('schedule', 'steps', steps, 'steps');
  if (!(Number.isInteger(warmUpSteps) && warmUpSteps >= 0 && warmUpSteps <= steps))
    throw new RangeError(
      `schedule: warmUpSteps is ${warmUpSteps}; give a whole number from 0 to ${steps} (steps).`,
    );
  if (!(floor >= 0 && floor <= 1))
    throw new RangeError(`schedule: floor is ${floor}; give a fraction of the peak from 0 to 1.`);
  if (!decays.includes(decay))
    throw new RangeError(`schedule: decay is ${shown(decay)}; allowed: ${decays.join(', ')}.`);
}

/** The rate of step number `step`, from 0; after the last step it stays. */
export function learningRate(step: number, schedule: Schedule): number {
  const { peak, steps, warmUpSteps, floor, decay } = schedule;
  if (step < warmUpSteps) return (peak * (step + 1)) / warmUpSteps;
  if (decay === 'none') return peak;
  const x = Math.min(1, (step - warmUpSteps) / Math.max(1, steps - 1 - warmUpSteps));
  const height = decay === 'linear' ? 1 - x : (1 + Math.cos(Math.PI * x)) / 2;
  return peak * (floor + (1 - floor) * height);
}
