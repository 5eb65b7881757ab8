import { describe, expect, it } from 'vitest';
import { stackedBars } from '../../../src/support/figures/stacked-bars';

describe('stackedBars', () => {
  const { data, layout, caption } = stackedBars(
    [
      { name: 'A', parts: { mixers: 2, ffn: 5 } },
      { name: 'B', parts: { ffn: 6, norms: -1 } },
    ],
    { title: 'Where it sits', x: 'weights', unit: 'k' },
  );
  it('one trace a part, one bar a whole; a part that is lacking counts 0', () => {
    expect(data).toMatchObject([
      { name: 'mixers', y: ['A', 'B'], x: [2, 0] },
      { name: 'ffn', x: [5, 6] },
      { name: 'norms', x: [0, -1] },
    ]);
  });
  it('parts differ in colour and in hatch; negative ones are not stacked on the others', () => {
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
  it('says every number in words', () => {
    expect(caption).toBe(
      'Where it sits. A mixers 2 k, ffn 5 k, norms 0 k; B mixers 0 k, ffn 6 k, norms -1 k.',
    );
  });
});
