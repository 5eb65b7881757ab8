import { describe, expect, it } from 'vitest';
import { stackedBars, timeline } from '../../../src/support/figures/bars';
import { cacheGrowth } from '../../../src/support/figures/cache-growth';
import { type Figure, readableBytes } from '../../../src/support/figures/figure';
import { heatmap } from '../../../src/support/figures/heatmap';
import { lineChart } from '../../../src/support/figures/line-chart';

const title = 'The finding';
const axes = { x: 'tokens', y: 'loss' };
const line = { name: 'a', x: [1, 10], y: [2, 20] };
const figures: Record<string, Figure> = {
  lineChart: lineChart([line, { ...line, low: [1, 19], high: [3, 21], colour: undefined }], {
    title,
    ...axes,
    logX: true,
    logY: true,
    levels: [{ name: 'level', y: 3 }],
  }),
  'lineChart of bytes': lineChart([line], { title, ...axes, unit: 'bytes' }),
  cacheGrowth: cacheGrowth([{ name: 'cache', formula: (n) => 512 * n }], [1, 1000], title),
  heatmap: heatmap([[1, 2, null]], { title, ...axes, causal: true, rowMeans: true }),
  stackedBars: stackedBars([{ name: 'A', parts: { mixers: 2 } }], { title, x: 'weights' }),
  timeline: timeline([{ name: 'A', spans: [{ what: 'wait', start: 0, end: 1 }] }], { title }),
};

describe.each(Object.entries(figures))('%s', (_, figure) => {
  it('is plain data: it survives JSON unchanged, without NaN or ∞', () => {
    expect(JSON.parse(JSON.stringify(figure.data))).toStrictEqual(figure.data);
    expect(JSON.parse(JSON.stringify(figure.layout))).toStrictEqual(figure.layout);
  });
  it('has a title, words on its axes, and a caption that says more than the title', () => {
    const layout = figure.layout as Record<string, { text?: string; title: { text: string } }>;
    expect(layout.title.text).toBe(title);
    expect(layout.xaxis.title.text).toMatch(/\w/);
    expect(layout).toHaveProperty('yaxis');
    expect(figure.caption).toContain(title);
    expect(figure.caption.length).toBeGreaterThan(title.length + 10);
  });
});

it('bytes are written in powers of 1024', () => {
  const written = [0, 512, 1024, 1536, 2 ** 32].map(readableBytes);
  expect(written).toEqual(['0 B', '512 B', '1 KiB', '1.50 KiB', '4 GiB']);
});
