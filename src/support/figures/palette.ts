/**
 * One colour per model, the same in every lesson. Okabe and Ito's palette: the colours differ for
 * the colour-blind and in grey print. A difference never depends on colour alone: lines differ in
 * dash or marker too, bars in pattern.
 */
export const modelColours = {
  transformer: '#D55E00',
  yoco: '#0072B2',
  retention: '#009E73',
  'sliding-window': '#CC79A7',
} as const;

/** For series without a colour of their own, in order. */
export const seriesColours = [
  '#0072B2',
  '#D55E00',
  '#009E73',
  '#CC79A7',
  '#E69F00',
  '#56B4E9',
  '#000000',
] as const;
export const dashes = ['solid', 'dash', 'dot', 'dashdot', 'longdash'] as const;
export const patterns = ['', '/', '.', 'x', '-', '\\', '+'] as const;

/** For what series are compared with. */
export const levelColour = '#000000';
/** For time in which nothing is computed. */
export const idleColour = '#BBBBBB';

/** Magnitudes from 0: dark is small, bright is large. */
export const magnitude = 'Viridis';
/** Signed numbers around 0: white is 0, blue negative, red positive. */
export const signed = [
  [0, '#2166AC'],
  [0.5, '#FFFFFF'],
  [1, '#B2182B'],
] as const;

/** Repeats a list: `at(dashes, 7)` is the third dash. */
export const at = <T>(list: readonly T[], i: number): T => list[i % list.length];
