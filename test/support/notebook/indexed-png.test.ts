import { deflateSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { indexedPng } from '../../../src/support/notebook/indexed-png';

const palette = [
  [0, 0, 0, 0],
  [255, 0, 0, 255],
];
const rows = deflateSync(Buffer.from([0, 0, 1])); // no filter, two pixels

it('is a PNG: signature, chunks with lengths and known checksums', () => {
  const png = indexedPng({ width: 2, height: 1, palette, rows });
  expect(png.subarray(0, 8).toString('latin1')).toBe('\x89PNG\r\n\x1a\n');
  const types: string[] = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    types.push(png.subarray(at + 4, at + 8).toString());
  }
  expect(types).toEqual(['IHDR', 'PLTE', 'tRNS', 'IDAT', 'IEND']);
  expect(png.subarray(-4).toString('hex')).toBe('ae426082'); // of every IEND
  expect([...png.subarray(16, 26)]).toEqual([0, 0, 0, 2, 0, 0, 0, 1, 8, 3]);
});
it('refuses more colours than a byte can number, and none', () => {
  const many = Array.from({ length: 257 }, (_, i) => [i % 256, 0, 0, 255]);
  expect(() => indexedPng({ width: 1, height: 1, palette: many, rows })).toThrow('257 colours');
  expect(() => indexedPng({ width: 1, height: 1, palette: [], rows })).toThrow('0 colours; give 1');
});
