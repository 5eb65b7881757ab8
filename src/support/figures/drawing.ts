/**
 * A drawing is SVG made from plain data: a diagram, where a Figure is a chart.
 *
 * It must be readable on white and on black, in a notebook, on a code host and on a page without
 * scripts. So it has no background, and no style sheet, ids or references, which code hosts remove:
 * only shapes with attributes. Text stands in boxes of its own colour, or is written in `ink`, the
 * grey that differs equally from white and from JupyterLab's black. What colour tells is also told
 * by a pattern or a word.
 */
import { ink, textOn } from './palette';

export interface Drawing {
  /** A whole SVG document. */
  svg: string;
  /** What it shows, for those who cannot see it. */
  caption: string;
  /** The same in steps that the reader chooses, for a notebook that runs: HTML without scripts. */
  html?: string;
}

export interface TextOptions {
  size?: number;
  anchor?: 'start' | 'middle' | 'end';
  bold?: boolean;
  fill?: string;
  /** Degrees, clockwise around its place. */
  rotate?: number;
}
export interface BoxOptions {
  fill?: string;
  stroke?: string;
  strokeWidth?: number;
  dash?: string;
  radius?: number;
  /** Diagonal lines over the fill. */
  hatch?: boolean;
}
export interface LineOptions {
  stroke?: string;
  width?: number;
  dash?: string;
  /** A head at the end. */
  arrow?: boolean;
}

/** The smallest text, in units of the drawing; it is shown at 760 pixels or less. */
export const TEXT = 14;
/** Pale grey, for boxes that are not caches. */
export const BOX = '#E4E7EB';

const FONT = 'system-ui, Helvetica, Arial, sans-serif';

/** About as wide as the text is in a wide font, in units of its size. */
export const widthOf = (text: string, size = TEXT): number => [...text].length * size * 0.6;

/** Shapes in the order in which they are painted. Coordinates: x to the right, y downwards. */
export class Sketch {
  private readonly shapes: string[] = [];

  text(x: number, y: number, text: string, options: TextOptions = {}): this {
    const { size = TEXT, anchor = 'start', bold = false, fill = ink, rotate } = options;
    const attributes = [`x="${short(x)}" y="${short(y)}" font-size="${size}" fill="${fill}"`];
    if (anchor !== 'start') attributes.push(`text-anchor="${anchor}"`);
    if (bold) attributes.push('font-weight="bold"');
    if (rotate) attributes.push(`transform="rotate(${rotate} ${short(x)} ${short(y)})"`);
    this.shapes.push(`<text ${attributes.join(' ')}>${escaped(text)}</text>`);
    return this;
  }

  box(x: number, y: number, width: number, height: number, options: BoxOptions = {}): this {
    const { fill = 'none', stroke = ink, strokeWidth = 1, dash, radius, hatch } = options;
    const attributes = [
      `x="${short(x)}" y="${short(y)}" width="${short(width)}" height="${short(height)}"`,
      `fill="${fill}" stroke="${stroke}" stroke-width="${strokeWidth}"`,
    ];
    if (radius) attributes.push(`rx="${radius}"`);
    if (dash) attributes.push(`stroke-dasharray="${dash}"`);
    this.shapes.push(`<rect ${attributes.join(' ')}/>`);
    if (hatch) this.hatch(x, y, width, height, fill === 'none' ? ink : textOn(fill));
    return this;
  }

  /** A box with a text in its middle, in the colour that is read best on it. */
  label(
    x: number,
    y: number,
    width: number,
    height: number,
    text: string,
    { size = TEXT, bold, ...box }: BoxOptions & TextOptions = {},
  ): this {
    const fill = box.fill ?? BOX;
    this.box(x, y, width, height, { radius: 4, ...box, fill });
    const colour = fill === 'none' ? ink : textOn(fill);
    const place = { size, bold, anchor: 'middle', fill: colour } as const;
    return this.text(x + width / 2, y + height / 2 + size * 0.35, text, place);
  }

  line(points: readonly (readonly [number, number])[], options: LineOptions = {}): this {
    const { stroke = ink, width = 1.5, dash, arrow } = options;
    const path = points.map(([x, y]) => `${short(x)} ${short(y)}`).join('L');
    const dashes = dash ? ` stroke-dasharray="${dash}"` : '';
    const look = `fill="none" stroke="${stroke}" stroke-width="${width}"`;
    this.shapes.push(`<path d="M${path}" ${look}${dashes}/>`);
    if (arrow) this.arrowHead(points.at(-2) ?? [0, 0], points.at(-1) ?? [0, 0], stroke);
    return this;
  }

  /** Many cells of one colour as one shape: [column, row] of a grid with its corner at x, y. */
  cells(x: number, y: number, size: number, cells: readonly (readonly number[])[], fill: string) {
    const squares = cells.map(
      ([column, row]) =>
        `M${short(x + column * size)} ${short(y + row * size)}h${size}v${size}h-${size}z`,
    );
    const look = `fill="${fill}" stroke="${ink}" stroke-width="0.5"`;
    this.shapes.push(`<path d="${squares.join('')}" ${look}/>`);
    return this;
  }

