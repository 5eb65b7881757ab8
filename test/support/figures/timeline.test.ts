import { describe, expect, it } from 'vitest';
import { timeline } from '../../../src/support/figures/timeline';

describe('timeline', () => {
  const chart = timeline(
    [
      {
        name: 'device 0',
        spans: [
          { what: 'wait', start: 0, end: 1 },
          { what: 'self.0', start: 1, end: 3 },
        ],
      },
      {
        name: 'device 1',
        spans: [
          { what: 'wait', start: 0, end: 3 },
          { what: 'self.0', start: 3, end: 5 },
          { what: 'cross', start: 5, end: 9 },
        ],
      },
    ],
    { title: 'A wave' },
  );
  it('draws each span where it began, as long as it took, and waiting in grey, last', () => {
    const traces = chart.data as {
      name: string;
      y: string[];
      base: number[];
      x: number[];
      marker: { color: string };
    }[];
    expect(traces.map(({ name }) => name)).toEqual(['self.0', 'cross', 'wait']);
    expect(traces[0]).toMatchObject({ y: ['device 0', 'device 1'], base: [1, 3], x: [2, 2] });
    expect(traces[2]).toMatchObject({ base: [0, 0], x: [1, 3], marker: { color: '#BBBBBB' } });
    expect(new Set(traces.map(({ marker }) => marker.color)).size).toBe(3);
  });
  it('says in words how long it took and how much was waiting', () => {
    expect(chart.caption).toBe(
      'A wave. 2 rows, done after 9 ms; 12 ms in all of them together, 4 ms of it waiting.',
    );
  });
});
