import { expect, it } from 'vitest';
import { cacheGrowth } from '../../../src/support/figures/cache-growth';

const { data, caption } = cacheGrowth(
  [
    { name: 'state', formula: () => 4096 },
    { name: 'cache', formula: (n) => 512 * n, measured: [{ tokens: 8, bytes: 4096 }] },
  ],
  [1, 8, 1000],
  'A state does not grow',
);
const traces = data as { name: string; mode: string; x: number[]; y: number[] }[];

it('draws a formula as a line, and what was measured as points', () => {
  const drawn = traces.map(({ name, mode }) => [name, mode]);
  expect(drawn).toEqual([
    ['state, formula', 'lines'],
    ['cache, formula', 'lines'],
    ['cache, measured', 'markers'],
  ]);
  const [state, formula, measured] = traces;
  expect(state.y).toEqual([4096, 4096, 4096]);
  expect(formula.y[formula.x.indexOf(measured.x[0])]).toBe(measured.y[0]);
});
it('names the sizes at the greatest length', () => {
  expect(caption).toBe('A state does not grow. At 1000 tokens: state 4 KiB, cache 500 KiB.');
});
