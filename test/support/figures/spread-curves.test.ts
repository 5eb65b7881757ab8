import { describe, expect, it } from 'vitest';
import { spreadCurves } from '../../../src/support/figures/spread-curves';

describe('spreadCurves', () => {
  const options = { title: 'It falls', x: 'steps', y: 'loss', unit: 'nats' };
  const curve = {
    name: 'three seeds',
    x: [0, 10],
    runs: [
      [4, 2],
      [4, 3],
      [4, 2.5],
    ],
  };
  it('draws means, with bars to the best and the worst run', () => {
    expect(spreadCurves([curve], options).data).toEqual([
      expect.objectContaining({
        y: [4, 2.5],
        error_y: expect.objectContaining({ array: [0, 0.5], arrayminus: [0, 0.5] }),
      }),
    ]);
  });
  it('draws a level to compare with, and says all of it in words', () => {
    const { data, caption } = spreadCurves([curve], {
      ...options,
      baseline: { name: 'teacher', y: 1.8 },
    });
    expect(data.at(-1)).toMatchObject({ name: 'teacher', x: [0, 10], y: [1.8, 1.8] });
    expect(caption).toBe(
      'It falls. At the right end, mean (least to most): three seeds 2.5 nats (2 nats to 3 nats); teacher 1.8 nats.',
    );
  });
  it('refuses runs that do not fit', () => {
    expect(() => spreadCurves([{ ...curve, runs: [[1]] }], options)).toThrow(
      /three seeds has 1 numbers for 2 points/,
    );
    expect(() => spreadCurves([{ ...curve, runs: [] }], options)).toThrow(/has no numbers/);
  });
});
