/**
 * Small square matrices over the words of one sentence, side by side: what a position takes from
 * each position before it, by decay and by softmax. Numbers stand in the cells.
 */
import { BOX, type Drawing, Sketch, TEXT, widthOf } from './drawing';
import { visible } from './figure';
import { between, modelColours, textOn } from './palette';

export interface NamedMatrix {
  /** Short: 'D, the decay'. */
  name: string;
  /** [N][N], or [N][…] of which only the lower triangle is drawn; numbers from 0 up. */
  rows: readonly (readonly number[])[];
}
export interface MatricesOptions {
  /** The finding. */
  title: string;
  /** One per row and column; letters are words, too. */
  words: readonly string[];
}

const PALE = '#F4F6F8';

/**
 * Lower triangles. All matrices share one scale, from 0 to the largest number in any of them.
 *
 * @throws RangeError unless every matrix has as many rows, and columns, as there are words (2 to
 * 16), and no number below 0 in its lower triangle.
 */
export function matricesSideBySide(
  matrices: readonly NamedMatrix[],
  { title, words }: MatricesOptions,
): Drawing {
  const N = words.length;
  checkMatrices(matrices, N);
  const numbers = matrices.map(({ rows }) => rows.flatMap((row, n) => row.slice(0, n + 1)));
  const largest = Math.max(...numbers.flat()) || 1;
  const labels = words.map(visible);
  const longest = Math.max(...labels.map((label) => widthOf(label)));
  const cell = Math.max(24, Math.min(44, (330 - longest) / N));
  const inCells = cell >= 30;
  const upright = labels.every((label) => label.length === 1);

  const sketch = new Sketch();
  const panel = longest + 8 + N * cell + 24;
  const height = 62 + N * cell + longest + 12;
  const sentences: string[] = [];
  for (const [i, { name, rows }] of matrices.entries()) {
    const left = 4 + i * panel + longest + 8;
    const top = 34;
    sketch.text(left, 20, name, { bold: true, size: 16 });
    for (const [n, label] of labels.entries()) {
      const middle = top + (n + 0.5) * cell;
      sketch.text(left - 6, middle + TEXT * 0.35, label, { anchor: 'end' });
      const under = left + (n + 0.5) * cell;
      const foot = top + N * cell;
      if (upright) sketch.text(under, foot + 18, label, { anchor: 'middle' });
      else sketch.text(under + TEXT * 0.35, foot + 8, label, { anchor: 'end', rotate: -90 });
      for (let m = 0; m <= n; m++) {
        const value = rows[n][m];
        const fill = between(PALE, modelColours.yoco, value / largest);
        const x = left + m * cell;
        sketch.box(x, top + n * cell, cell, cell, { fill, strokeWidth: 0.5 });
        if (!inCells) continue;
        const text = twoDigits(value);
        const place = { anchor: 'middle', size: 12, fill: textOn(fill) } as const;
        sketch.text(x + cell / 2, middle + 4, text, place);
      }
    }
    const own = numbers[i];
    const last = rows[N - 1].slice(0, N);
    const strongest = last.indexOf(Math.max(...last));
    sentences.push(
      `${name}: from ${twoDigits(Math.min(...own))} to ${twoDigits(Math.max(...own))}; ` +
        `"${words[N - 1]}" takes most from "${words[strongest]}"`,
    );
  }
  const width = Math.max(4 + matrices.length * panel, 420);
  scale(sketch, 4, height - 6, largest);
  const caption = `${title}. ${sentences.join('. ')}.`;
  return sketch.drawing(width, height + 26, title, caption);
}

/** What the colours mean: 0 is pale, `largest` dark. */
function scale(sketch: Sketch, x: number, y: number, largest: number): void {
  sketch.text(x, y + 14, 'Row reads column:  0');
  const from = x + widthOf('Row reads column: 0') + 6;
  const steps = 8;
  for (let i = 0; i < steps; i++) {
    const fill = between(PALE, modelColours.yoco, i / (steps - 1));
    sketch.box(from + i * 16, y, 16, 18, { fill, strokeWidth: 0.5, stroke: BOX });
  }
  sketch.text(from + steps * 16 + 6, y + 14, twoDigits(largest));
}

/** '.25' would be read as 25. */
const twoDigits = (value: number): string => String(Number(value.toPrecision(2)));

function checkMatrices(matrices: readonly NamedMatrix[], N: number): void {
  if (matrices.length < 1 || N < 2 || N > 16)
    throw new RangeError(
      `matricesSideBySide: ${matrices.length} matrices and ${N} words; ` +
        'give one matrix or more, and 2 to 16 words.',
    );
  for (const { name, rows } of matrices) {
    const fits = rows.length === N && rows.every((row, n) => row.length > n);
    if (!fits)
      throw new RangeError(
        `matricesSideBySide: ${name} has ${rows.length} rows of ` +
          `${rows.map((row) => row.length).join(', ')}; give ${N} rows and columns, one per word.`,
      );
    const wrong = rows.flatMap((row, n) => row.slice(0, n + 1)).find((value) => !(value >= 0));
    if (wrong !== undefined)
      throw new RangeError(`matricesSideBySide: ${name} has ${wrong}; give numbers from 0 up.`);
  }
}
