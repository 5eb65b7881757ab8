import { describe, expect, it } from 'vitest';
import { Batches } from '../../src/training/batches';
import { checkSchedule, learningRate, type Schedule } from '../../src/training/schedule';

const tokens = Int32Array.from({ length: 103 }, (_, i) => i); // each token names its own place
const options = { batch: 3, context: 10, seed: 1 };

describe('batches', () => {
  it('are windows of the text, and each target is the token after its input', () => {
    const batches = new Batches(tokens, options);
    for (let step = 0; step < 20; step++) {
      const { inputs, targets } = batches.at(step);
      expect(inputs.length).toBe(3);
      inputs.forEach((row, r) => {
        expect(row).toEqual(Array.from({ length: 10 }, (_, i) => row[0] + i));
        expect(targets[r]).toEqual(row.map((token) => token + 1));
      });
    }
  });
  it('take each window of an epoch once: 9 windows, 3 at a time, no token twice', () => {
    const batches = new Batches(tokens, options);
    const firsts: number[] = [];
    for (let epoch = 0; epoch < 5; epoch++) {
      const seen = [0, 1, 2].flatMap((i) => batches.at(3 * epoch + i).inputs.flat());
      expect(new Set(seen).size).toBe(90);
      firsts.push(Math.min(...seen));
    }
    expect(new Set(firsts).size, 'epochs begin at different places').toBeGreaterThan(2);
  });
  it('depend on seed and step alone: any order of asking gives the same', () => {
    const one = new Batches(tokens, options);
    const inOrder = [0, 1, 2, 3, 4, 5, 6, 7].map((step) => one.at(step));
    const other = new Batches(tokens, options);
    expect([7, 2, 5, 0].map((step) => other.at(step))).toEqual(
      [7, 2, 5, 0].map((step) => inOrder[step]),
    );
    expect(new Batches(tokens, { ...options, seed: 2 }).at(0)).not.toEqual(inOrder[0]);
  });
  it('work with a text of exactly one window, and refuse a shorter one', () => {
    const one = new Batches(tokens.slice(0, 11), { ...options, batch: 1 });
    expect(one.at(4).targets).toEqual([[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]]);
    expect(() => new Batches(tokens.slice(0, 10), options)).toThrow(
      /has 10 tokens, a window of context 10 needs 11/,
    );
    expect(() => new Batches(tokens, { ...options, batch: 0 })).toThrow(/batch is 0/);
  });
});

describe('the learning rate', () => {
  const schedule: Schedule = { peak: 0.01, steps: 11, warmUpSteps: 4, floor: 0.1, decay: 'linear' };
  it('rises in a line, then falls to the floor at the last step and stays', () => {
    const rates = Array.from({ length: 13 }, (_, step) => learningRate(step, schedule) * 100);
    const want = [0.25, 0.5, 0.75, 1, 1, 0.85, 0.7, 0.55, 0.4, 0.25, 0.1, 0.1, 0.1];
    want.forEach((rate, step) => {
      expect(rates[step], `step ${step}`).toBeCloseTo(rate, 12);
    });
  });
  it('by cosine is half-way down half-way through', () => {
    const cosine = { ...schedule, decay: 'cosine' as const };
    expect([4, 7, 10].map((step) => learningRate(step, cosine) * 100)).toEqual([
      1,
      expect.closeTo(0.55, 12),
      expect.closeTo(0.1, 12),
    ]);
    expect(learningRate(9, { ...schedule, decay: 'none' })).toBe(0.01);
  });
  it.each([
    [{ peak: 0 }, /learning rate is 0/],
    [{ steps: 0 }, /steps is 0/],
    [{ warmUpSteps: 12 }, /warmUpSteps is 12; give a whole number from 0 to the 11 steps/],
    [{ floor: 2 }, /floor is 2/],
    [{ decay: 'exponential' }, /decay is "exponential"; allowed: cosine, linear, none/],
  ])('refuses %j', (wrong, message) => {
    expect(() => checkSchedule({ ...schedule, ...wrong } as Schedule)).toThrow(message);
  });
});
