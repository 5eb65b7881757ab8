/** Recall and needles: the questions are as described, and the answers are counted correctly. */
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  ambiguousShare,
  keyValueWarmup,
  NEEDLE_LENGTH,
  NeedleTask,
  NeedleVocabulary,
  officialCityCounts,
} from '../../src/evaluation/needle';
import { answerAccuracy, RecallTask, recallVocabSize } from '../../src/evaluation/recall';
import type { Tokens } from '../../src/models/language-model';
import { inStages } from '../../src/training/batches';
import { readCorpus } from '../../src/training/corpus';
import { IGNORE_INDEX } from '../../src/training/loss';
import { SeededRandom, useTestEngine } from '../helpers';

beforeAll(useTestEngine);

/** A model whose most likely token after position n of a row is `answer(row, n)`. */
const answering = (vocabSize: number, answer: (row: number[], n: number) => number) => ({
  forward(tokens: Tokens) {
    const rows = tokens as number[][];
    const answers = rows.map((row) => row.map((_, n) => answer(row, n)));
    return tf.oneHot(tf.tensor2d(answers, undefined, 'int32'), vocabSize) as tf.Tensor3D;
  },
});
/** Finds the first occurrence of the token, and answers with the token after it. */
function lookUp(row: number[], n: number): number {
  const first = row.indexOf(row[n]);
  return first < n ? row[first + 1] : 0;
}
const countTargets = (row: number[]) => row.filter((target) => target !== IGNORE_INDEX).length;

describe('associative recall', () => {
  const options = { keys: 12, values: 9, batch: 3, pairs: [1, 4, 12], seed: 5 };

  it('tells each pair once and asks for it once; the target is the value of the key', () => {
    const sizes = [fc.nat(200), fc.integer({ min: 1, max: 12 })] as const;
    const property = fc.property(...sizes, (number, pairs) => {
      const { inputs, targets } = new RecallTask({ ...options, pairs }).at(number);
      for (const [b, row] of inputs.entries()) {
        expect(row).toHaveLength(4 * pairs);
        const told = new Map<number, number>();
        for (let i = 0; i < pairs; i++) told.set(row[2 * i], row[2 * i + 1]);
        expect(told.size).toBe(pairs);
        const asked = new Map<number, number>();
        for (const [n, target] of targets[b].entries()) {
          if (target === IGNORE_INDEX) continue;
          expect(target).toBe(row[n + 1]); // the next token, not the one at n
          asked.set(row[n], target);
        }
        expect(asked).toEqual(told);
        expect(countTargets(targets[b])).toBe(pairs);
      }
    });
    fc.assert(property, { numRuns: 30 });
  });

  it('batches take the numbers of pairs in turn, and depend on their number and the seed', () => {
    const task = new RecallTask(options);
    expect([0, 1, 2, 3].map((number) => task.at(number).inputs[0].length)).toEqual([4, 16, 48, 4]);
    expect(new RecallTask(options).at(7)).toEqual(task.at(7));
    expect(new RecallTask({ ...options, seed: 6 }).at(7)).not.toEqual(task.at(7));
  });

  it('every key occurs with every value, so that weights cannot learn the answers', () => {
    const seen = new Set<string>();
    const task = new RecallTask({ ...options, pairs: 12 });
    for (let number = 0; number < 60; number++) {
      for (const row of task.at(number).inputs) {
        for (let i = 0; i < 24; i += 2) seen.add(`${row[i]} ${row[i + 1]}`);
      }
    }
    expect(seen.size).toBe(12 * 9);
  });

  it('accuracy is 1 for looking up, about 1/9 for one guess, 0 for an answer too late', async () => {
    const task = new RecallTask({ ...options, pairs: 8 });
    const size = recallVocabSize(options);
    expect(await answerAccuracy(answering(size, lookUp), task, 5)).toBe(1);
    const guessing = answering(size, () => 12);
    const accuracy = await answerAccuracy(guessing, task, 40);
    expect(accuracy).toBeGreaterThan(0.05);
    expect(accuracy).toBeLessThan(0.2);
    const late = answering(size, (row, n) => (n > 0 ? lookUp(row, n - 1) : 0));
    expect(await answerAccuracy(late, task, 5)).toBe(0);
  });

  it.each([
    [{ ...options, pairs: 13 }, /pairs is 13; there are only 12 keys/],
    [{ ...options, pairs: 0 }, /pairs is 0/],
    [{ ...options, batch: 0 }, /batch is 0/],
    [{ ...options, tokens: [1, 2] }, /there are 2 tokens; give 21, one for each key and value/],
  ])('%j is refused', (given, message) => expect(() => new RecallTask(given)).toThrow(message));
});

