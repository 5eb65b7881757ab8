import { describe, expect, it } from 'vitest';
import { gridHeatmap } from '../../../src/support/figures/grid-heatmap';
import { lineChart } from '../../../src/support/figures/line-chart';

describe('lineChart', () => {
  const chart = lineChart(
    [
      { name: 'formula', x: [1, 10], y: [2, 20], mode: 'lines' },
      { name: 'measured', x: [1, 10], y: [2.1, 19.94], mode: 'markers', colour: '#123456' },
    ],
    { title: 'It grows', x: 'tokens', y: 'time', unit: 'ms', logX: true },
  );
  it('draws each series in its own colour, dash and symbol, with its numbers untouched', () => {
    const [formula, measured] = chart.data as { line: { color: string; dash: string } }[];
    expect(formula).toMatchObject({ mode: 'lines', x: [1, 10], y: [2, 20] });
    expect(measured).toMatchObject({
      mode: 'markers',
      y: [2.1, 19.94],
      line: { color: '#123456' },
    });
    expect(formula.line).not.toEqual(measured.line);
  });
  it('draws the spread of several runs as bars from the least to the most', () => {
    const line = { name: 'runs', x: [1, 2], y: [0.5, 0.8], low: [0.4, 0.8], high: [0.75, 1] };
    const [drawn] = lineChart([line], { title: 'T', x: 'x', y: 'y' }).data as {
      error_y: { array: number[]; arrayminus: number[] };
    }[];
    expect(drawn.error_y).toMatchObject({ type: 'data', symmetric: false });
    expect(drawn.error_y.array.map((n) => n.toFixed(2))).toEqual(['0.25', '0.20']);
    expect(drawn.error_y.arrayminus.map((n) => n.toFixed(2))).toEqual(['0.10', '0.00']);
    expect(chart.data[0]).not.toHaveProperty('error_y');
  });
  it('marks a logarithmic axis closely enough to be read', () => {
    const yAxis = (y: number[]) =>
      (
        lineChart([{ name: 'a', x: [1, 2], y }], { title: 'T', x: 'x', y: 'y', logY: true })
          .layout as { yaxis: object }
      ).yaxis;
    expect(yAxis([1, 1e4])).toMatchObject({ type: 'log', dtick: 1 });
    expect(yAxis([1, 20])).toMatchObject({ dtick: 'D2' });
    expect(yAxis([1.68, 2.05])).toMatchObject({
      tickvals: [1.7, 1.8, 1.9, 2],
      ticktext: ['1.7', '1.8', '1.9', '2'],
    });
  });
  it('carries units on its axes, and says the right end in words', () => {
    expect(chart.layout).toMatchObject({
      xaxis: { title: { text: 'tokens' }, type: 'log' },
      yaxis: { title: { text: 'time (ms)' } },
    });
    expect(chart.caption).toBe('It grows. At the right end: formula 20 ms, measured 19.9 ms.');
  });
});

describe('gridHeatmap', () => {
  const rows = [
    [0.5, null],
    [-2, 1],
  ];
  it('leaves blanks blank, and counts only numbers in its caption', () => {
    const { data, caption } = gridHeatmap(rows, { title: 'T', x: 'keys', y: 'queries' });
    expect((data[0] as { z: unknown }).z).toEqual(rows);
    expect(caption).toBe('T: 2 × 2, 3 of them shown, from -2 to 1, mean -0.167.');
  });
  it('signed colours are even on both sides of 0, others begin at 0', () => {
    expect(gridHeatmap(rows, { title: 'T', x: '', y: '', signed: true }).data[0]).toMatchObject({
      zmin: -2,
      zmax: 2,
    });
    expect(gridHeatmap(rows, { title: 'T', x: '', y: '' }).data[0]).toMatchObject({
      zmin: 0,
      zmax: 2,
    });
    expect(gridHeatmap(rows, { title: 'T', x: '', y: '', range: [0, 1] }).data[0]).toMatchObject({
      zmax: 1,
    });
  });
});
