/**
 * A PNG of at most 256 colours, one byte for each pixel: a fifth of what a browser writes for a
 * drawing, with four bytes each.
 *
 * Source: PNG specification (W3C), sections 5 and 11: signature, IHDR, PLTE, tRNS, IDAT, IEND.
 */
export interface IndexedImage {
  width: number;
  height: number;
  /** Red, green, blue, alpha of each colour, from 0 to 255. */
  palette: readonly (readonly number[])[];
  /** For each row a 0 (no filter) and the number of each pixel's colour, in zlib's format. */
  rows: Uint8Array;
}

/** @throws RangeError for no colours, and for more than 256. */
export function indexedPng({ width, height, palette, rows }: IndexedImage): Buffer {
  if (palette.length < 1 || palette.length > 256)
    throw new RangeError(`indexedPng: ${palette.length} colours; give 1 to 256.`);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3, 0, 0, 0], 8); // bits per pixel, colours from a palette
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('PLTE', Buffer.from(palette.flatMap((colour) => colour.slice(0, 3)))),
    chunk('tRNS', Buffer.from(palette.map((colour) => colour[3]))),
    chunk('IDAT', rows),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** Length, type, data, checksum of type and data. */
function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const around = Buffer.alloc(8);
  around.writeUInt32BE(data.length, 0);
  around.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([around.subarray(0, 4), body, around.subarray(4)]);
}

/** The checksum of PNG and zip, bit by bit. (node:zlib has it from Node 22 on.) */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
