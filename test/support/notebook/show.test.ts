import { expect, it } from 'vitest';
import { earlyExitWalk } from '../../../src/support/figures/early-exit-walk';
import { lineChart } from '../../../src/support/figures/line-chart';
import { yocoBesideTransformer } from '../../../src/support/figures/yoco-beside-transformer';
import { bundleOf } from '../../../src/support/notebook/show';

it('a drawing is SVG and its caption; with steps, HTML too, which a notebook prefers', () => {
  const still = yocoBesideTransformer();
  expect(bundleOf(still)).toEqual({ 'image/svg+xml': still.svg, 'text/plain': still.caption });
  const walk = earlyExitWalk();
  expect(bundleOf(walk)).toEqual({
    'image/svg+xml': walk.svg,
    'text/html': walk.html,
    'text/plain': walk.caption,
  });
});
it('a figure is for Plotly, with its caption', () => {
  const figure = lineChart([{ name: 'a', x: [1], y: [1] }], { title: 'T', x: 'x', y: 'y' });
  const bundle = bundleOf(figure);
  const plotly = bundle['application/vnd.plotly.v1+json'];
  expect(Object.keys(bundle)).toEqual(['application/vnd.plotly.v1+json', 'text/plain']);
  expect(plotly).toMatchObject({ data: figure.data });
  expect(bundle['text/plain']).toBe(figure.caption);
});
