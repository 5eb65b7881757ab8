/**
 * One colour per model, the same in every lesson, found by the name of the model and never by its
 * place in a chart. After Okabe and Ito's palette: the colours differ for the colour-blind and in
 * grey print, and each has a contrast of 3 or more with white and with JupyterLab's black. A
 * difference never depends on colour alone: lines differ in dash or marker too, bars in pattern.
 */
export const modelColours = {
  transformer: '#D55E00',
  yoco: '#0072B2',
  retention: '#009E73',
  'sliding-window': '#C2699A',
} as const;

/** For a model of that name; the first that fits. Names are those of lessons and studies. */
const namedColours: readonly [RegExp, string][] = [
  [/^(the )?transformer\b|^full attention\b/i, modelColours.transformer],
  [/^yoco.*\bwindow|^(sliding )?window( only)?\b(?! of)/i, modelColours['sliding-window']],
  [/^yoco.*\bfixed retention/i, '#8C6BC8'],
  [/^fixed retention\b/i, '#B8860B'],
  [/^(gated )?retention\b/i, modelColours.retention],
  [/^yoco\b/i, modelColours.yoco],
  [/^(CLA|LayerSharing)\b/, '#B8860B'],
  [/^LCKV\b/, '#8C6BC8'],
];

/** The colour of the model that a series is named after, if it is one of the book's. */
export const colourByName = (name: string): string | undefined =>
  namedColours.find(([pattern]) => pattern.test(name))?.[1];

/**
 * A colour for each name: that of its model, and for all others one that no model in the list has,
 * in order.
 */
export function coloursFor(names: readonly string[]): string[] {
  const named = names.map(colourByName);
  const free = seriesColours.filter((colour) => !named.includes(colour));
  let next = 0;
  return named.map((colour) => colour ?? at(free.length ? free : seriesColours, next++));
}

/** For series without a colour of their own, in order. */
export const seriesColours = [
  '#0072B2',
  '#D55E00',
  '#009E73',
  '#C2699A',
  '#B8860B',
  '#8C6BC8',
  '#797979',
] as const;
export const dashes = ['solid', 'dash', 'dot', 'dashdot', 'longdash'] as const;
export const patterns = ['', '/', '.', 'x', '-', '\\', '+'] as const;

/** Text and lines: as far from white as from JupyterLab's black (#111). */
export const ink = '#797979';
/** The lines behind a chart. */
export const gridColour = 'rgba(128,128,128,0.3)';
/** For what series are compared with. */
export const levelColour = ink;
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

/** From 0 (black) to 1 (white), as WCAG 2 defines it. */
export function luminance(hex: string): number {
  const channel = (at: number): number => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
}

/** From 1 (equal) to 21 (black on white); text needs 4.5, shapes and large text 3. */
export function contrast(a: string, b: string): number {
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}

/** Black or white, whichever is read better on a colour. */
export const textOn = (fill: string): string =>
  contrast('#000000', fill) >= contrast('#FFFFFF', fill) ? '#000000' : '#FFFFFF';

/** Between two colours: 0 is the first, 1 the second. */
export function between(from: string, to: string, part: number): string {
  const mixed = [1, 3, 5].map((place) => {
    const [a, b] = [from, to].map((hex) => Number.parseInt(hex.slice(place, place + 2), 16));
    const value = Math.round(a + (b - a) * part);
    return value.toString(16).padStart(2, '0');
  });
  return `#${mixed.join('')}`;
}
