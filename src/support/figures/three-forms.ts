/**
 * The lower triangle of positions that see positions, as the three forms of retention cover it:
 * directly, as products of queries and keys, or through a state that has taken up the past.
 */
import { checkCount, type Drawing, Sketch } from './drawing';
import { modelColours } from './palette';

export interface ThreeFormsOptions {
  /** Positions. */
  N?: number;
  chunkSize?: number;
}

const LEFT = 8;
const GAP = 26;
const PANEL = 208;

/** @throws RangeError unless N is from 2 to 16 and chunkSize from 1 to N. */
export function threeFormsOnOneTriangle(options: ThreeFormsOptions = {}): Drawing {
  const { N = 9, chunkSize = 3 } = options;
  checkCount('threeFormsOnOneTriangle', 'N', N, 2, 16);
  checkCount('threeFormsOnOneTriangle', 'chunkSize', chunkSize, 1, N);
  const chunks = Math.ceil(N / chunkSize);
  const forms = [
    { name: 'parallel', size: N, within: N, steps: '1 step, all pairs' },
    { name: 'recurrent', size: 1, within: 0, steps: `${N} steps, one token each` },
    {
      name: 'chunkwise',
      size: chunkSize,
      within: chunkSize,
      steps: `${chunks} steps, chunks of ${chunkSize}`,
    },
  ];
  const sketch = new Sketch();
  const cell = PANEL / N;
  const words: string[] = [];
  for (const [i, { name, size, within, steps }] of forms.entries()) {
    const x = LEFT + i * (PANEL + GAP);
    const y = 52;
    sketch.text(x, 20, name, { bold: true, size: 16 });
    sketch.text(x, 42, steps);
    let direct = 0;
    for (let n = 0; n < N; n++) {
      for (let m = 0; m <= n; m++) {
        const inChunk = within > 0 && Math.floor(m / within) === Math.floor(n / within);
        const fill = inChunk ? modelColours.yoco : 'none';
        sketch.box(x + m * cell, y + n * cell, cell, cell, { fill, hatch: !inChunk });
        if (inChunk) direct++;
      }
    }
    const total = (N * (N + 1)) / 2;
    words.push(`${name}: ${direct} of ${total} pairs directly, the others through the state`);
    for (let end = size; end < N; end += size) {
      // where the state is handed on
      const at = y + end * cell;
      const stroke = modelColours.retention;
      sketch.line(
        [
          [x, at],
          [x + end * cell, at],
        ],
        { stroke, width: 4 },
      );
    }
  }
  const y = 52 + PANEL + 24;
  const legend = [
    ['direct', 'a query times a key'],
    ['state', 'read from the state'],
    ['border', 'the state is handed on'],
  ] as const;
  for (const [i, [kind, text]] of legend.entries()) {
    const x = LEFT + i * (PANEL + GAP);
    if (kind === 'border') {
      sketch.line(
        [
          [x, y + 8],
          [x + 22, y + 8],
        ],
        { stroke: modelColours.retention, width: 4 },
      );
    } else {
      const direct = kind === 'direct';
      sketch.box(x, y, 18, 18, { fill: direct ? modelColours.yoco : 'none', hatch: !direct });
    }
    sketch.text(x + 28, y + 14, text);
  }
  sketch.text(LEFT, y + 42, 'Rows are positions that read (n), columns positions read (m ≤ n).');
  const caption =
    `One lower triangle of ${N} positions, covered in three ways. ${words.join('; ')}. ` +
    'The three give the same outputs.';
  const width = 3 * PANEL + 2 * GAP + 2 * LEFT;
  return sketch.drawing(width, y + 54, 'Three forms on one triangle', caption);
}
