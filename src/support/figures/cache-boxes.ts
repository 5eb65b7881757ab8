/**
 * What models hold in memory at one moment: a row per cache, a box per so many bytes. Drawn again
 * and again while text is written, with the same `capacity`, the rows fill.
 */
import { checkCount, type Drawing, Sketch, widthOf } from './drawing';
import { readableBytes } from './figure';
import { colourByName, modelColours } from './palette';

export interface HeldCaches {
  /** Of the model. */
  name: string;
  /** By name, from the lowest layer: what `cache.parts()` returns. */
  parts: Readonly<Record<string, { bytes: number }>>;
}
export interface CacheBoxesOptions {
  /** In the caches so far. */
  tokens: number;
  /** The largest number of bytes that one row will hold; by default what the largest holds now. */
  capacity?: number;
}

const BOXES = 16; // in a full row
const SIZE = 18;
const ROW = 26;
const LEFT = 150;

/** @throws RangeError for no models, and for bytes above the capacity. */
export function cacheBoxes(models: readonly HeldCaches[], options: CacheBoxesOptions): Drawing {
  const { tokens } = options;
  checkCount('cacheBoxes', 'tokens', tokens, 0, Number.MAX_SAFE_INTEGER);
  const rows = models.flatMap(({ parts }) => Object.values(parts).map(({ bytes }) => bytes));
  if (rows.length === 0) throw new RangeError('cacheBoxes: there are no caches; give one or more.');
  const largest = Math.max(...rows);
  const capacity = options.capacity ?? largest;
  if (!(capacity >= largest))
    throw new RangeError(
      `cacheBoxes: a cache holds ${largest} bytes and the capacity is ${capacity}; ` +
        'give as capacity what the largest will hold at the end.',
    );
  const perBox = capacity / BOXES || 1;

  const sketch = new Sketch();
  const words: string[] = [];
  let y = 22;
  for (const { name, parts } of models) {
    let total = 0;
    for (const { bytes } of Object.values(parts)) total += bytes;
    sketch.text(8, y, `${name}: ${readableBytes(total)}`, { bold: true, size: 16 });
    words.push(`${name} ${readableBytes(total)}`);
    y += 10;
    for (const [part, { bytes }] of Object.entries(parts)) {
      sketch.text(LEFT - 10, y + 14, part, { anchor: 'end' });
      row(sketch, LEFT, y, bytes / perBox, colourOf(name, part));
      sketch.text(LEFT + (BOXES + 0.5) * SIZE, y + 14, readableBytes(bytes));
      y += ROW;
    }
    y += 24;
  }
  sketch.text(8, y, `${tokens} tokens; a full box is ${readableBytes(Math.round(perBox))}`);
  const width = LEFT + (BOXES + 0.5) * SIZE + widthOf('99.99 KiB') + 8;
  const caption = `Bytes held after ${tokens} tokens: ${words.join(', ')}.`;
  return sketch.drawing(width, y + 14, 'What the caches hold, in bytes', caption);
}

/** `filled` boxes, the last one in part, and the empty rest as dashes. */
function row(sketch: Sketch, x: number, y: number, filled: number, fill: string): void {
  for (let i = 0; i < BOXES; i++) {
    const part = Math.min(1, Math.max(0, filled - i));
    const left = x + i * SIZE;
    sketch.box(left, y, SIZE, SIZE, { dash: '1 3', strokeWidth: 0.7 });
    if (part > 0) sketch.box(left, y, SIZE * part, SIZE, { fill, stroke: '#FFFFFF' });
  }
}

/** What grows in the colour of YOCO or another model, YOCO's states and windows in theirs. */
function colourOf(model: string, part: string): string {
  if (!/^yoco/i.test(model)) return colourByName(model) ?? modelColours.transformer;
  if (/global/i.test(part)) return modelColours.yoco;
  return /window/i.test(model) ? modelColours['sliding-window'] : modelColours.retention;
}
