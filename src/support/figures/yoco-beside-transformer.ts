/**
 * The picture of YOCO: a Transformer and a YOCO side by side, and what each layer keeps.
 */
import { BOX, checkCount, type Drawing, Sketch } from './drawing';
import { modelColours } from './palette';

export interface YocoBesideTransformerOptions {
  /** Of each model, an even number. */
  layers?: number;
  /** What the layers of the self-decoder are made of. */
  selfDecoder?: 'retention' | 'window';
}

const ROW = 46; // from one layer to the next
const HALF = 320; // from one model to the other
const LAYER = { left: 44, width: 102, height: 32 };
const KEPT = 168; // left edge of what a layer keeps

/** @throws RangeError unless layers is even and from 2 to 8. */
export function yocoBesideTransformer(options: YocoBesideTransformerOptions = {}): Drawing {
  const { layers = 4, selfDecoder = 'retention' } = options;
  checkCount('yocoBesideTransformer', 'half the layers', layers / 2, 1, 4);
  const half = layers / 2;
  const bottom = 60 + (layers + 1) * ROW; // of the lowest layer's box
  const width = 2 * HALF;
  const height = bottom + 104;
  const sketch = new Sketch();
  const topOf = (row: number) => bottom - LAYER.height - row * ROW; // row 0 is the lowest

  const stack = (left: number, rows: readonly number[]) => {
    const middle = left + LAYER.left + LAYER.width / 2;
    const tops = rows.map(topOf);
    const highest = tops[tops.length - 1];
    sketch.line(
      [
        [middle, bottom + 26],
        [middle, highest - 16],
      ],
      { arrow: true },
    );
    sketch.text(middle, bottom + 42, 'tokens of the text', { anchor: 'middle' });
    sketch.text(middle, highest - 24, 'next token', { anchor: 'middle' });
    for (const [layer, top] of tops.entries()) {
      sketch.label(left + LAYER.left, top, LAYER.width, LAYER.height, `layer ${layer + 1}`);
    }
  };

  // The Transformer: every layer keeps a cache. Its layers take the rows of YOCO and one more.
  sketch.text(12, 24, 'Transformer', { size: 18, bold: true });
  const stretch = layers / (layers - 1);
  const transformerRows = Array.from({ length: layers }, (_, layer) => layer * stretch);
  stack(0, transformerRows);
  for (const row of transformerRows) {
    const middle = topOf(row) + LAYER.height / 2;
    sketch.line([
      [LAYER.left + LAYER.width, middle],
      [KEPT, middle],
    ]);
    growing(sketch, KEPT, topOf(row) + 5, modelColours.transformer);
  }
  sketch.text(12, bottom + 72, `${layers} caches of keys and values`, { bold: true, size: 16 });
  sketch.text(12, bottom + 93, 'each grows with every token');

  // YOCO: states below, one cache in the middle, and layers above that only read it.
  const left = HALF + 24;
  sketch.text(left - 12, 24, 'YOCO', { size: 18, bold: true });
  const yocoRows = Array.from({ length: layers }, (_, layer) => (layer < half ? layer : layer + 1));
  stack(left, yocoRows);
  const keptMiddle = left + KEPT + 56;
  const cacheTop = topOf(half);
  for (let layer = 0; layer < half; layer++) {
    const middle = topOf(layer) + LAYER.height / 2;
    sketch.line([
      [left + LAYER.left + LAYER.width, middle],
      [left + KEPT, middle],
    ]);
    fixed(sketch, left + KEPT, topOf(layer) + 2, selfDecoder);
  }
  const stream = left + LAYER.left + LAYER.width / 2;
  const cacheMiddle = cacheTop + LAYER.height / 2;
  sketch.line(
    [
      [stream, cacheMiddle],
      [left + KEPT - 4, cacheMiddle],
    ],
    { arrow: true },
  );
  sketch.text(left + LAYER.left + LAYER.width + 4, cacheMiddle - 6, 'once', {
    anchor: 'end',
    bold: true,
  });
  for (let layer = half; layer < layers; layer++) {
    const middle = topOf(layer + 1) + LAYER.height / 2;
    const reader: [number, number] = [left + LAYER.left + LAYER.width + 3, middle];
    const from = keptMiddle - 20 + (layer - half) * 14;
    sketch.line([[from, cacheTop + 4], [from, middle], reader], {
      stroke: modelColours.yoco,
      width: 2,
      arrow: true,
    });
  }
  growing(sketch, left + KEPT, cacheTop + 5, modelColours.yoco);
  bracket(sketch, left + 34, topOf(half - 1), bottom, 'self-decoder');
  bracket(sketch, left + 34, topOf(layers), topOf(half + 1) + LAYER.height, 'cross-decoder');
  const kept = selfDecoder === 'retention' ? 'state' : 'window';
  const others = half === 1 ? `the ${kept} does` : `the ${half} ${kept}s do`;
  sketch.text(left - 12, bottom + 72, '1 cache of keys and values', { bold: true, size: 16 });
  sketch.text(left - 12, bottom + 93, `it grows; ${others} not`);

  const caption =
    `A Transformer of ${layers} layers keeps the keys and values of every token in each layer: ` +
    `${layers} caches that grow with the text. In a YOCO of ${layers} layers the lower ${half} ` +
    `(self-decoder) keep a ${kept} of fixed size each; their output is made into keys and values ` +
    `once, and the upper ${half} (cross-decoder) all read that one cache.`;
  return sketch.drawing(width, height, 'A Transformer beside YOCO: what each layer keeps', caption);
}

/** A cache: a box per token, open to the right. */
function growing(sketch: Sketch, x: number, y: number, fill: string): void {
  for (let i = 0; i < 5; i++) sketch.box(x + i * 20, y, 20, 22, { fill, stroke: '#FFFFFF' });
  sketch.text(x + 104, y + 15, '…', { bold: true });
}

/** A state or a window: a box that has all its size from the beginning. */
function fixed(sketch: Sketch, x: number, y: number, kind: 'retention' | 'window'): void {
  const fill = kind === 'retention' ? modelColours.retention : modelColours['sliding-window'];
  const text = kind === 'retention' ? 'state' : 'window';
  sketch.box(x, y, 64, 28, { fill, stroke: fill, hatch: true });
  sketch.label(x + 5, y + 4, 54, 20, text, { fill: BOX, stroke: 'none' });
}

function bracket(sketch: Sketch, x: number, top: number, bottom: number, text: string): void {
  sketch.line([
    [x + 5, top],
    [x, top],
    [x, bottom],
    [x + 5, bottom],
  ]);
  sketch.text(x - 7, (top + bottom) / 2, text, { anchor: 'middle', rotate: -90 });
}
