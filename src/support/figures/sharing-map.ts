/**
 * Whose keys and values each layer reads: the layers of several models, the caches that they make,
 * and an arrow from each cache to every layer that reads it.
 */
import { type Drawing, Sketch, TEXT, widthOf } from './drawing';
import { colourByName, modelColours } from './palette';

/** By layer, from 0: the level whose stream makes the keys and values it reads, or 'window'. */
type LayerSources = readonly (number | 'window')[];

const ROW = 34;
const LAYER = { width: 46, height: 24 };
const CACHE = 74; // left edge of a cache in its panel
const PANEL = 172;

/** @throws RangeError for no models, for more than 12 layers, and for a level that is no layer. */
export function sharingMap(models: Readonly<Record<string, LayerSources>>): Drawing {
  const named = Object.entries(models);
  for (const [name, sources] of named) check(name, sources);
  const layers = Math.max(...named.map(([, sources]) => sources.length));
  if (named.length === 0)
    throw new RangeError('sharingMap: there are no models; give one or more.');

  const sketch = new Sketch();
  const bottom = 40 + layers * ROW;
  const sentences: string[] = [];
  for (const [i, [name, sources]] of named.entries()) {
    const x = 8 + i * PANEL;
    const caches = [...new Set(sources.filter(isLevel))];
    sketch.text(x, 20, name, { bold: true, size: 16 });
    const middleOf = (layer: number) => bottom - layer * ROW - ROW / 2;
    for (const [layer, source] of sources.entries()) {
      const top = middleOf(layer) - LAYER.height / 2;
      sketch.label(x, top, LAYER.width, LAYER.height, String(layer));
      const right = x + LAYER.width;
      if (source === 'window') {
        const fill = modelColours['sliding-window'];
        sketch.line([
          [right, middleOf(layer)],
          [x + CACHE, middleOf(layer)],
        ]);
        sketch.box(x + CACHE, top + 2, 20, 20, { fill, hatch: true });
        continue;
      }
      // each cache has a line of its own, beside which it goes up and down
      const turn = right + 20 - 5 * (caches.indexOf(source) % 3);
      const path = [
        [x + CACHE, middleOf(source)],
        [turn, middleOf(source)],
        [turn, middleOf(layer)],
        [right + 1, middleOf(layer)],
      ] as const;
      sketch.line(path, { stroke: colourOf(name), width: 1.8, arrow: true });
    }
    for (const source of caches) {
      const fill = colourOf(name);
      sketch.label(x + CACHE, middleOf(source) - 11, 66, 22, `K, V ${source}`, { fill, radius: 0 });
    }
    const count = caches.length === 1 ? '1 cache' : `${caches.length} caches`;
    sketch.text(x, bottom + 24, count, { bold: true });
    const windows = sources.length - sources.filter(isLevel).length;
    sentences.push(`${name}: ${inWords(sources)}${windows ? `, ${windows} windows` : ''}`);
  }
  const legend = 'Layers upwards. An arrow goes from keys and values to a layer that reads them;';
  sketch.text(8, bottom + 50, legend);
  sketch.text(8, bottom + 70, '"K, V 4" are made from the stream as it enters layer 4.');
  sketch.box(8, bottom + 82, 20, 20, { fill: modelColours['sliding-window'], hatch: true });
  sketch.text(36, bottom + 82 + TEXT, 'a window of its own');
  const width = Math.max(named.length * PANEL, widthOf(legend)) + 8;
  const caption = `Whose keys and values each layer reads. ${sentences.join('; ')}.`;
  return sketch.drawing(width, bottom + 112, 'Whose keys and values each layer reads', caption);
}

const isLevel = (source: number | 'window'): source is number => source !== 'window';

/** 'K, V 0 for 0 1', for each level that is read. */
function inWords(sources: LayerSources): string {
  const readers = new Map<number, number[]>();
  for (const [layer, source] of sources.entries()) {
    if (source !== 'window') readers.set(source, [...(readers.get(source) ?? []), layer]);
  }
  const parts = [...readers].map(([source, layers]) => `K, V ${source} for ${layers.join(' ')}`);
  return parts.join(', ');
}

const colourOf = (name: string): string => colourByName(name) ?? '#8C6BC8';

function check(name: string, sources: LayerSources): void {
  if (sources.length < 1 || sources.length > 12)
    throw new RangeError(`sharingMap: ${name} has ${sources.length} layers; give 1 to 12.`);
  for (const source of sources) {
    const isLayer = Number.isInteger(source) && Number(source) >= 0;
    if (source === 'window' || (isLayer && Number(source) < sources.length)) continue;
    throw new RangeError(
      `sharingMap: a layer of ${name} reads ${source}; ` +
        `give 'window' or a layer from 0 to ${sources.length - 1}.`,
    );
  }
}
