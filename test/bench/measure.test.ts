import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { useTestEngine } from '../helpers';
import { tables } from './index';
import { formatTable, median, runTable, sideBySide, type Table, takeTurns } from './measure';

describe('measuring rivals', () => {
  it('the median is the middle, or the mean of the two middles', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 2, 100])).toBe(3);
    expect(() => median([])).toThrow('median: no values');
  });
  it('they take turns after a warm-up, and each has its rounds', async () => {
    await useTestEngine();
    const order: string[] = [];
    const rival = (name: string) => ({ name, run: () => order.push(name) });
    const [a, b] = takeTurns([rival('A'), rival('B')], { rounds: 3 });
    expect(order.slice(4).join('')).toBe('ABABAB');
    expect([a.runs, b.runs, a.ratio]).toEqual([3, 3, 1]);
  });
  it('a table holds one row at a time, reports ratios to the first rival, and reads as text', async () => {
    const log: string[] = [];
    const row = (name: string) => () => {
      log.push(`make ${name}`);
      const spin = (ms: number) => () => {
        for (const end = performance.now() + ms; performance.now() < end; );
      };
      return {
        name,
        rivals: [
          { name: 'quick', run: spin(1), flops: 2e6 },
          { name: 'slow', run: spin(5) },
        ],
        dispose: () => void log.push(`free ${name}`),
      };
    };
    const table: Table = { name: 't', title: 'A table', rows: () => [row('one'), row('two')] };
    const result = await runTable(table, { quick: true, engine: 'wasm' });
    expect(log).toEqual(['make one', 'free one', 'make two', 'free two']);
    expect(result.rows[0].measured[1].ratio).toBeGreaterThan(1);
    expect(formatTable(result)).toMatch(
      /^A table\n.*median.*\none +quick .* ms .*GFLOP\/s\n +slow .* ms +× /,
    );
  });
  it('a goal is met or missed by what was measured, and left out where its rows were not run', async () => {
    const row = () => ({ name: 'r', rivals: ['a', 'b'].map((name) => ({ name, run: () => 0 })) });
    const goal = (
      value: (ms: (row: string, rival: string) => number) => number,
      atMost: number,
    ) => ({ says: `≤ ${atMost}`, value, atMost });
    const goals = [
      goal((ms) => ms('r', 'a') / ms('r', 'a'), 2),
      goal((ms) => ms('r', 'a') / ms('r', 'a'), 0.5),
      goal((ms) => ms('r', 'c'), 1),
    ];
    const result = await runTable(
      { name: 't', title: 'T', rows: () => [row], goals },
      { quick: true, engine: 'wasm' },
    );
    expect(result.goals.map(({ met }) => met)).toEqual([true, false]);
    expect(formatTable(result)).toMatch(/✓ ≤ 2: 1\n {2}✗ missed: ≤ 0.5: 1$/);
  });
  it('bytes at the worst moment, tokens per second and bytes held stand beside the time', async () => {
    await useTestEngine();
    const rival = {
      name: 'a',
      run: () => tf.ones([256]).add(1),
      tokens: 10,
      watchMemory: true,
      heldBytes: () => 4096,
    };
    const [a] = takeTurns([rival], { rounds: 3 });
    expect(a).toMatchObject({ heldBytes: 4096, tokensPerSecond: 10_000 / a.medianMs });
    expect(a.peakBytes).toBeGreaterThanOrEqual(2048); // the ones and the sum
    expect(a.peakBytes).toBeLessThan(2048 + 64);
  });
  it('several engines: each thing measured is a row, its engines the rivals', () => {
    const on = (engine: 'wasm' | 'native', ms: number) => ({
      ...{ name: 't', title: 'T', goals: [], engine },
      rows: [{ name: 'r', measured: [{ rival: 'a', medianMs: ms, runs: 3, ratio: 1 }] }],
    });
    const { title, rows } = sideBySide([on('wasm', 4), on('native', 1)]);
    expect([title, rows[0].name]).toEqual(['T: wasm against native', 'r: a']);
    expect(rows[0].measured.map(({ rival, ratio }) => [rival, ratio])).toEqual([
      ['wasm', 1],
      ['native', 0.25],
    ]);
    expect(() => sideBySide([])).toThrow(/no tables/);
  });
  it('every table has a name of its own', () => {
    expect(new Set(tables.map(({ name }) => name)).size).toBe(tables.length);
  });
});
