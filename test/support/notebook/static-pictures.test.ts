/** Still pictures beside the outputs of a notebook, drawn by a browser where there is one. */
import { describe, expect, it } from 'vitest';
import { lineChart } from '../../../src/support/figures/line-chart';
import { youAreHere } from '../../../src/support/figures/you-are-here';
import type { Output } from '../../../src/support/notebook/kernel-client';
import { bundleOf, type Picture } from '../../../src/support/notebook/show';
import { addPictures } from '../../../src/support/notebook/static-pictures';

const output = (picture: Picture): Output => ({
  output_type: 'display_data',
  data: bundleOf(picture),
  metadata: {},
});
const chart = lineChart([{ name: 'a', x: [1, 2], y: [1, 2] }], { title: 'T', x: 'x', y: 'y' });
const drawing = youAreHere(4);
const text: Output = { output_type: 'stream', name: 'stdout', text: 'words' };

const outputs = [output(chart), text, output({ ...drawing, html: '<form></form>' })];
const [figure, words, drawn] = outputs;
const remark = await addPictures(outputs);
const hasBrowser = remark === undefined || !/no Chromium/.test(remark);

describe.skipIf(!hasBrowser)('pictures', () => {
  it('are added where something is drawn, and nowhere else', () => {
    expect(remark).toBeUndefined();
    expect(words).toEqual({ output_type: 'stream', name: 'stdout', text: 'words' });
  });
  it('of a figure are a JPEG beside it, twice as large as shown, with its caption', () => {
    expect(Object.keys(figure.data ?? {})).toEqual([
      'application/vnd.plotly.v1+json',
      'text/plain',
      'image/jpeg',
    ]);
    const bytes = Buffer.from(figure.data?.['image/jpeg'] as string, 'base64');
    expect([...bytes.subarray(0, 3)]).toEqual([0xff, 0xd8, 0xff]);
    expect(sizeOfJpeg(bytes)).toEqual([2 * 760, 2 * 420]);
    expect(figure.metadata).toEqual({ 'image/jpeg': { alt: chart.caption, width: 760 } });
  });
  it('of a drawing are a PNG instead of its SVG and its steps', () => {
    expect(Object.keys(drawn.data ?? {})).toEqual(['text/plain', 'image/png']);
    const bytes = Buffer.from(drawn.data?.['image/png'] as string, 'base64');
    expect(bytes.subarray(1, 4).toString()).toBe('PNG');
    const width = Number(/width="(\d+)"/.exec(drawing.svg)?.[1]);
    expect(bytes.readUInt32BE(16)).toBe(2 * width);
    const colourType = bytes[25];
    expect(colourType).toBe(3); // a palette, and below it how opaque each colour is
    expect(bytes.includes('tRNS')).toBe(true);
    expect(bytes.length).toBeLessThan(30_000);
    expect(drawn.metadata).toEqual({ 'image/png': { alt: drawing.caption, width } });
  });
});

/** Width and height from the first frame header. */
function sizeOfJpeg(bytes: Buffer): [number, number] {
  let at = 2;
  while (bytes[at + 1] !== 0xc0 && bytes[at + 1] !== 0xc2) at += 2 + bytes.readUInt16BE(at + 2);
  return [bytes.readUInt16BE(at + 7), bytes.readUInt16BE(at + 5)];
}
