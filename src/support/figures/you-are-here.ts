/**
 * A strip at the head of each lesson: the parts of the model, and which of them it is about.
 */
import { BOX, type Drawing, Sketch, widthOf } from './drawing';
import { ink, modelColours } from './palette';

/** From the tokens to the next token. */
const parts = ['embedding', 'self-decoder', 'K, V once', 'cross-decoder', 'LM head'] as const;
type Part = (typeof parts)[number];

interface Place {
  parts: readonly Part[];
  /** What the lesson does there. */
  topic: string;
}
const all: readonly Part[] = parts;
const lower: readonly Part[] = ['self-decoder'];

/** By the number of the lesson. */
export const places: readonly Place[] = [
  { parts: all, topic: 'the whole model, in ten minutes' },
  { parts: ['K, V once', 'cross-decoder'], topic: 'attention, and the cache that it reads' },
  { parts: ['self-decoder', 'cross-decoder'], topic: 'norms, SwiGLU and rotary positions' },
  { parts: all, topic: 'the Transformer, which YOCO is compared with' },
  { parts: lower, topic: 'retention in three forms' },
  { parts: lower, topic: 'gates that decide what is forgotten' },
  { parts: lower, topic: 'a sliding window instead of retention' },
  { parts: ['K, V once', 'cross-decoder'], topic: 'one cache for all upper layers' },
  { parts: all, topic: 'the parts put together, and compared fairly' },
  { parts: ['self-decoder', 'K, V once'], topic: 'where a prompt may stop' },
  { parts: ['self-decoder', 'K, V once'], topic: 'what is kept in memory, and what it costs' },
  { parts: all, topic: 'training' },
  { parts: ['self-decoder', 'K, V once'], topic: 'what can be found again in a long text' },
  { parts: ['self-decoder', 'K, V once'], topic: 'one long text over several devices' },
  { parts: all, topic: 'weights taken over from a Transformer' },
  { parts: ['K, V once', 'cross-decoder'], topic: 'other ways to share keys and values' },
];

const STEP = 136;
const BOX_WIDTH = 122;

/** @throws RangeError unless there is a lesson of that number. */
export function youAreHere(lesson: number): Drawing {
  const place = places[lesson];
  if (!place)
    throw new RangeError(
      `youAreHere: there is no lesson ${lesson}; give a number from 0 to ${places.length - 1}.`,
    );
  const sketch = new Sketch();
  for (const [i, part] of parts.entries()) {
    const x = 4 + i * STEP;
    const here = place.parts.includes(part);
    const look = here
      ? { fill: modelColours.yoco, stroke: modelColours.yoco, bold: true }
      : { fill: BOX };
    sketch.label(x, 8, BOX_WIDTH, 30, part, look);
    if (i > 0)
      sketch.line(
        [
          [x - STEP + BOX_WIDTH, 23],
          [x - 1, 23],
        ],
        { arrow: true },
      );
  }
  const marked = parts.flatMap((part, i) => (place.parts.includes(part) ? [i] : []));
  const from = 4 + marked[0] * STEP;
  const to = 4 + marked[marked.length - 1] * STEP + BOX_WIDTH;
  sketch.line(
    [
      [from, 42],
      [from, 48],
      [to, 48],
      [to, 42],
    ],
    { stroke: ink },
  );
  const width = 8 + (parts.length - 1) * STEP + BOX_WIDTH;
  const half = widthOf(place.topic) / 2 + 4;
  const middle = Math.min(width - half, Math.max(half, (from + to) / 2));
  sketch.text(middle, 66, place.topic, { anchor: 'middle' });
  const where = place.parts.length === parts.length ? 'the whole model' : place.parts.join(', ');
  const caption = `You are here: ${where}; ${place.topic}.`;
  return sketch.drawing(width, 74, caption, caption);
}
