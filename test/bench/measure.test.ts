import { describe, expect, it } from 'vitest';
import { useTestEngine } from '../support';
import { tables } from './index';
import { formatTable, median, runTable, type Table, takeTurns } from './measure';

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
    expect([a!.runs, b!.runs, a!.ratio]).toEqual([3, 3, 1]);
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
    expect(result.rows[0]!.measured[1]!.ratio).toBeGreaterThan(1);
    expect(formatTable(result)).toMatch(/^A table\n.*median.*\none +quick .* ms .*GFLOP\/s\n +slow .* ms +× /);
  });
  it('every table has a name of its own', () => {
    expect(new Set(tables.map(({ name }) => name)).size).toBe(tables.length);
  });
});
