/**
 * The learning rate over a run: up in a straight line, then down.
 *
 *   warm-up   lr = peak · (step + 1) / warmUpSteps
 *   cosine    lr = floor + (peak − floor) · (1 + cos π·x) / 2     x runs from 0 to 1 over what is left
 *   linear    lr = peak + (floor − peak) · x
 *
 * Warm-up, because Adam's first steps all have the full size of the rate while its averages still know one batch. Decay,
 * because late steps should settle, not jump. YOCO's 3B run: 1,000 steps up to 3.2e-4, then linearly down to 1.28e-5.
 */
export interface Schedule {
  peak: number;
  steps: number;
  warmUpSteps: number;
  /** The last step's rate as a share of the peak. */
  floor: number;
  decay: 'cosine' | 'linear' | 'none';
}
export const decays = ['cosine', 'linear', 'none'] as const;

/** @throws RangeError naming the field, its value and what is allowed. */
export function checkSchedule(schedule: Schedule): void {
  const { peak, steps, warmUpSteps, floor, decay } = schedule;
  const whole = (n: number, least: number) => Number.isInteger(n) && n >= least;
  if (!(peak > 0 && Number.isFinite(peak)))
    throw new RangeError(`schedule: the learning rate is ${peak}; give a number above 0.`);
  if (!whole(steps, 1))
    throw new RangeError(`schedule: steps is ${steps}; give a whole number, 1 or more.`);
  if (!whole(warmUpSteps, 0) || warmUpSteps > steps)
    throw new RangeError(
      `schedule: warmUpSteps is ${warmUpSteps}; give a whole number from 0 to the ${steps} steps of the run.`,
    );
  if (!(floor >= 0 && floor <= 1))
    throw new RangeError(`schedule: floor is ${floor}; give a share of the peak from 0 to 1.`);
  if (!decays.includes(decay))
    throw new RangeError(
      `schedule: decay is ${JSON.stringify(decay)}; allowed: ${decays.join(', ')}.`,
    );
}

/** The rate of step number `step`, from 0; after the last step it stays. */
export function learningRate(
  step: number,
  { peak, steps, warmUpSteps, floor, decay }: Schedule,
): number {
  if (step < warmUpSteps) return (peak * (step + 1)) / warmUpSteps;
  if (decay === 'none') return peak;
  const x = Math.min(1, (step - warmUpSteps) / Math.max(1, steps - 1 - warmUpSteps));
  const share = decay === 'linear' ? 1 - x : (1 + Math.cos(Math.PI * x)) / 2;
  return peak * (floor + (1 - floor) * share);
}
