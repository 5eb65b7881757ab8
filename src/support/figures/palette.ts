/**
 * One colour per model and per form, the same in every lesson. Okabe and Ito's palette: apart for the colour-blind, and
 * apart in grey print. Never colour alone: lines differ in dash or marker too.
 */
export const modelColours = {
  transformer: '#D55E00',
  yoco: '#0072B2',
  retention: '#009E73',
  'sliding-window': '#CC79A7',
} as const;

export const formColours = {
  parallel: '#E69F00',
  recurrent: '#009E73',
  chunkwise: '#0072B2',
} as const;

/** For series without a name of their own, in order. */
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

/** Magnitudes from 0: dark is nothing, bright is all. */
export const magnitude = 'Viridis';
/** Signed numbers around 0: white is nothing, blue below, red above. */
export const signed = [
  [0, '#2166AC'],
  [0.5, '#FFFFFF'],
  [1, '#B2182B'],
] as const;