describe('a needle in a haystack', () => {
  const vocabulary = new NeedleVocabulary(readCorpus().text, 100);
  const words = (row: number[]) => vocabulary.decode(row).split(' ');
  const common = { batch: 2, seed: 3 };

  it.each([
    [0, 0],
    [0.5, 25],
    [1, 50],
  ])(
    'at depth %d it begins at word %d of 50, and the last target is its number',
    (depth, place) => {
      // The question has no full stop, and its answer is predicted, not read.
      const length = 50 + NEEDLE_LENGTH + (NEEDLE_LENGTH - 1) - 1;
      const task = new NeedleTask(vocabulary, { ...common, length, needles: 1, depth });
      const { inputs, targets } = task.at(0);
      for (const [b, row] of inputs.entries()) {
        expect(row).toHaveLength(length);
        const text = words(row);
        expect(text.slice(place, place + 4).join(' ')).toBe('the magic number of');
        expect(text.at(-1)).toBe(text[place + 4]);
        expect(vocabulary.words[targets[b].at(-1)!]).toBe(text[place + 5]);
        expect(countTargets(targets[b])).toBe(1);
      }
    },
  );

  it('with several needles, each city is told once and asked once', async () => {
    const task = new NeedleTask(vocabulary, { ...common, length: 160, needles: 8 });
    expect(await answerAccuracy(answering(vocabulary.size, lookUp), task)).toBe(1);
    const { inputs, targets } = task.at(1);
    for (const [b, row] of inputs.entries()) {
      const cities = words(row).filter((word) => word.endsWith(':'));
      expect(new Set(cities).size).toBe(8);
      expect(cities).toHaveLength(16);
      expect(countTargets(targets[b])).toBe(8);
    }
  });

  it('with several needles and one question, the others only distract', async () => {
    const depth = 0.5;
    const options = { ...common, length: 160, needles: 8, asked: 'one', depth } as const;
    const task = new NeedleTask(vocabulary, options);
    expect(await answerAccuracy(answering(vocabulary.size, lookUp), task)).toBe(1);
    const { inputs, targets } = task.at(0);
    for (const [b, row] of inputs.entries()) {
      const text = words(row);
      expect(row).toHaveLength(160);
      const cities = text.filter((word) => word.endsWith(':'));
      expect(cities).toHaveLength(9);
      expect(cities.indexOf(cities[8])).toBeLessThan(8); // the last is told before
      expect(countTargets(targets[b])).toBe(1);
      expect(targets[b].at(-1)).not.toBe(IGNORE_INDEX);
      // The needle that is asked is the one with the depth: half of the filler lies before it.
      const at = text.indexOf(cities[8]);
      const needlesBefore = cities.indexOf(cities[8]);
      const filler = 160 - 8 * NEEDLE_LENGTH - (NEEDLE_LENGTH - 1) + 1;
      expect(at - 4 - needlesBefore * NEEDLE_LENGTH).toBe(Math.round(depth * filler));
    }
    const short = { ...common, length: 61, needles: 8 };
    expect(() => new NeedleTask(vocabulary, { ...short, asked: 'one' })).toThrow(/give 62 or more/);
    expect(() => new NeedleTask(vocabulary, short)).toThrow(/give 104 or more/);
  });

  it('a city that is listed twice makes as many questions ambiguous as drawing says', () => {
    expect(officialCityCounts).toHaveLength(69); // names, of 100 places
    expect(officialCityCounts.reduce((sum, count) => sum + count)).toBe(100);
    const places = officialCityCounts.flatMap((count, city) => new Array(count).fill(city));
    const random = new SeededRandom(7);
    for (const needles of [1, 2, 4, 8]) {
      let ambiguous = 0;
      for (let draw = 0; draw < 4000; draw++) {
        const [asked, ...others] = random.shuffle(places).slice(0, needles);
        if (others.includes(asked)) ambiguous++;
      }
      const share = ambiguousShare(officialCityCounts, needles);
      expect(Math.abs(ambiguous / 4000 - share)).toBeLessThan(0.012);
    }
    expect(ambiguousShare([1, 1, 1], 3)).toBe(0);
    expect(ambiguousShare([2], 2)).toBe(1);
    expect(ambiguousShare([2, 1], 2)).toBeCloseTo(1 / 3, 12);
    expect(() => ambiguousShare([2, 1], 4)).toThrow(/needles is 4; the list has 3 places/);
  });

  it('a model that reads only the last 30 tokens misses the early needles', async () => {
    const shortSighted = answering(vocabulary.size, (row, n) => {
      const from = Math.max(0, n - 30);
      return lookUp(row.slice(from, n + 1), n - from);
    });
    const accuracyAt = (depth: number) => {
      const options = { ...common, length: 128, needles: 1, depth };
      return answerAccuracy(shortSighted, new NeedleTask(vocabulary, options));
    };
    expect(await accuracyAt(1)).toBe(1);
    expect(await accuracyAt(0)).toBe(0);
  });

  it('the haystack is made of the common words of the book', () => {
    const { haystack } = vocabulary;
    expect(haystack.length).toBeGreaterThan(50_000);
    for (const word of words([...haystack.subarray(0, 1000)])) expect(word).toMatch(/^[a-z]+$/);
    expect(new Set(haystack).size).toBe(100);
  });

  it('the warm-up asks for the same words, and stages follow one another', async () => {
    const warmup = keyValueWarmup(vocabulary, { pairs: [4], batch: 2, seed: 1 });
    expect(await answerAccuracy(answering(vocabulary.size, lookUp), warmup)).toBe(1);
    expect(words(warmup.at(0).inputs[0]).slice(0, 2).join(' ')).toMatch(/^[A-Z][a-z]+: \d\d$/);
    const needles = new NeedleTask(vocabulary, { ...common, length: 64, needles: 2 });
    const lessons = inStages([
      { source: warmup, steps: 3 },
      { source: needles, steps: 0 },
    ]);
    expect(lessons.at(2)).toEqual(warmup.at(2));
    expect(lessons.at(3)).toEqual(needles.at(0));
    expect(lessons.at(9)).toEqual(needles.at(6));
  });

  it.each([
    [{ ...common, length: 20, needles: 2 }, /length is 20; give 26 or more for 2 needles/],
    [{ ...common, length: 64, needles: 21 }, /needles is 21; give 20 or fewer/],
    [{ ...common, length: 64, needles: 1, depth: 1.5 }, /depth is 1.5/],
  ])('%j is refused', (given, message) =>
    expect(() => new NeedleTask(vocabulary, given)).toThrow(message),
  );
});
