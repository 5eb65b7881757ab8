/** One look: colours by the name of the model, no background, hover in words. */
import { describe, expect, it } from 'vitest';
import { stackedBars } from '../../../src/support/figures/bars';
import { cacheGrowth } from '../../../src/support/figures/cache-growth';
import { heatmap } from '../../../src/support/figures/heatmap';
import { type Line, lineChart } from '../../../src/support/figures/line-chart';
import { coloursFor, modelColours } from '../../../src/support/figures/palette';
import { config, inLines, themed } from '../../../src/support/figures/theme';

const { transformer, yoco, retention } = modelColours;
const window = modelColours['sliding-window'];
const labels = { title: 'T', x: 'tokens', y: 'loss' };
const lineNamed = (name: string, more: object = {}): Line => ({ name, x: [1], y: [2], ...more });
const coloursIn = (...lines: Line[]) =>
  (lineChart(lines, labels).data as { line: { color: string } }[]).map(({ line }) => line.color);

describe('colours', () => {
  it('follow the name of the model, wherever it stands in a chart', () => {
    const names = {
      [transformer]: ['Transformer', 'Transformer-3B', 'Transformer: power law'],
      [yoco]: ['YOCO', 'YOCO-3B: states', 'yoco', 'YOCO, gated retention', 'YOCO, retention'],
      [window]: ['YOCO, window', 'YOCO, window of 256, formula', 'window only', 'sliding window'],
      [retention]: ['gated retention only', 'retention state'],
    };
    for (const [colour, all] of Object.entries(names)) {
      for (const name of all) expect(coloursFor(['x', name])[1], name).toBe(colour);
    }
    const [a, b] = [lineNamed('YOCO'), lineNamed('Transformer')];
    expect(coloursIn(a, b)).toEqual([yoco, transformer]);
    expect(coloursIn(b, a)).toEqual([transformer, yoco]);
  });
  it('of series that are no model are none of the models in the same chart, and differ', () => {
    const colours = coloursFor(['base 1', 'YOCO', 'base 2', 'Transformer', 'base 3']);
    expect(new Set(colours).size).toBe(5);
    expect([colours[1], colours[3]]).toEqual([yoco, transformer]);
  });
  it('of a formula and its measurements are one; a colour that is given stays', () => {
    const pair = [lineNamed('a, formula', { style: 1 }), lineNamed('a, measured', { style: 1 })];
    const [first, second, third] = coloursIn(...pair, lineNamed('b', { style: 2 }));
    expect(first).toBe(second);
    expect(third).not.toBe(first);
    expect(coloursIn(lineNamed('YOCO', { colour: '#123456' }))).toEqual(['#123456']);
  });
});

describe('the look', () => {
  const layout = themed({ title: { text: 'A' }, xaxis: { type: 'log' }, height: 300 });
  it('has no background and no width of its own, and keeps what the figure says', () => {
    const template = { layout: { paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)' } };
    expect(layout).toMatchObject({ autosize: true, height: 300, xaxis: { type: 'log' }, template });
    expect(layout).not.toHaveProperty('width');
    expect(config.modeBarButtonsToRemove).toEqual(['sendChartToCloud', 'lasso2d', 'select2d']);
  });
  it('breaks a long title between words', () => {
    expect(inLines('one two three', 7)).toBe('one two<br>three');
    expect(inLines('one', 2)).toBe('one');
    const title = { text: 'word '.repeat(20).trim() };
    expect(themed({ title })).toMatchObject({
      title: { text: expect.stringMatching(/^.{64}<br>/) },
    });
  });
});

describe('under the pointer', () => {
  const hoverOf = ({ data }: { data: object[] }) => data[0] as Record<string, unknown>;
  it('a line says its name, its value with the unit, and where', () => {
    const { hovertemplate } = hoverOf(lineChart([lineNamed('YOCO')], { ...labels, unit: 'nats' }));
    expect(hovertemplate).toBe('YOCO: %{y:.3~g} nats<br>%{x:,} tokens<extra></extra>');
  });
  it('bytes are KiB and MiB, and labels stand for numbers', () => {
    const line = lineNamed('cache', { y: [2048] });
    const hover = hoverOf(lineChart([line], { ...labels, unit: 'bytes', xLabels: [' '] }));
    expect(hover.text).toEqual(['2 KiB']);
    expect(hover.customdata).toEqual(['␣']);
    expect(hover.hovertemplate).toBe('cache: %{text}<br>%{customdata}<extra></extra>');
  });
  it('a cell of a heat map has its words, and a small one its number inside', () => {
    const options = { ...labels, y: 'query', x: 'key', xLabels: ['a', 'b'], yLabels: ['c'] };
    const cell = hoverOf(heatmap([[1, 2]], options));
    expect(cell).toMatchObject({
      customdata: [
        [
          ['a', 'c'],
          ['b', 'c'],
        ],
      ],
      hovertemplate: expect.stringMatching(/^query %\{customdata\[1\]\}, key %\{customdata\[0\]\}/),
      texttemplate: '%{z:.2~g}',
    });
    const wide = [Array.from({ length: 13 }, (_, i) => i)];
    expect(hoverOf(heatmap(wide, labels))).not.toHaveProperty('texttemplate');
  });
  it('a part of a bar says whose, which and how much', () => {
    const bars = stackedBars([{ name: 'A', parts: { norms: 2 } }], {
      title: 'T',
      x: 'w',
      unit: 'k',
    });
    expect(hoverOf(bars).hovertemplate).toBe('%{y}, norms: %{x:,.3~g} k<extra></extra>');
  });
});

describe('cacheGrowth with linear axes', () => {
  const series = [
    { name: 'Transformer', formula: (n: number) => 4096 * n },
    { name: 'YOCO', formula: (n: number) => 1024 * n },
  ];
  const { layout, caption } = cacheGrowth(series, [0, 256], 'T', { linear: true });
  it('writes the sizes at the right end, and the ratio between them', () => {
    const { annotations, xaxis, yaxis } = layout as {
      annotations: { text: string; y: number; font: { color: string } }[];
      xaxis: { type?: string };
      yaxis: { type?: string };
    };
    expect(annotations.map(({ text }) => text)).toEqual([
      '<b>1 MiB</b>',
      '<b>256 KiB</b>',
      '4.00 ×',
    ]);
    expect(annotations[2].y).toBe((annotations[0].y + annotations[1].y) / 2);
    expect(annotations[1].font.color).toBe(yoco);
    expect([xaxis.type, yaxis.type]).toEqual([undefined, undefined]);
    expect(caption).toBe('T. At 256 tokens: Transformer 1 MiB, YOCO 256 KiB. 4.00 times as much.');
  });
});
