/**
 * When to stop: once held-out text has not become easier for `patience` measurements.
 *
 *   held out   2.9  2.4  2.1  2.2  2.3          patience 2: stop after the fifth, keep the weights of the third
 *
 * A model that goes on learning its text by heart gets worse at all others; the curve of held-out text shows from when. It
 * is a function of the curve, which a saved run holds, so a run that resumes stops where an unbroken one would have.
 */
interface Measurement {
  step: number;
  loss: number;
}

/** The lowest measurement so far; of equals the first. */
export function bestOf(validation: readonly Measurement[]): Measurement | undefined {
  return validation.reduce<Measurement | undefined>(
    (best, point) => (best && best.loss <= point.loss ? best : point),
    undefined,
  );
}
/** Measurements since then. */
export function sinceBest(validation: readonly Measurement[]): number {
  const best = bestOf(validation);
  return best ? validation.length - 1 - validation.indexOf(best) : 0;
}
