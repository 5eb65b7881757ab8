import { describe, expect, it } from 'vitest';
import { stackedBars, timeline } from '../../../src/support/figures/bars';

describe('stackedBars', () => {
  const { data, layout, caption } = stackedBars(
    [
      { name: 'A', parts: { mixers: 2, ffn: 5 } },
      { name: 'B', parts: { ffn: 6, norms: -1 } },
    ],
    { title: 'Where it sits', x: 'weights', unit: 'k' },
  );
  it('draws one trace per part and one bar per whole; a missing part counts 0', () => {
    expect(data).toMatchObject([
      { name: 'mixers', y: ['A', 'B'], x: [2, 0] },
      { name: 'ffn', x: [5, 6] },
      { name: 'norms', x: [0, -1] },
    ]);
  });
  it('tells parts apart by colour and pattern, and stacks negative ones separately', () => {
    const markers = (data as { marker: { color: string; pattern: { shape: string } } }[]).map(
      ({ marker }) => marker,
    );
    expect(new Set(markers.map(({ color }) => color)).size).toBe(3);
    expect(new Set(markers.map(({ pattern }) => pattern.shape)).size).toBe(3);
    expect(layout).toMatchObject({
      barmode: 'relative',
      xaxis: { title: { text: 'weights (k)' } },
    });
  });
  it('names every number in its caption', () => {
    expect(caption).toBe(
      'Where it sits. A mixers 2 k, ffn 5 k, norms 0 k; B mixers 0 k, ffn 6 k, norms -1 k.',
    );
  });
});

describe('timeline', () => {
  const { data, caption } = timeline(
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
  it('draws each span from its start to its end, and waiting in grey, last', () => {
    const traces = data as {
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
  it('says how long it took and how much of it was waiting', () => {
    expect(caption).toBe(
      'A wave. 2 rows, done after 9 ms; 12 ms in all of them together, 4 ms of it waiting.',
    );
  });
});
