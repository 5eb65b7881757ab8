import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { greedy, probabilities, type SamplingOptions, sample } from '../../src/inference/sampling';
import { seededStream } from '../../src/tensor/random';

const near = (got: ArrayLike<number>, want: number[]) => {
  expect(got.length).toBe(want.length);
  want.forEach((p, i) => {
    expect(got[i], `token ${i}`).toBeCloseTo(p, 12);
  });
};
/** Probabilities 4 : 3 : 2 : 1, not in order of size. */
const logits = [Math.log(2), Math.log(4), Math.log(1), Math.log(3)];

/** The largest deviation of a token's count in 20,000 draws, in standard deviations. */
function worstDeviation(options: SamplingOptions, want: number[], drawFrom = options): number {
  const draws = 20_000;
  const random = seededStream(5);
  const counts = want.map(() => 0);
  for (let i = 0; i < draws; i++) counts[sample(logits, drawFrom, random)]++;
  return Math.max(
    ...want.map((p, i) => {
      if (p === 0) return counts[i] === 0 ? 0 : Number.POSITIVE_INFINITY;
      return Math.abs(counts[i] - draws * p) / Math.sqrt(draws * p * (1 - p) || 1);
    }),
  );
}

describe('the probabilities that a token is drawn with', () => {
  it('are the softmax of logits / temperature', () => {
    near(probabilities(logits, { temperature: 1 }), [0.2, 0.4, 0.1, 0.3]);
    near(probabilities(logits, { temperature: 0.5 }), [4 / 30, 16 / 30, 1 / 30, 9 / 30]);
    near(probabilities(logits, { temperature: 0 }), [0, 1, 0, 0]);
    near(probabilities(logits), [0, 1, 0, 0]);
  });
  it('topK keeps the K most likely, and of equals the smallest ids', () => {
    near(probabilities(logits, { temperature: 1, topK: 2 }), [0, 4 / 7, 0, 3 / 7]);
    near(probabilities(logits, { temperature: 1, topK: 99 }), [0.2, 0.4, 0.1, 0.3]);
    near(probabilities([1, 1, 1, 1], { temperature: 1, topK: 3 }), [1 / 3, 1 / 3, 1 / 3, 0]);
  });
  it.each([
    [0.39, [0, 1, 0, 0]], // below the largest share: one token, never none
    [0.41, [0, 4 / 7, 0, 3 / 7]], // the token that crosses the line stays
    [0.89, [2 / 9, 4 / 9, 0, 3 / 9]],
    [1e-9, [0, 1, 0, 0]],
    [1, [0.2, 0.4, 0.1, 0.3]],
  ])('topP %d keeps the smallest set that holds this share', (topP, want) => {
    near(probabilities(logits, { temperature: 1, topP }), want);
  });
  it('topP takes no further token once it holds exactly this share', () => {
    near(probabilities([0, 0, 0, 0], { temperature: 1, topP: 0.5 }), [0.5, 0.5, 0, 0]);
    near(probabilities([0, 0, 0, 0], { temperature: 1, topP: 0.25 }), [1, 0, 0, 0]);
  });
  it('topP counts its share of what topK has left', () => {
    // Of 4/7 and 3/7 the first alone holds 0.56; of the whole it would hold 0.4 only.
    near(probabilities(logits, { temperature: 1, topK: 2, topP: 0.56 }), [0, 1, 0, 0]);
  });
  it('sum to 1 and are finite, whatever the logits and options', () => {
    const logit = fc.oneof(
      fc.double({ noNaN: true, min: -1e38, max: 1e38 }),
      fc.constantFrom(0, -0, 3e38, -3e38, Number.NEGATIVE_INFINITY),
    );
    const options = fc.record({
      temperature: fc.constantFrom(0, 1e-300, 0.7, 1e9),
      topK: fc.integer({ min: 1, max: 9 }),
      topP: fc.constantFrom(1e-9, 0.5, 1),
    });
    fc.assert(
      fc.property(fc.array(logit, { minLength: 1, maxLength: 8 }), options, (drawn, chosen) => {
        fc.pre(drawn.some((x) => x > Number.NEGATIVE_INFINITY));
        const odds = probabilities(drawn, chosen);
        expect(odds.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
        expect(odds.filter((p) => p > 0).length).toBeLessThanOrEqual(chosen.topK);
        expect(odds[greedy(drawn)]).toBeGreaterThan(0);
      }),
    );
  });
});

describe('draws', () => {
  const cases: [SamplingOptions, number[]][] = [
    [{ temperature: 1 }, [0.2, 0.4, 0.1, 0.3]],
    [{ temperature: 0.5 }, [4 / 30, 16 / 30, 1 / 30, 9 / 30]],
    [{ temperature: 1, topK: 2 }, [0, 4 / 7, 0, 3 / 7]],
    [{ temperature: 1, topP: 0.5 }, [0, 4 / 7, 0, 3 / 7]],
  ];
  it.each(cases)('come as often as the probabilities say: %j', (options, want) => {
    // Of four counts, 1 seed in 4,000 exceeds 4 standard deviations; this one does not.
    expect(worstDeviation(options, want)).toBeLessThan(4);
  });
  it('negative control: draws without the temperature or without topK are noticed', () => {
    expect(
      worstDeviation({ temperature: 0.5 }, [4 / 30, 16 / 30, 1 / 30, 9 / 30], { temperature: 1 }),
    ).toBeGreaterThan(20);
    expect(
      worstDeviation({ temperature: 1, topK: 2 }, [0, 4 / 7, 0, 3 / 7], { temperature: 1 }),
    ).toBe(Number.POSITIVE_INFINITY);
  });
  it('repeat with the same seed and differ with another', () => {
    const text = (seed: number) => {
      const random = seededStream(seed);
      return Array.from({ length: 40 }, () => sample(logits, { temperature: 1 }, random)).join('');
    };
    expect(text(3)).toBe(text(3));
    expect(text(3)).not.toBe(text(4));
  });
  it('begin differently for neighbouring seeds and streams', () => {
    // Plain generators from seeds 0 … 99 all begin near 1: each would draw the last token first.
    for (const first of [(i: number) => seededStream(i, 0), (i: number) => seededStream(0, i)]) {
      const firsts = Array.from({ length: 100 }, (_, i) => first(i).uniform());
      const mean = firsts.reduce((a, b) => a + b, 0) / 100;
      expect(Math.abs(mean - 0.5)).toBeLessThan(0.1); // 3.5 standard deviations
      expect(new Set(firsts).size).toBe(100);
    }
  });
});

describe('what cannot be sampled is refused', () => {
  it.each([
    [{ temperature: -1 }, /temperature is -1; give 0 or more/],
    [{ temperature: Number.NaN }, /temperature is NaN/],
    [{ temperature: Number.POSITIVE_INFINITY }, /temperature is Infinity/],
    [{ topK: 0 }, /topK is 0; give a whole number/],
    [{ topK: 1.5 }, /topK is 1.5/],
    [{ topP: 0 }, /topP is 0; give a number above 0/],
    [{ topP: 1.01 }, /topP is 1.01/],
    [{ topP: '0.5' as unknown as number }, /topP is "0.5"; give a number/],
  ])('%j', (options, message) => {
    expect(() => probabilities(logits, options)).toThrow(message);
  });
  it('logits that are NaN, all −∞, or none', () => {
    expect(() => greedy([0, Number.NaN])).toThrow(/logit of token 1 is NaN/);
    expect(() => greedy([Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY])).toThrow(
      /none of 2 logits/,
    );
    expect(() => greedy([])).toThrow(/none of 0 logits/);
  });
  it('but a logit of +∞ is certainty', () => {
    near(probabilities([0, Number.POSITIVE_INFINITY, 3], { temperature: 1 }), [0, 1, 0]);
  });
});