  /** @param title what a screen reader says first; the caption says the rest. */
  drawing(width: number, height: number, title: string, caption: string): Drawing {
    const size = `width="${short(width)}" height="${short(height)}"`;
    const svg =
      `<svg xmlns="http://www.w3.org/2000/svg" ${size} viewBox="0 0 ${short(width)} ` +
      `${short(height)}" role="img" font-family="${FONT}">\n<title>${escaped(title)}</title>\n` +
      `${this.shapes.join('\n')}\n</svg>\n`;
    return { svg, caption };
  }

  /** Lines from bottom left to top right, cut at the borders of the box. */
  private hatch(x: number, y: number, width: number, height: number, stroke: string): void {
    const gap = 6;
    const lines: string[] = [];
    for (let offset = gap; offset < width + height; offset += gap) {
      const fromX = x + Math.max(0, offset - height);
      const fromY = y + Math.min(height, offset);
      const toX = x + Math.min(width, offset);
      const toY = y + Math.max(0, offset - width);
      lines.push(`M${short(fromX)} ${short(fromY)}L${short(toX)} ${short(toY)}`);
    }
    const look = `stroke="${stroke}" stroke-width="0.9" opacity="0.75"`;
    this.shapes.push(`<path d="${lines.join('')}" ${look}/>`);
  }

  private arrowHead(
    [fromX, fromY]: readonly [number, number],
    [x, y]: readonly [number, number],
    fill: string,
  ): void {
    const length = Math.hypot(x - fromX, y - fromY) || 1;
    const [dx, dy] = [((x - fromX) / length) * 7, ((y - fromY) / length) * 7];
    const corner = (side: number) =>
      `${short(x - dx + side * dy * 0.55)} ${short(y - dy - side * dx * 0.55)}`;
    this.shapes.push(
      `<path d="M${short(x)} ${short(y)}L${corner(1)}L${corner(-1)}z" fill="${fill}"/>`,
    );
  }
}

export interface Frame {
  /** On the button that shows it. */
  label: string;
  svg: string;
}

/**
 * Frames of which the reader chooses one, with buttons, arrow keys or "play": radio buttons and a
 * style sheet, no script. `first` is shown at the beginning.
 */
export function stepper(frames: readonly Frame[], first = 0, secondsPerFrame = 1.2): string {
  const name = `steps-${hash(frames.map(({ svg }) => svg).join(''))}`;
  const period = frames.length * secondsPerFrame;
  const shown = 100 / frames.length;
  const rules = [
    `.${name} label{display:inline-block;margin:2px;padding:2px 7px;cursor:pointer;`,
    'border:1px solid #797979;border-radius:4px;font-size:14px;white-space:pre}',
    `.${name} input{position:absolute;opacity:0}`,
    `.${name} label:has(:checked){background:#0072B2;color:#fff}`,
    `.${name} label:has(:focus-visible){outline:3px solid #D55E00}`,
    `.${name} .frames{display:grid;margin-top:6px}`,
    `.${name} .frames>*{grid-area:1/1;visibility:hidden}`,
    `.${name} svg{max-width:100%;height:auto}`,
    `@keyframes ${name}{0%{visibility:visible}${shown.toFixed(3)}%{visibility:hidden}`,
    '100%{visibility:hidden}}',
    `.${name}:has(.play:checked) .frames>*{animation:${name} ${period}s step-end infinite}`,
  ];
  const buttons: string[] = [];
  for (const [i, { label }] of frames.entries()) {
    const place = `:nth-child(${i + 1})`;
    rules.push(`.${name}:has(label${place} :checked) .frames>${place}{visibility:visible}`);
    const delay = (i * secondsPerFrame).toFixed(1);
    rules.push(`.${name}:has(.play:checked) .frames>${place}{animation-delay:${delay}s}`);
    const checked = i === first ? ' checked' : '';
    buttons.push(`<label><input type="radio" name="${name}"${checked}>${escaped(label)}</label>`);
  }
  buttons.push(`<label><input type="radio" name="${name}" class="play">▶ play</label>`);
  const pictures = frames.map(({ svg }) => `<div>${svg.replaceAll(ink, 'currentColor')}</div>`);
  return (
    `<form class="${name}"><style>${rules.join('')}</style><div>${buttons.join('')}</div>` +
    `<div class="frames">${pictures.join('')}</div></form>`
  );
}

/** The same text has the same name: a notebook that runs again does not change. */
function hash(text: string): string {
  let value = 5381;
  for (let i = 0; i < text.length; i++) value = (value * 33 + text.charCodeAt(i)) >>> 0;
  return value.toString(36);
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** Two decimals at most. */
const short = (value: number): string => String(Number(value.toFixed(2)));

/** @throws RangeError unless it is a whole number from least to most. */
export function checkCount(
  where: string,
  what: string,
  value: number,
  least: number,
  most: number,
) {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new RangeError(
    `${where}: ${what} is ${value}; give a whole number from ${least} to ${most}.`,
  );
}
