/** Recall and needles: the questions are what they say, the answers are counted rightly, and cheating does not pass. */
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  bareNeedles,
  NEEDLE_LENGTH,
  NeedleTask,
  NeedleVocabulary,
} from '../../src/evaluation/needle';
import { answerAccuracy, RecallTask, recallVocabSize } from '../../src/evaluation/recall';
import { inStages } from '../../src/training/batches';
import { readCorpus } from '../../src/training/corpus';
import { NOT_ASKED } from '../../src/training/loss';
import { useTestEngine } from '../helpers';

beforeAll(useTestEngine);

/** A "model" whose first choice at each position is what `answer` says of the row up to there. */
const answering = (vocabSize: number, answer: (row: number[], n: number) => number) => ({
  logits: (tokens: unknown) => {
    const rows = tokens as number[][];
    return tf.oneHot(
      tf.tensor2d(
        rows.map((row) => row.map((_, n) => answer(row, n))),
        undefined,
        'int32',
      ),
      vocabSize,
    ) as tf.Tensor3D;
  },
});
/** Looks the token up in what came before it, and says what followed it there. */
const lookUp = (row: number[], n: number): number => {
  const before = row.indexOf(row[n]);
  return before < n ? row[before + 1] : 0;
};

describe('associative recall', () => {
  const options = { keys: 12, values: 9, batch: 3, pairs: [1, 4, 12], seed: 5 };
  it('each pair is told once and asked once; where an answer is due, it is the value of that key', () => {
    fc.assert(
      fc.property(fc.nat(200), fc.integer({ min: 1, max: 12 }), (number, pairs) => {
        const { inputs, targets } = new RecallTask({ ...options, pairs }).at(number);
        inputs.forEach((row, b) => {
          expect(row).toHaveLength(4 * pairs);
          const told = new Map(
            Array.from({ length: pairs }, (_, i) => [row[2 * i], row[2 * i + 1]]),
          );
          expect(told.size).toBe(pairs);
          const asked = targets[b].flatMap((target, n) =>
            target === NOT_ASKED ? [] : [{ key: row[n], target }],
          );
          expect(new Map(asked.map(({ key, target }) => [key, target]))).toEqual(told);
          // What is asked is never the token that stands there, and always the one that comes next.
          for (const [n, target] of targets[b].entries())
            if (target !== NOT_ASKED) expect(row[n + 1]).toBe(target);
        });
      }),
      { numRuns: 30 },
    );
  });
  it('batches take turns between the numbers of pairs, and depend on their number alone', () => {
    const task = new RecallTask(options);
    expect([0, 1, 2, 3].map((number) => task.at(number).inputs[0].length)).toEqual([4, 16, 48, 4]);
    expect(new RecallTask(options).at(7)).toEqual(task.at(7));
    expect(new RecallTask({ ...options, seed: 6 }).at(7)).not.toEqual(task.at(7));
  });
  it('values are independent of keys: nothing can be learned by heart', () => {
    const seen = new Set<string>();
    for (let number = 0; number < 60; number++)
      for (const row of new RecallTask({ ...options, pairs: 12 }).at(number).inputs)
        for (let i = 0; i < 24; i += 2) seen.add(`${row[i]} ${row[i + 1]}`);
    expect(seen.size).toBe(12 * 9);
  });
  it('who looks up has all right, who guesses one value about 1 in 9, and who is a position late none', async () => {
    const task = new RecallTask({ ...options, pairs: 8 });
    const size = recallVocabSize(options);
    expect(await answerAccuracy(answering(size, lookUp), task, { batches: 5 })).toBe(1);
    const guess = await answerAccuracy(
      answering(size, () => 12),
      task,
      { batches: 40 },
    );
    expect(guess).toBeGreaterThan(0.05);
    expect(guess).toBeLessThan(0.2);
    const late = answering(size, (row, n) => (n > 0 ? lookUp(row, n - 1) : 0));
    expect(await answerAccuracy(late, task, { batches: 5 })).toBe(0);
  });
  it.each([
    [{ ...options, pairs: 13 }, /pairs is 13, but there are 12 keys/],
    [{ ...options, pairs: 0 }, /pairs is 0/],
    [{ ...options, batch: 0 }, /batch is 0/],
  ])('%j is refused', (given, message) => expect(() => new RecallTask(given)).toThrow(message));
});

