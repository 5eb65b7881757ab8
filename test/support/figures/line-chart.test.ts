import { describe, expect, it } from 'vitest';
import { type Line, lineChart, meanAndRange } from '../../../src/support/figures/line-chart';

const labels = { title: 'T', x: 'x', y: 'y' };
const axesOf = (lines: Line[], options: object) =>
  lineChart(lines, { ...labels, ...options }).layout as { xaxis: object; yaxis: object };

describe('lineChart', () => {
  const chart = lineChart(
    [
      { name: 'formula', x: [1, 10], y: [2, 20], mode: 'lines' },
      { name: 'measured', x: [1, 10], y: [2.1, 19.94], mode: 'markers', colour: '#123456' },
    ],
    { title: 'It grows', x: 'tokens', y: 'time', unit: 'ms', logX: true },
  );
  it('draws each series in its own colour, dash and symbol, with its numbers unchanged', () => {
    const [formula, measured] = chart.data as { line: { color: string; dash: string } }[];
    expect(formula).toMatchObject({ mode: 'lines', x: [1, 10], y: [2, 20] });
    expect(measured).toMatchObject({
      mode: 'markers',
      y: [2.1, 19.94],
      line: { color: '#123456' },
    });
    expect(formula.line).not.toEqual(measured.line);
  });
  it('has units on its axes, and describes the right end in words', () => {
    expect(chart.layout).toMatchObject({
      xaxis: { title: { text: 'tokens' }, type: 'log' },
      yaxis: { title: { text: 'time (ms)' } },
    });
    expect(chart.caption).toBe('It grows. At the right end, formula: 20 ms; measured: 19.9 ms.');
  });
  it('gives a formula and its measurements the same colour, dash and symbol', () => {
    const pair = { name: 'a', x: [1], y: [1], style: 3 };
    const [a, b] = lineChart([pair, pair], labels).data as { line: object; marker: object }[];
    expect([a.line, a.marker]).toEqual([b.line, b.marker]);
  });
  it('draws a level to compare with over all x, and names it in the caption', () => {
    const lines = [
      { name: 'a', x: [3, 5], y: [4, 2.5] },
      { name: 'b', x: [1, 4], y: [4, 3] },
    ];
    const levels = [{ name: 'teacher', y: 1.8 }];
    const { data, caption } = lineChart(lines, { ...labels, unit: 'nats', levels });
    expect(data.at(-1)).toMatchObject({ name: 'teacher', x: [1, 5], y: [1.8, 1.8] });
    expect(caption).toContain('a: 2.5 nats; b: 3 nats; teacher: 1.8 nats.');
  });
  it('chooses marks of a logarithmic axis that are close enough to be read', () => {
    const yAxis = (y: number[]) => axesOf([{ name: 'a', x: [1, 2], y }], { logY: true }).yaxis;
    expect(yAxis([1, 1e4])).toMatchObject({ type: 'log', dtick: 1 });
    expect(yAxis([1, 20])).toMatchObject({ dtick: 'D2' });
    expect(yAxis([1.68, 2.05])).toMatchObject({
      tickvals: [1.7, 1.8, 1.9, 2],
      ticktext: ['1.7', '1.8', '1.9', '2'],
    });
  });
  it('writes bytes in powers of 1024, on both kinds of axis and in the caption', () => {
    const line = { name: 'cache', x: [1, 1000], y: [1536, 500 * 1024] };
    const logarithmic = axesOf([line], { unit: 'bytes', logY: true }).yaxis;
    expect(logarithmic).toMatchObject({ title: { text: 'y' }, type: 'log' });
    expect(logarithmic).toMatchObject({ ticktext: ['4 KiB', '16 KiB', '64 KiB', '256 KiB'] });
    const { ticktext } = axesOf([line], { unit: 'bytes' }).yaxis as { ticktext: string[] };
    expect(ticktext).toContain('128 KiB');
    expect(ticktext.length).toBeLessThan(10);
    expect(lineChart([line], { ...labels, unit: 'bytes' }).caption).toContain('cache: 500 KiB.');
  });
  it('writes labels instead of numbers under the points, with visible blanks', () => {
    const line = { name: 'a', x: [1, 2, 3], y: [1, 2, 3] };
    expect(axesOf([line], { xLabels: ['a b', ' ', '\n'] }).xaxis).toMatchObject({
      tickvals: [1, 2, 3],
      ticktext: ['a b', '␣', '⏎'],
    });
  });
  it('refuses a line that has not one y for each x', () => {
    expect(() => lineChart([{ name: 'a', x: [1, 2], y: [1] }], labels)).toThrow(
      'a has 2 x and 1 y (or low, or high); give one for each x.',
    );
  });
});

describe('several runs', () => {
  const runs = [
    [4, 2],
    [4, 3],
    [4, 2.5],
  ];
  it('are their mean, the smallest and the largest at each point', () => {
    expect(meanAndRange(runs)).toEqual({ y: [4, 2.5], low: [4, 2], high: [4, 3] });
  });
  it('are drawn with bars from the smallest to the largest', () => {
    const line = { name: 'three seeds', x: [0, 10], ...meanAndRange(runs) };
    const { data, caption } = lineChart([line], { ...labels, unit: 'nats' });
    const bars = { type: 'data', symmetric: false, array: [0, 0.5], arrayminus: [0, 0.5] };
    expect(data).toEqual([
      expect.objectContaining({ y: [4, 2.5], error_y: expect.objectContaining(bars) }),
    ]);
    expect(caption).toBe('T. At the right end, three seeds: 2.5 nats (2 to 3).');
  });
  it('are refused if their lengths differ, or if there are none', () => {
    expect(() => meanAndRange([[1], [1, 2]])).toThrow('the runs have 1, 2 points; give one or');
    expect(() => meanAndRange([])).toThrow('the runs have no points');
  });
});
