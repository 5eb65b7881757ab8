import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkSchedule, decays, learningRate, type Schedule } from '../../src/training/schedule';

const schedule: Schedule = { peak: 0.01, steps: 11, warmUpSteps: 4, floor: 0.1, decay: 'linear' };

describe('the learning rate', () => {
  it('rises in a line, falls in a line to the floor at the last step, and stays there', () => {
    const expected = [0.25, 0.5, 0.75, 1, 1, 0.85, 0.7, 0.55, 0.4, 0.25, 0.1, 0.1, 0.1];
    for (const [step, rate] of expected.entries())
      expect(learningRate(step, schedule) * 100, `step ${step}`).toBeCloseTo(rate, 12);
  });
  it('with a cosine is half-way down half-way through', () => {
    const cosine: Schedule = { ...schedule, decay: 'cosine' };
    const rates = [4, 7, 10].map((step) => learningRate(step, cosine) * 100);
    expect(rates).toEqual([1, expect.closeTo(0.55, 12), expect.closeTo(0.1, 12)]);
  });
  it('without decay stays at the peak', () => {
    expect(learningRate(9, { ...schedule, decay: 'none' })).toBe(0.01);
  });
  it('never rises after the warm-up, ends at the floor, and is between 0 and the peak', () => {
    const drawn = fc.record({
      peak: fc.constant(1),
      steps: fc.integer({ min: 1, max: 50 }),
      warmUpSteps: fc.nat(50),
      floor: fc.double({ min: 0, max: 1, noNaN: true }),
      decay: fc.constantFrom(...decays),
    });
    const property = fc.property(drawn, (run) => {
      fc.pre(run.warmUpSteps <= run.steps);
      let before = Number.POSITIVE_INFINITY;
      for (let step = 0; step < run.steps + 5; step++) {
        const rate = learningRate(step, run);
        expect(rate).toBeGreaterThanOrEqual(0);
        expect(rate).toBeLessThanOrEqual(1);
        if (step > run.warmUpSteps) expect(rate).toBeLessThanOrEqual(before + 1e-12);
        before = rate;
      }
      const end = run.decay === 'none' ? 1 : run.floor;
      if (run.steps - run.warmUpSteps >= 2) expect(before).toBeCloseTo(end, 9);
    });
    fc.assert(property);
  });
  it.each([
    [{ peak: 0 }, /learning rate is 0/],
    [{ steps: 0 }, /steps is 0/],
    [{ warmUpSteps: 12 }, /warmUpSteps is 12; give a whole number from 0 to 11/],
    [{ floor: 2 }, /floor is 2/],
    [{ decay: 'exponential' }, /decay is "exponential"; allowed: cosine, linear, none/],
  ])('%j is refused', (wrong, message) => {
    expect(() => checkSchedule({ ...schedule, ...wrong } as Schedule)).toThrow(message);
  });
});