describe('a needle in a haystack', () => {
  const vocabulary = new NeedleVocabulary(readCorpus().text, 100);
  const words = (row: number[]) => vocabulary.decode(row).split(' ');
  const common = { batch: 2, seed: 3 };

  it('lies at its depth, is asked at the end, and the row is as long as it was ordered', () => {
    for (const [depth, place] of [
      [0, 0],
      [0.5, 25],
      [1, 50],
    ] as const) {
      // 50 words of hay: the last answer is asked and not read, so its place is hay's.
      const length = 50 + NEEDLE_LENGTH + (NEEDLE_LENGTH - 1) - 1;
      const { inputs, targets } = new NeedleTask(vocabulary, {
        ...common,
        length,
        needles: 1,
        depth,
      }).at(0);
      for (const [b, row] of inputs.entries()) {
        expect(row).toHaveLength(length);
        const said = words(row);
        expect(said.slice(place, place + 4).join(' ')).toBe('the magic number of');
        expect(said.at(-1)).toBe(said[place + 4]);
        expect(vocabulary.words[targets[b].at(-1)!]).toBe(said[place + 5]);
        expect(targets[b].filter((t) => t !== NOT_ASKED)).toHaveLength(1);
      }
    }
  });
  it('several needles: each city is told once and asked once, and who looks up finds all', async () => {
    const task = new NeedleTask(vocabulary, { ...common, length: 160, needles: 8 });
    expect(await answerAccuracy(answering(vocabulary.size, lookUp), task)).toBe(1);
    const { inputs, targets } = task.at(1);
    inputs.forEach((row, b) => {
      const cities = words(row).filter((word) => word.endsWith(':'));
      expect(new Set(cities).size).toBe(8);
      expect(cities).toHaveLength(16);
      expect(targets[b].filter((t) => t !== NOT_ASKED)).toHaveLength(8);
    });
  });
  it('can it fail? who only looks at the end of the text misses the early needles', async () => {
    const shortSighted = answering(vocabulary.size, (row, n) => {
      const from = Math.max(0, n - 30);
      return lookUp(row.slice(from, n + 1), n - from);
    });
    const at = (depth: number) =>
      answerAccuracy(
        shortSighted,
        new NeedleTask(vocabulary, { ...common, length: 128, needles: 1, depth }),
        { batches: 4 },
      );
    expect(await at(1)).toBe(1);
    expect(await at(0)).toBe(0);
  });
  it('the hay is the book’s: no needle word, in the book’s order', () => {
    expect(vocabulary.hay.length).toBeGreaterThan(50_000);
    expect(words([...vocabulary.hay.subarray(0, 3)]).every((word) => /^[a-z]+$/.test(word))).toBe(
      true,
    );
    expect(new Set(vocabulary.hay).size).toBe(100);
  });
  it('bare needles ask for the same words, and stages follow one another', async () => {
    const bare = bareNeedles(vocabulary, { pairs: [4], batch: 2, seed: 1 });
    expect(await answerAccuracy(answering(vocabulary.size, lookUp), bare)).toBe(1);
    expect(words(bare.at(0).inputs[0]).slice(0, 2).join(' ')).toMatch(/^[A-Z][a-z]+: \d\d$/);
    const hay = new NeedleTask(vocabulary, { ...common, length: 64, needles: 2 });
    const lessons = inStages([
      { source: bare, steps: 3 },
      { source: hay, steps: 0 },
    ]);
    expect([lessons.at(2), lessons.at(3), lessons.at(9)]).toEqual([
      bare.at(2),
      hay.at(0),
      hay.at(6),
    ]);
  });
  it.each([
    [
      { ...common, length: 20, needles: 2 },
      /length is 20; 2 needles and their questions alone are 26/,
    ],
    [{ ...common, length: 64, needles: 21 }, /needles is 21, but there are 20 cities/],
    [{ ...common, length: 64, needles: 1, depth: 1.5 }, /depth is 1.5/],
  ])('%j is refused', (given, message) =>
    expect(() => new NeedleTask(vocabulary, given)).toThrow(message),
  );
});
