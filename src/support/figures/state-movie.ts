/**
 * A state as it is written, word by word: a square of cells, red positive and blue negative, on one
 * scale. A still of up to six moments; in a notebook that runs, a button for every word.
 */
import { type Drawing, Sketch, stepper, widthOf } from './drawing';
import { rounded, visible } from './figure';
import { between } from './palette';

export interface StateMovieOptions {
  /** The finding. */
  title: string;
}

type Matrix = readonly (readonly number[])[];

const [BLUE, WHITE, RED] = ['#2166AC', '#FFFFFF', '#B2182B'];
/** Tones between 0 and the largest number, on either side. */
const TONES = 12;

/**
 * @param states [words][key features][value features], after each word.
 * @throws RangeError unless there is one state per word, all of one shape, and of finite numbers.
 */
export function stateMovie(
  states: readonly Matrix[],
  words: readonly string[],
  { title }: StateMovieOptions,
): Drawing {
  checkStates(states, words);
  const [rows, columns] = [states[0].length, states[0][0].length];
  const sizes = states.map((state) => Math.max(...state.flat().map(Math.abs)));
  const largest = Math.max(...sizes) || 1;
  const labels = words.map(visible);

  const moments = momentsOf(states.length);
  const perRow = Math.min(3, moments.length);
  const side = 172;
  const cell = side / Math.max(rows, columns);
  const panel = side + 24;
  const still = new Sketch();
  for (const [i, moment] of moments.entries()) {
    const x = 24 + (i % perRow) * panel;
    const y = 8 + Math.floor(i / perRow) * (rows * cell + 46);
    still.text(x, y + 14, `after "${labels[moment]}"`, { bold: true });
    matrix(still, x, y + 24, cell, states[moment], largest);
  }
  const bottom = 8 + Math.ceil(moments.length / perRow) * (rows * cell + 46);
  still.text(16, bottom - 46, 'key features', { anchor: 'start', rotate: -90 });
  still.text(24, bottom, 'value features');
  axis(still, 24, bottom + 14, largest);
  const width = Math.max(24 + perRow * panel, 330);
  const caption =
    `${title}. A state of ${rows} × ${columns} numbers after each of ${words.length} words. Its ` +
    `largest number is ${sizes.map((size) => rounded(size)).join(', ')}, word by word.`;
  const { svg } = still.drawing(width, bottom + 58, title, caption);

  const big = 260;
  const frames = states.map((state, i) => {
    const frame = new Sketch();
    const size = big / Math.max(rows, columns);
    frame.text(24, 20, `after "${labels[i]}", largest ${rounded(sizes[i])}`, { bold: true });
    matrix(frame, 24, 30, size, state, largest);
    const y = 30 + rows * size;
    frame.text(16, y, 'key features', { rotate: -90 });
    frame.text(24, y + 18, 'value features');
    axis(frame, 24, y + 28, largest);
    const { svg } = frame.drawing(Math.max(30 + columns * size, 330), y + 76, title, '');
    return { label: labels[i], svg };
  });
  return { svg, caption, html: stepper(frames, frames.length - 1, 0.7) };
}

/** Six at most: the first, the last, and some between. */
function momentsOf(count: number): number[] {
  const shown = Math.min(6, count);
  const moments = Array.from({ length: shown }, (_, i) =>
    Math.round((i * (count - 1)) / Math.max(1, shown - 1)),
  );
  return [...new Set(moments)];
}

/** Cells of one tone are one shape, so that many frames stay small. */
function matrix(
  sketch: Sketch,
  x: number,
  y: number,
  size: number,
  state: Matrix,
  largest: number,
): void {
  const byTone = new Map<number, [number, number][]>();
  for (const [row, values] of state.entries()) {
    for (const [column, value] of values.entries()) {
      const tone = Math.round((value / largest) * TONES);
      byTone.set(tone, [...(byTone.get(tone) ?? []), [column, row]]);
    }
  }
  for (const [tone, cells] of byTone) sketch.cells(x, y, size, cells, colourOf(tone / TONES));
}

/** From −1, blue, over 0, white, to 1, red. */
const colourOf = (value: number): string => between(WHITE, value < 0 ? BLUE : RED, Math.abs(value));

/** What the colours mean. */
function axis(sketch: Sketch, x: number, y: number, largest: number): void {
  const [count, size] = [13, 18];
  const left = x + widthOf('0') * 2;
  for (let i = 0; i < count; i++) {
    const value = (i / (count - 1)) * 2 - 1;
    sketch.cells(left + i * size, y, size, [[0, 0]], colourOf(value));
  }
  const middle = left + size / 2;
  for (const [part, text] of [
    [0, `−${rounded(largest)}`],
    [0.5, '0'],
    [1, rounded(largest)],
  ] as const) {
    sketch.text(middle + part * (count - 1) * size, y + size + 16, text, { anchor: 'middle' });
  }
}

function checkStates(states: readonly Matrix[], words: readonly string[]): void {
  if (states.length === 0 || states.length !== words.length)
    throw new RangeError(
      `stateMovie: ${states.length} states and ${words.length} words; give a state per word.`,
    );
  const shapeOf = (state: Matrix) => `${state.length} × ${state[0]?.length ?? 0}`;
  for (const state of states) {
    const even = state.every((row) => row.length === states[0][0].length && row.length > 0);
    if (!even || state.length !== states[0].length)
      throw new RangeError(
        `stateMovie: a state is ${shapeOf(state)} and the first ${shapeOf(states[0])}; ` +
          'give states of one shape.',
      );
    const wrong = state.flat().find((value) => !Number.isFinite(value));
    if (wrong !== undefined)
      throw new RangeError(`stateMovie: a state has ${wrong}; give finite numbers.`);
  }
}
