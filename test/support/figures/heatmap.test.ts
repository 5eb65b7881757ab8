import { describe, expect, it } from 'vitest';
import { heatmap } from '../../../src/support/figures/heatmap';

const labels = { title: 'T', x: 'key', y: 'query' };

describe('heatmap', () => {
  const rows = [
    [0.5, null],
    [-2, 1],
  ];
  const traceOf = (options: object) => heatmap(rows, { ...labels, ...options }).data[0];

  it('leaves null blank, and counts only numbers in its caption', () => {
    const { data, caption } = heatmap(rows, labels);
    expect((data[0] as { z: unknown }).z).toEqual(rows);
    expect(caption).toBe('T: 2 × 2, 3 of them shown, from -2 to 1, mean -0.167.');
  });
  it('begins its colours at 0, or, signed, centres them on 0, or takes the range given', () => {
    expect(traceOf({})).toMatchObject({ zmin: 0, zmax: 2 });
    expect(traceOf({ signed: true })).toMatchObject({ zmin: -2, zmax: 2 });
    expect(traceOf({ range: [0, 1] })).toMatchObject({ zmin: 0, zmax: 1 });
  });
  it('writes labels instead of numbers, with visible blanks', () => {
    const options = { ...labels, xLabels: [' a', '\n'], yLabels: [10, 20] };
    expect(heatmap(rows, options).layout).toMatchObject({
      xaxis: { ticktext: ['␣a', '⏎'] },
      yaxis: { ticktext: ['10', '20'] },
    });
  });
  it('says under the pointer what rows, columns and numbers are', () => {
    const hovertemplate = 'query %{y}, key %{x}: %{z:.3~g} weight<extra></extra>';
    expect(traceOf({ value: 'weight' })).toMatchObject({ hovertemplate });
  });

  const D = [
    [1, 0, 0],
    [1 / 2, 1, 0],
    [1 / 4, 1 / 2, 1],
  ];
  it('causal: blanks the future, and names the bottom left number', () => {
    const { data, caption } = heatmap(D, { ...labels, causal: true });
    expect((data[0] as { z: unknown }).z).toEqual([
      [1, null, null],
      [1 / 2, 1, null],
      [1 / 4, 1 / 2, 1],
    ]);
    expect(caption).toContain('6 of them shown');
    expect(caption).toContain('0.25 at the bottom left');
  });
  it('causal: with more columns than rows, the last row sees the last column', () => {
    const { data } = heatmap(D.slice(1), { ...labels, causal: true });
    expect((data[0] as { z: unknown }).z).toEqual([
      [1 / 2, 1, null],
      [1 / 4, 1 / 2, 1],
    ]);
  });
  it('compares the means of its rows on demand', () => {
    const gates = [
      [0.9, 0.5],
      [0.99, 0.98],
    ];
    const { caption } = heatmap(gates, { ...labels, y: 'head', rowMeans: true });
    expect(caption).toContain('row means from 0.7 (head 0) to 0.985 (head 1)');
  });
});
