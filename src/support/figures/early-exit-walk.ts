/**
 * One prompt walks through a Transformer and a YOCO, layer by layer. In the Transformer every
 * position goes to the top. In YOCO all but the last stop in the middle, because the upper layers
 * read the one cache and never each other's positions. A still of four moments; in a notebook that
 * runs, every step.
 */
import { BOX, checkCount, type Drawing, Sketch, stepper, TEXT, widthOf } from './drawing';
import { modelColours } from './palette';

export interface EarlyExitWalkOptions {
  /** The prompt, 2 to 5 short words. */
  words?: readonly string[];
  /** The token that is predicted. */
  next?: string;
  /** Of each model, an even number. */
  layers?: number;
}

/** After one step: which layers have run at which position, and who has what in its cache. */
interface Moment {
  label: string;
  text: string;
  /** Of each model, by position (the last is the new token): how many layers have run. */
  transformer: number[];
  yoco: number[];
  /** How many tokens YOCO's cache holds. */
  cached: number;
  /** The layer that runs in this step, counted from 0; 'cache' is the making of K and V. */
  running?: number | 'cache';
}

const COLUMN = 42;
const ROW = 24;

/** @throws RangeError for 6 words or more, words too long to be drawn, an odd number of layers. */
export function earlyExitWalk(options: EarlyExitWalkOptions = {}): Drawing {
  const { words = ['The', 'whale', 'rose'], next = 'out', layers = 4 } = options;
  checkCount('earlyExitWalk', 'the number of words', words.length, 2, 5);
  checkCount('earlyExitWalk', 'half the layers', layers / 2, 1, 3);
  const long = [...words, next].find((word) => widthOf(word) > COLUMN + 10);
  if (long)
    throw new RangeError(`earlyExitWalk: "${long}" is too long; give words of up to 6 letters.`);

  const moments = walk(words.length, layers);
  const half = layers / 2;
  const picked = [half, half + 1, layers + 1, moments.length - 1];
  const panelWidth = 2 * gridWidth(words.length) + 44;
  const panelHeight = ROW * (layers + 1) + 84;
  const perRow = words.length <= 3 ? 2 : 1; // panels
  const still = new Sketch();
  for (const [i, moment] of picked.entries()) {
    const x = (i % perRow) * (panelWidth + 24);
    const y = Math.floor(i / perRow) * (panelHeight + 14);
    panel(still, x, y, moments[moment], [...words, next], layers, `${i + 1}  `);
  }
  const width = perRow * (panelWidth + 24) - 24;
  const height = (4 / perRow) * (panelHeight + 14) + 22;
  still.box(10, height - 18, 20, 14, { dash: '2 3' });
  still.text(36, height - 6, 'did not run there');
  still.box(250, height - 18, 20, 14, { hatch: true });
  still.text(276, height - 6, 'the layer that runs now');
  const N = words.length;
  const all = N * layers;
  const early = N * half + half;
  const caption =
    `A prompt of ${N} tokens in a Transformer and a YOCO of ${layers} layers, at four moments. ` +
    `1: in both, all positions have run through ${half} layers. 2: YOCO makes keys and values of ` +
    'all positions, once; all but the last stop. 3: the Transformer has run all positions to the ' +
    `top, ${all} layer-tokens; YOCO the last one only, ${early}. 4: the next token runs through ` +
    'all layers of both, and adds to the caches.';
  const title = 'In YOCO a prompt stops in the middle';
  const { svg } = still.drawing(width, height, title, caption);
  const frames = moments.map((moment) => {
    const frame = new Sketch();
    panel(frame, 0, 0, moment, [...words, next], layers, '');
    return { label: moment.label, svg: frame.drawing(panelWidth, panelHeight, title, '').svg };
  });
  return { svg, caption, html: stepper(frames) };
}

function walk(N: number, layers: number): Moment[] {
  const half = layers / 2;
  const positions = (prompt: number, last: number, added: number) => [
    ...new Array(N - 1).fill(prompt),
    last,
    added,
  ];
  const moments: Moment[] = [
    {
      label: 'prompt',
      text: 'All positions start at the bottom',
      transformer: positions(0, 0, -1),
      yoco: positions(0, 0, -1),
      cached: 0,
    },
  ];
  for (let done = 1; done <= layers; done++) {
    if (done === half + 1) {
      moments.push({
        label: 'K, V once',
        text: 'K, V made once; only the last goes on',
        transformer: positions(half, half, -1),
        yoco: positions(half, half, -1),
        cached: N,
        running: 'cache',
      });
    }
    moments.push({
      label: `layer ${done}`,
      text:
        done <= half
          ? `All positions run through layer ${done}`
          : `Layer ${done}: in YOCO the last position only`,
      transformer: positions(done, done, -1),
      yoco: positions(Math.min(done, half), done, -1),
      cached: done > half ? N : 0,
      running: done - 1,
    });
  }
  moments.push({
    label: 'next token',
    text: 'The next token takes all layers',
    transformer: positions(layers, layers, layers),
    yoco: positions(half, layers, layers),
    cached: N + 1,
  });
  return moments;
}

const gridWidth = (words: number): number => (words + 1) * COLUMN;

function panel(
  sketch: Sketch,
  x: number,
  y: number,
  moment: Moment,
  words: readonly string[],
  layers: number,
  number: string,
): void {
  sketch.text(x + 2, y + 18, number + moment.text, { bold: true });
  const top = y + 56;
  const left = x + 8;
  const right = left + gridWidth(words.length - 1) + 28;
  const lowest = top + ROW * layers; // of the row above the tokens: one row more for YOCO's cache
  const { transformer, yoco } = modelColours;
  grid(sketch, left, lowest, moment.transformer, moment, words, layers, transformer, false);
  grid(sketch, right, lowest, moment.yoco, moment, words, layers, yoco, true);
  for (const [text, at, done] of [
    ['Transformer', left, moment.transformer],
    ['YOCO', right, moment.yoco],
  ] as const) {
    const layerTokens = done.reduce((sum, count) => sum + Math.max(0, count), 0);
    sketch.text(at, y + 42, `${text}: ${layerTokens} boxes`);
  }
}

/** Positions to the right, layers upwards; a filled box is a layer that ran at a position. */
function grid(
  sketch: Sketch,
  left: number,
  lowest: number,
  done: readonly number[],
  { cached, running }: Moment,
  words: readonly string[],
  layers: number,
  colour: string,
  isYoco: boolean,
): void {
  const half = layers / 2;
  for (const [position, count] of done.entries()) {
    if (count < 0) continue;
    const x = left + position * COLUMN;
    for (let layer = 0; layer < layers; layer++) {
      const row = isYoco && layer >= half ? layer + 1 : layer;
      const y = lowest - row * ROW;
      const ran = layer < count;
      const fill = ran ? colour : 'none';
      const now = ran && layer === running;
      sketch.box(x + 2, y + 3, COLUMN - 4, ROW - 6, {
        fill,
        dash: ran ? undefined : '2 3',
        hatch: now,
      });
    }
    if (isYoco && position < cached) {
      const y = lowest - half * ROW;
      sketch.label(x + 2, y + 3, COLUMN - 4, ROW - 6, 'K V', { fill: BOX, radius: 0 });
    }
    const middle = x + COLUMN / 2;
    sketch.text(middle, lowest + ROW + TEXT + 2, words[position], { anchor: 'middle' });
  }
}
